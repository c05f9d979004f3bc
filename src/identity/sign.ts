/**
 * Signatures by the node's key. The private key stays in this room: others hand in bytes and get a signature.
 *
 * @module
 */
import { publicKeyFromProtobuf, publicKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PublicKey } from "@libp2p/interface";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import { Buffer } from "node:buffer";
import { equalBytes } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { Identity } from "./keys.ts";

/** How each kind of key signs; the names are those of RFC 8032 and RFC 8017. */
export const SIGNATURE_ALGORITHMS = { Ed25519: "Ed25519", RSA: "RSASSA-PKCS1-v1_5-SHA256" } as const;

/** A signature with all that is needed to check it. */
export interface Signature {
  readonly algorithm: (typeof SIGNATURE_ALGORITHMS)[keyof typeof SIGNATURE_ALGORITHMS];
  /** libp2p's `PublicKey` protobuf, base64: the bytes that the peer id is made of. */
  readonly publicKey: string;
  /** base64 */
  readonly value: string;
}

/** The protobuf of an RSA key of 4096 bits has 555 bytes; longer keys cost their readers too much. */
const MAX_KEY_BYTES = 600;
/** A signature is as long as the RSA modulus: 4096 bits. */
const MAX_SIGNATURE_BYTES = 512;

/** Signs `bytes` as they are; what they begin with must tell what they are. */
export async function signBytes(identity: Identity, bytes: Uint8Array): Promise<Signature> {
  const value = await identity.privateKey.sign(bytes);
  return {
    algorithm: SIGNATURE_ALGORITHMS[identity.type],
    publicKey: Buffer.from(publicKeyToProtobuf(identity.privateKey.publicKey)).toString("base64"),
    value: Buffer.from(value).toString("base64"),
  };
}

/**
 * Whose signature it is: the peer id of the key that signed `bytes`, `undefined` when it did not sign them.
 * Throws `NodeError` `malformed` for what is no key or signature, `unsupported` for keys other than Ed25519 and RSA.
 */
export async function signerOf(bytes: Uint8Array, signature: Signature): Promise<PeerId | undefined> {
  const key = decodeKey(fromBase64(signature.publicKey, MAX_KEY_BYTES, "public key"));
  if (SIGNATURE_ALGORITHMS[key.type as keyof typeof SIGNATURE_ALGORITHMS] !== signature.algorithm) {
    throw malformed(
      `the algorithm is ${JSON.stringify(signature.algorithm)}, wanted that of a key of type ${key.type}`,
    );
  }
  const value = fromBase64(signature.value, MAX_SIGNATURE_BYTES, "signature");
  const valid = await attempt(() => key.verify(bytes, value), "the key or the signature is none");
  return valid ? peerIdFromPublicKey(key).toString() : undefined;
}

function decodeKey(bytes: Uint8Array): PublicKey {
  let key: PublicKey;
  try {
    key = publicKeyFromProtobuf(bytes);
  } catch (cause) {
    throw malformed(`${bytes.length} bytes are no libp2p public key`, cause);
  }
  if (key.type !== "Ed25519" && key.type !== "RSA") {
    throw new NodeError(
      "unsupported",
      `Cannot check a signature: its key is ${key.type}, wanted Ed25519 or RSA`,
    );
  }
  // the protobuf reader is lenient: it takes a length for one of another wire type
  if (!equalBytes(publicKeyToProtobuf(key), bytes)) {
    throw malformed("its key is not written as libp2p writes it");
  }
  return key;
}

/** One text for each value: what decodes to the same bytes in another way is refused. */
function fromBase64(text: string, mostBytes: number, what: string): Uint8Array<ArrayBuffer> {
  if (text.length <= Math.ceil(mostBytes / 3) * 4 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    const bytes = Buffer.from(text, "base64");
    if (bytes.toString("base64") === text) return new Uint8Array(bytes);
  }
  throw malformed(`the ${what} is no base64 of at most ${mostBytes} bytes`);
}

async function attempt<T>(work: () => T | Promise<T>, problem: string): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw malformed(problem, cause);
  }
}

const malformed = (problem: string, cause?: unknown) =>
  new NodeError("malformed", `Cannot check a signature: ${problem}`, { cause });
