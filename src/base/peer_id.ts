/**
 * Peer ids as text and as bytes: base58btc of a multihash (libp2p specifications, "Peer IDs").
 *
 * @module
 */
import { base58btc } from "multiformats/bases/base58";
import { NodeError } from "./errors.ts";
import type { PeerId } from "./tensor.ts";

/** Longest id read. Ed25519 ids have 38 bytes, RSA ids 34; base58 takes quadratic time, so the limit comes first. */
const MAX_BYTES = 64;
const MAX_TEXT = 96;

/**
 * Text of the multihash bytes of a peer id. Throws `NodeError` `malformed` for an empty one or one above 64 bytes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const id = "QmWbJJwtuMuahxZLB8qXqNysnRzEZgpzukpqwNK3s8Qsvn";
 * assertEquals(peerIdFromBytes(peerIdToBytes(id)), id);
 * ```
 */
export function peerIdFromBytes(bytes: Uint8Array): PeerId {
  if (bytes.length === 0 || bytes.length > MAX_BYTES) {
    throw new NodeError("malformed", `Cannot read peer id: ${bytes.length} bytes, wanted 1 to ${MAX_BYTES}`);
  }
  return base58btc.baseEncode(bytes);
}

/** Multihash bytes of a peer id. Throws `NodeError` `malformed` for what is not base58. */
export function peerIdToBytes(peerId: PeerId): Uint8Array<ArrayBuffer> {
  if (peerId.length === 0 || peerId.length > MAX_TEXT) throw notBase58(peerId);
  try {
    return new Uint8Array(base58btc.baseDecode(peerId));
  } catch (error) {
    throw notBase58(peerId, error);
  }
}

const notBase58 = (text: string, cause?: unknown) =>
  new NodeError("malformed", `Cannot read peer id: got ${JSON.stringify(text.slice(0, 64))}, wanted base58`, {
    cause,
  });
