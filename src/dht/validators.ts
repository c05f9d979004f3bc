/**
 * Rules that records must meet beside their expiration. Off unless a network wants them.
 *
 * @module
 */
import { type Bytes, concatBytes, encodeUtf8, equalBytes, viewOf } from "../base/bytes.ts";
import { Float, pack, tuple } from "../base/msgpack.ts";

/** A record as its owner signs it. `subkey` is the field of the wire: `c0` for a plain value. */
export interface SignedRecord {
  /** The 20 bytes of the key's id. */
  readonly key: Uint8Array;
  readonly subkey: Uint8Array;
  readonly value: Uint8Array;
  /** Unix seconds. */
  readonly expiration: number;
}

/** Judges records of others, before they are stored and after they are found. */
export interface RecordValidator {
  /** Whether the record may be taken. Never throws for what a stranger sent. */
  validate(record: SignedRecord): Promise<boolean>;
  /** The value without what the rule added to it. */
  strip(value: Uint8Array): Uint8Array;
}

const OWNER_START = encodeUtf8("[owner:");
const SIGNATURE_START = encodeUtf8("[signature:");
const END = "]".charCodeAt(0);
const HASH_BYTES = 32;
/** Moduli that are checked: larger ones cost a stranger nothing and us milliseconds. */
const MAX_MODULUS_BYTES = 512;

/**
 * Hivemind's `RSASignatureValidator`: a key or subkey with `[owner:ssh-rsa …]` in it may only be written with a value
 * that ends in `[signature:base64]` by that key: RSA-PSS, SHA-256, longest salt, over the msgpack tuple of the record
 * without its signature.
 */
export const rsaSignatureValidator: RecordValidator = {
  async validate(record) {
    const owners = [...tagged(record.key, OWNER_START), ...tagged(record.subkey, OWNER_START)];
    const owner = owners[0];
    if (owner === undefined) return true;
    if (owners.some((other) => !equalBytes(other, owner))) return false;
    const signatures = tagged(record.value, SIGNATURE_START);
    if (signatures.length !== 1) return false;
    const key = await importOpenSshKey(owner);
    const signature = fromBase64(signatures[0]!);
    if (key === undefined || signature === undefined) return false;
    const saltLength = key.modulusBytes - HASH_BYTES - 2;
    return await crypto.subtle.verify(
      { name: "RSA-PSS", saltLength },
      key.key,
      signature,
      signedBytes(record),
    );
  },
  strip: stripSignature,
};

/** What is signed: msgpack of the tuple (key, subkey, value, expiration), the value without its signature. */
export const signedBytes = (record: SignedRecord): Bytes =>
  pack(tuple(record.key, record.subkey, stripSignature(record.value), new Float(record.expiration)));

function stripSignature(value: Uint8Array): Uint8Array {
  const found = findTags(value, SIGNATURE_START);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { start, end } of found) {
    parts.push(value.subarray(at, start));
    at = end;
  }
  return found.length === 0 ? value : concatBytes(...parts, value.subarray(at));
}

const tagged = (bytes: Uint8Array, opening: Uint8Array): Uint8Array[] =>
  findTags(bytes, opening).map(({ start, end }) => bytes.subarray(start + opening.length, end - 1));

/** Every `opening…]` with at least one byte inside and no line break (Python's `(.+?)`), left to right. */
function findTags(bytes: Uint8Array, opening: Uint8Array): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  let at = bytes.indexOf(opening[0]!);
  while (at >= 0) {
    const inside = at + opening.length;
    const end = equalBytes(bytes.subarray(at, inside), opening) ? bytes.indexOf(END, inside + 1) : -1;
    const isTag = end > 0 && !bytes.subarray(inside, end).includes(10);
    if (isTag) found.push({ start: at, end: end + 1 });
    at = bytes.indexOf(opening[0]!, isTag ? end + 1 : at + 1);
  }
  return found;
}

function fromBase64(text: Uint8Array): Bytes | undefined {
  try {
    return Uint8Array.from(atob(String.fromCharCode(...text)), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** Reads `ssh-rsa BASE64` (RFC 4253 §6.6: name, exponent, modulus, each with a length before it). */
async function importOpenSshKey(
  text: Uint8Array,
): Promise<{ readonly key: CryptoKey; readonly modulusBytes: number } | undefined> {
  if (text.length > 2 * MAX_MODULUS_BYTES) return undefined;
  const [name, base64] = String.fromCharCode(...text).split(" ");
  const blob = name === "ssh-rsa" && base64 !== undefined ? fromBase64(encodeUtf8(base64)) : undefined;
  const [kind, exponent, modulus] = blob === undefined ? [] : sshStrings(blob);
  if (kind === undefined || exponent === undefined || modulus === undefined) return undefined;
  const n = modulus[0] === 0 ? modulus.subarray(1) : modulus;
  if (!equalBytes(kind, encodeUtf8("ssh-rsa")) || n.length > MAX_MODULUS_BYTES || n.length < 128) {
    return undefined;
  }
  const jwk = { kty: "RSA", n: base64url(n), e: base64url(exponent), alg: "PS256", ext: true };
  const algorithm = { name: "RSA-PSS", hash: "SHA-256" };
  try {
    return {
      key: await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["verify"]),
      modulusBytes: n.length,
    };
  } catch {
    return undefined; // WebCrypto refuses such a key: the record has no valid owner
  }
}

function sshStrings(blob: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 4 <= blob.length;) {
    const length = viewOf(blob).getUint32(at);
    if (length > blob.length - at - 4) return [];
    parts.push(blob.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return parts;
}

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
