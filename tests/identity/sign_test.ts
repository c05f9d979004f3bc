import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { createPublicKey, verify } from "node:crypto";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { createIdentity, decodeIdentity } from "../../src/identity/keys.ts";
import { signBytes, signerOf } from "../../src/identity/sign.ts";
import { bytesOf, vectors } from "../support/vectors.ts";

const TEXT = encodeUtf8("forty watt-hours");
const rsa = () => decodeIdentity(bytesOf(vectors.identity.rsa_identity_file_hex));

Deno.test("signBytes by Ed25519 and by hivemind's RSA key is known again as theirs, and only over those bytes", async () => {
  for (const identity of [await createIdentity(), rsa()]) {
    const signature = await signBytes(identity, TEXT);
    assertEquals(await signerOf(TEXT, signature), identity.peerId);
    assertEquals(await signerOf(encodeUtf8("forty-one watt-hours"), signature), undefined);
  }
});

Deno.test("signBytes is checked by a library that knows nothing of libp2p", async () => {
  const ed25519 = await signBytes(await createIdentity(), TEXT);
  // protobuf header of 4 bytes, then the raw key; the prefix is that of RFC 8410
  const raw = Buffer.from(ed25519.publicKey, "base64").subarray(4);
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  const key = createPublicKey({ key: spki, format: "der", type: "spki" });
  assertEquals(verify(null, TEXT, key, Buffer.from(ed25519.value, "base64")), true);

  const signed = await signBytes(rsa(), TEXT);
  // header of 5 bytes, then SubjectPublicKeyInfo
  const der = Buffer.from(signed.publicKey, "base64").subarray(5);
  const rsaKey = createPublicKey({ key: der, format: "der", type: "spki" });
  assertEquals(verify("sha256", TEXT, rsaKey, Buffer.from(signed.value, "base64")), true);
});

Deno.test("signerOf knows nobody when the key is another's, and refuses what is no key or signature", async () => {
  const [ours, other] = [await createIdentity(), await createIdentity()];
  const signature = await signBytes(ours, TEXT);
  const { publicKey } = await signBytes(other, TEXT);
  assertEquals(await signerOf(TEXT, { ...signature, publicKey }), undefined);
  const broken = [
    { ...signature, publicKey: "" },
    { ...signature, publicKey: "AAAA" },
    { ...signature, publicKey: "A".repeat(100_000) },
    { ...signature, value: "not base64!" },
    { ...signature, value: "A".repeat(100_000) },
    { ...signature, algorithm: "RSASSA-PKCS1-v1_5-SHA256" as const },
  ];
  for (const each of broken) {
    const error = await assertRejects(() => signerOf(TEXT, each), NodeError);
    assertEquals(error.code, "malformed");
  }
});

Deno.test("signerOf ends every cut and flipped key or signature in a value or a NodeError", async () => {
  for (const identity of [await createIdentity(), rsa()]) {
    const signature = await signBytes(identity, TEXT);
    for (const field of ["publicKey", "value"] as const) {
      const bytes = Buffer.from(signature[field], "base64");
      for (let at = 0; at < bytes.length; at++) {
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= 0x41;
        for (const damaged of [bytes.subarray(0, at), flipped]) {
          const changed = { ...signature, [field]: damaged.toString("base64") };
          const found = await signerOf(TEXT, changed).catch((error) => {
            if (!(error instanceof NodeError)) throw error;
            return undefined;
          });
          // a flipped key may still be a key, but not the one that signed
          assertEquals(found === identity.peerId, false, `${field} at ${at}`);
        }
      }
    }
  }
});
