/**
 * Ids of nodes and keys: 160-bit numbers whose distance is XOR (Kademlia, Maymounkov and Mazières 2002).
 *
 * @module
 */
import { type Bytes, toHex } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import { pack, type Packable } from "../base/msgpack.ts";
import { peerIdToBytes } from "../base/peer_id.ts";
import type { PeerId } from "../base/tensor.ts";
import { ID_BYTES } from "./constants.ts";

/** An id, 0 to 2^160 − 1. */
export type DhtId = bigint;

/** A node: where it stands in the DHT, and how it is called. */
export interface Contact {
  readonly id: DhtId;
  readonly peer: PeerId;
}

/**
 * The id of a key: SHA-1 of the key as msgpack; bytes are hashed as they are (hivemind `DHTID.generate`).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals((await dhtIdOf("tiny-llama.0")).toString(16), "49823f0b7430636d5331290e45cbddff59e2692e");
 * ```
 */
export async function dhtIdOf(key: Packable): Promise<DhtId> {
  const source = key instanceof Uint8Array ? new Uint8Array(key) : pack(key);
  return dhtIdFromBytes(new Uint8Array(await crypto.subtle.digest("SHA-1", source)));
}

/**
 * Our own id: SHA-1 of the bytes of the peer id. Hivemind draws a random one, which after a restart stands in other
 * tables beside the old one, under the same peer.
 */
export const dhtIdOfPeer = (peer: PeerId): Promise<DhtId> => dhtIdOf(peerIdToBytes(peer));

/** Reads a big-endian id. Fewer than 20 bytes count as with zeros before them; more are `NodeError` `malformed`. */
export function dhtIdFromBytes(bytes: Uint8Array): DhtId {
  if (bytes.length > ID_BYTES) {
    throw new NodeError("malformed", `Cannot read DHT id: ${bytes.length} bytes, wanted at most ${ID_BYTES}`);
  }
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}

/** The 20 bytes of an id, big-endian. */
export function dhtIdToBytes(id: DhtId): Bytes {
  const bytes = new Uint8Array(ID_BYTES);
  for (let i = ID_BYTES - 4; i >= 0; i -= 4) {
    const word = Number(id & 0xffffffffn);
    bytes.set([word >>> 24, word >>> 16, word >>> 8, word], i);
    id >>= 32n;
  }
  return bytes;
}

/** Orders contacts by distance to `target`, nearest first. */
export const byDistance = (target: DhtId) => (a: Contact, b: Contact): number => {
  const [x, y] = [a.id ^ target, b.id ^ target];
  return x < y ? -1 : x > y ? 1 : 0;
};
