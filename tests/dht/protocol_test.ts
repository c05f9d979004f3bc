import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { pack } from "../../src/base/msgpack.ts";
import { peerIdToBytes } from "../../src/base/peer_id.ts";
import { dhtIdToBytes } from "../../src/dht/id.ts";
import * as messages from "../../src/dht/messages.ts";
import { DhtProtocol, FIND, PING, STORE } from "../../src/dht/protocol.ts";
import { encodeDictionary, textSubkey } from "../../src/dht/record.ts";
import { MemoryNetwork } from "../support/memory_rpc.ts";
import { fakeWorld } from "../support/world.ts";
import { never, peerOf } from "./network.ts";

const LIAR = peerOf(2);
const NAMED = { nodeId: dhtIdToBytes(2n) };

/** A caller, and a callee that answers `reply` whatever it is asked. */
function open(method: string, reply: Uint8Array) {
  const network = new MemoryNetwork();
  const world = fakeWorld();
  const protocol = new DhtProtocol(world, network.join(peerOf(1)), { id: 1n, peer: peerOf(1) }, {
    clientMode: false,
  });
  network.join(LIAR).serveUnary(method, () => Promise.resolve(reply));
  return { protocol, now: world.clock.now() / 1000 };
}
const result = (change: Partial<messages.FindResult>) =>
  messages.encodeFindResult({
    kind: "none",
    value: new Uint8Array(0),
    expiration: 0,
    nearestNodeIds: [],
    nearestPeerIds: [],
    ...change,
  });
const findOne = async (change: Partial<messages.FindResult>) => {
  const { protocol } = open(FIND, messages.encodeFindResponse([result(change)], NAMED));
  return (await protocol.find(LIAR, [9n], never())).found.get(9n)!;
};

Deno.test("A find answered with too few or too many results is malformed, and its sender leaves the table", async () => {
  for (const count of [0, 2]) {
    const { protocol } = open(FIND, messages.encodeFindResponse(Array(count).fill(result({})), NAMED));
    protocol.table.seen({ id: 2n, peer: LIAR });
    const error = await assertRejects(
      () => protocol.find(LIAR, [9n], never()),
      NodeError,
      `${count} results, wanted 1`,
    );
    assertEquals([error.code, protocol.table.size, protocol.blacklist.has(LIAR)], ["malformed", 0, true]);
  }
});

Deno.test("A store answered for fewer or more records than asked is malformed", async () => {
  for (const stored of [[], [true, true]]) {
    const { protocol } = open(STORE, messages.encodeStoreResponse({ stored, peer: NAMED }));
    const record = { id: 9n, subkey: Uint8Array.of(0xc0), value: pack(1), expiration: 1 };
    await assertRejects(() => protocol.store(LIAR, [record], never()), NodeError, "wanted 1");
  }
});

Deno.test("A value found with an expiration that is past or no number is none", async () => {
  const { now } = open(PING, new Uint8Array(0));
  for (const expiration of [NaN, Infinity, -Infinity, 0, now]) {
    assertEquals(
      (await findOne({ kind: "value", value: pack(1), expiration })).held,
      undefined,
      `${expiration}`,
    );
  }
  assertEquals((await findOne({ kind: "value", value: pack(1), expiration: now + 1 })).held?.kind, "value");
});

Deno.test("A dictionary found without an entry that can be read is none, its neighbours are still of use", async () => {
  const { now } = open(PING, new Uint8Array(0));
  const near = { nearestNodeIds: [dhtIdToBytes(7n)], nearestPeerIds: [peerIdToBytes(peerOf(7))] };
  const expired = encodeDictionary([{ subkey: textSubkey("a"), value: pack(1), expiration: now - 1 }]);
  for (const value of [new Uint8Array(0), pack(1), encodeDictionary([]), expired]) {
    const found = await findOne({ kind: "dictionary", value, expiration: now + 60, ...near });
    assertEquals(found, { held: undefined, nearest: [{ id: 7n, peer: peerOf(7) }] });
  }
});

Deno.test("Neighbours that cannot be read are left out, and no more than twenty are taken", async () => {
  const found = await findOne({
    nearestNodeIds: [new Uint8Array(21), dhtIdToBytes(7n), dhtIdToBytes(8n), dhtIdToBytes(9n)],
    nearestPeerIds: [peerIdToBytes(peerOf(6)), new Uint8Array(100_000), peerIdToBytes(peerOf(8))],
  });
  assertEquals(found.nearest, [{ id: 8n, peer: peerOf(8) }]);
  const many = Array.from({ length: 500 }, (_, i) => i + 10);
  const crowd = await findOne({
    nearestNodeIds: many.map((n) => dhtIdToBytes(BigInt(n))),
    nearestPeerIds: many.map((n) => peerIdToBytes(peerOf(n))),
  });
  assertEquals(crowd.nearest.length, 20);
});

Deno.test("A callee in client mode does not enter the table", async () => {
  const { protocol } = open(
    PING,
    messages.encodePingResponse({ peer: { nodeId: new Uint8Array(0) }, dhtTime: 1, available: false }),
  );
  assertEquals((await protocol.ping(LIAR, false, never())).id, undefined);
  assertEquals(protocol.table.size, 0);
});

Deno.test("A call that its caller gave up does not count against the callee", async () => {
  const { protocol } = open(PING, new Uint8Array(0));
  protocol.table.seen({ id: 2n, peer: LIAR });
  await assertRejects(
    () => protocol.ping(LIAR, false, AbortSignal.abort(new NodeError("aborted", "gone"))),
    NodeError,
    "gone",
  );
  assertEquals([protocol.table.size, protocol.blacklist.has(LIAR)], [1, false]);
});
