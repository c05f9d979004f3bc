import { assert, assertEquals } from "@std/assert";
import { concatBytes, encodeUtf8, fromHex, toHex } from "../../src/base/bytes.ts";
import { rsaSignatureValidator, signedBytes, type SignedRecord } from "../../src/dht/validators.ts";
import { vectors } from "../support/vectors.ts";

const golden = vectors.rsa_validator;
const record: SignedRecord = {
  key: fromHex(golden.key_hex),
  subkey: fromHex(golden.subkey_hex),
  value: fromHex(golden.signed_value_hex),
  expiration: golden.expiration_time,
};
const validate = (change: Partial<SignedRecord>) => rsaSignatureValidator.validate({ ...record, ...change });

Deno.test("rsaSignatureValidator accepts a record that hivemind signed", async () => {
  assertEquals(toHex(signedBytes(record)), golden.what_is_signed_hex);
  assertEquals(toHex(rsaSignatureValidator.strip(record.value)), golden.stripped_hex);
  assert(await validate({}));
});

Deno.test("rsaSignatureValidator refuses a protected record that was changed or is not signed", async () => {
  assert(!await validate({ expiration: record.expiration + 1 }));
  assert(!await validate({ value: fromHex(golden.stripped_hex) }));
  assert(!await validate({ value: concatBytes(Uint8Array.of(0xa0), record.value.subarray(1)) }));
  assert(!await validate({ key: new Uint8Array(20) }));
  assert(!await validate({ value: concatBytes(record.value, encodeUtf8("[signature:AAAA]")) }));
  assert(!await validate({ key: encodeUtf8("[owner:ssh-rsa AAAA]") }), "two owners");
});

/** A record that its owner signed, with whatever else stands in its key. */
async function signedByNewOwner(bits: number, inKey: (owner: string) => string): Promise<SignedRecord> {
  const algorithm = {
    name: "RSA-PSS",
    hash: "SHA-256",
    modulusLength: bits,
    publicExponent: Uint8Array.of(1, 0, 1),
  };
  const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const { n } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const modulus = Uint8Array.from(atob(n!.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const part = (bytes: Uint8Array) =>
    concatBytes(new Uint8Array(new Uint32Array([bytes.length]).buffer).reverse(), bytes);
  const blob = concatBytes(
    part(encodeUtf8("ssh-rsa")),
    part(Uint8Array.of(1, 0, 1)),
    part(concatBytes([0], modulus)),
  );
  const owner = `ssh-rsa ${btoa(String.fromCharCode(...blob))}`;
  const unsigned = {
    key: encodeUtf8(inKey(owner)),
    subkey: Uint8Array.of(0xc0),
    value: encodeUtf8("v"),
    expiration: 5.5,
  };
  const saltLength = bits / 8 - 34;
  const signature = await crypto.subtle.sign(
    { name: "RSA-PSS", saltLength },
    pair.privateKey,
    signedBytes(unsigned),
  );
  const tag = `[signature:${btoa(String.fromCharCode(...new Uint8Array(signature)))}]`;
  return { ...unsigned, value: concatBytes(unsigned.value, encodeUtf8(tag)) };
}

Deno.test("rsaSignatureValidator accepts keys of other sizes", async () => {
  assert(await rsaSignatureValidator.validate(await signedByNewOwner(3_072, (owner) => `[owner:${owner}]`)));
});

Deno.test("rsaSignatureValidator refuses a record that names two owners, though one signed it", async () => {
  const twice = await signedByNewOwner(1_024, (owner) => `[owner:${owner}] [owner:${owner}]`);
  assert(await rsaSignatureValidator.validate(twice), "the same owner twice is one owner");
  const two = await signedByNewOwner(1_024, (owner) => `[owner:${owner}] [owner:somebody else]`);
  assert(!await rsaSignatureValidator.validate(two));
});

Deno.test("rsaSignatureValidator lets unprotected records pass", async () => {
  assert(await validate({ subkey: Uint8Array.of(0xc0) }));
});

Deno.test("rsaSignatureValidator refuses owners and signatures it cannot read", async () => {
  const owners = [
    "x",
    "ssh-rsa",
    "ssh-rsa !!",
    "ssh-rsa AAAA",
    "ssh-ed25519 AAAA",
    `ssh-rsa ${"A".repeat(3_000)}`,
  ];
  for (const owner of owners) assert(!await validate({ subkey: encodeUtf8(`[owner:${owner}]`) }), owner);
  for (const signature of ["!", "AAAA", "A".repeat(9_999)]) {
    assert(!await validate({ value: encodeUtf8(`v[signature:${signature}]`) }));
  }
  const blob = "AAAAB3NzaC1yc2EAAAADAQABAAABAQ" + "A".repeat(300);
  assert(!await validate({ subkey: encodeUtf8(`[owner:ssh-rsa ${blob}]`) }));
});
