import { assertEquals, assertThrows } from "@std/assert";
import { fromHex, toHex } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { Float, type Packable, Tuple } from "../../src/base/msgpack.ts";
import { peerIdToBytes } from "../../src/base/peer_id.ts";
import { byDistance, dhtIdFromBytes, dhtIdOf, dhtIdOfPeer, dhtIdToBytes } from "../../src/dht/id.ts";
import { vectors } from "../support/vectors.ts";
import { peerOf } from "./network.ts";

/** The key of a golden vector. */
function keyOf(json: unknown): Packable {
  if (typeof json === "number" && !Number.isInteger(json)) return new Float(json);
  const tuple = (json as { __tuple__?: Packable[] } | null)?.__tuple__;
  return tuple === undefined ? json as Packable : new Tuple(tuple);
}

Deno.test("dhtIdOf gives hivemind's id for keys of every kind", async () => {
  for (const vector of vectors.dhtid) {
    if (vector.key_json === null) continue; // hivemind draws a random id for None
    const key = vector.key_bytes_hex === undefined ? keyOf(vector.key_json) : fromHex(vector.key_bytes_hex);
    assertEquals(toHex(dhtIdToBytes(await dhtIdOf(key))), vector.dhtid_hex, JSON.stringify(vector));
  }
});

Deno.test("Distance of ids is their XOR", () => {
  const [a, b] = [vectors.xor.a_hex, vectors.xor.b_hex].map((hex) => dhtIdFromBytes(fromHex(hex)));
  assertEquals(toHex(dhtIdToBytes(a! ^ b!)), vectors.xor.distance_hex);
});

Deno.test("dhtIdFromBytes counts missing bytes as leading zeros and refuses more than 20", () => {
  assertEquals(dhtIdFromBytes(Uint8Array.of(1, 0)), 256n);
  assertEquals(dhtIdFromBytes(new Uint8Array(0)), 0n);
  assertEquals(toHex(dhtIdToBytes(256n)), "00".repeat(18) + "0100");
  assertThrows(() => dhtIdFromBytes(new Uint8Array(21)), NodeError, "21 bytes");
});

Deno.test("dhtIdOfPeer hashes the bytes of the peer id, so that it outlives restarts", async () => {
  const peer = peerOf(3);
  const digest = await crypto.subtle.digest("SHA-1", peerIdToBytes(peer));
  assertEquals(dhtIdToBytes(await dhtIdOfPeer(peer)), new Uint8Array(digest));
});

Deno.test("byDistance puts the nearest contact first", () => {
  const contacts = [0b1000n, 0b0001n, 0b0111n].map((id) => ({ id, peer: peerOf(Number(id)) }));
  assertEquals(contacts.sort(byDistance(0b0110n)).map(({ id }) => id), [0b0111n, 0b0001n, 0b1000n]);
});
