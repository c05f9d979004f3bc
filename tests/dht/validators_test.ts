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
