import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { pack } from "../../src/base/msgpack.ts";
import { encodePingRequest, encodeStoreResponse } from "../../src/dht/messages.ts";
import { byDistance, dhtIdOf, dhtIdOfPeer, dhtIdToBytes } from "../../src/dht/id.ts";
import { FIND, PING, STORE } from "../../src/dht/protocol.ts";
import type { DhtEntry, DhtRecord } from "../../src/dht/dht.ts";
import { settle } from "../support/world.ts";
import { never, peerOf, TestNetwork } from "./network.ts";

const record = (
  network: TestNetwork,
  key: string,
  more: Partial<DhtRecord> & { lifeMs?: number } = {},
): DhtRecord => ({
  key,
  value: pack("v"),
  expiresAtMs: network.clock.now() + (more.lifeMs ?? 60_000),
  ...more,
});
const subkeysOf = (entry: DhtEntry | undefined) =>
  entry?.kind === "dictionary" ? [...entry.subkeys.keys()].sort() : undefined;

/** Peers of the network by distance to a key, nearest first. */
async function nearestTo(network: TestNetwork, key: string): Promise<string[]> {
  const contacts = await Promise.all(
    network.peers.map(async (peer) => ({ peer, id: await dhtIdOfPeer(peer) })),
  );
  return contacts.sort(byDistance(await dhtIdOf(key))).map(({ peer }) => peer);
}

Deno.test("DhtNode stores a value that every other node reads", async () => {
  await using network = new TestNetwork();
  await network.grow(40);
  const wanted = record(network, "k");
  const outcome = await network.nodes[7]!.store([wanted], never());
  assertEquals(outcome.stored, new Set([0]));
  for (const node of [network.nodes[0]!, network.nodes[20]!, network.nodes[39]!]) {
    const found = await node.get(["k", "absent"], never());
    assertEquals([...found], [["k", { kind: "value", value: pack("v"), expiresAtMs: wanted.expiresAtMs }]]);
  }
});

Deno.test("DhtNode stores at the five nearest nodes and at every bootstrap", async () => {
  await using network = new TestNetwork();
  await network.grow(60);
  const outcome = await network.nodes[7]!.store([record(network, "k")], never());
  const five = (await nearestTo(network, "k")).slice(0, 5);
  const wanted = new Set([...five, network.peers[0]!]);
  wanted.delete(network.peers[7]!);
  assertEquals(new Set(outcome.acceptedBy), wanted);
});

Deno.test("DhtNode merges the subkeys that different nodes stored", async () => {
  await using network = new TestNetwork();
  await network.grow(30);
  for (const i of [3, 4, 5]) {
    await network.nodes[i]!.store(
      [record(network, "k", { subkey: `peer ${i}`, lifeMs: i * 10_000 })],
      never(),
    );
  }
  const found = await network.nodes[9]!.get(["k"], never());
  assertEquals(subkeysOf(found.get("k")), ["peer 3", "peer 4", "peer 5"]);
  assertEquals(found.get("k")!.expiresAtMs, network.clock.now() + 50_000);
});

Deno.test("DhtNode merges dictionaries of nodes that know different parts of them", async () => {
  await using network = new TestNetwork();
  await network.grow(4);
  const [a, b] = [network.nodes[1]!, network.nodes[2]!];
  network.wire.remove(network.peers[2]!);
  const first = [record(network, "k", { subkey: "a" }), record(network, "k", { subkey: "both" })];
  await network.whileTimePasses(a.store(first, never()));
  network.wire.peers.set(network.peers[2]!, network.rpcs[2]!);
  for (const peer of [0, 1, 3]) network.wire.remove(network.peers[peer]!);
  await network.whileTimePasses(
    b.store([record(network, "k", { subkey: "both", lifeMs: 70_000, value: pack("newer") })], never()),
  );
  for (const peer of [0, 1, 3]) network.wire.peers.set(network.peers[peer]!, network.rpcs[peer]!);
  await network.clock.advance(400);
  const reader = await network.open({ clientMode: true });
  await reader.join([network.peers[0]!, network.peers[2]!], never());
  const entry = (await reader.get(["k"], never())).get("k");
  assertEquals(subkeysOf(entry), ["a", "both"]);
  assertEquals(entry?.kind === "dictionary" && entry.subkeys.get("both")!.value, pack("newer"));
});

Deno.test("DhtNode forgets what expired, subkey by subkey", async () => {
  await using network = new TestNetwork();
  await network.grow(10);
  await network.nodes[1]!.store(
    [
      record(network, "k", { subkey: "soon", lifeMs: 5_000 }),
      record(network, "k", { subkey: "late", lifeMs: 9_000 }),
    ],
    never(),
  );
  await network.clock.advance(6_000);
  assertEquals(subkeysOf((await network.nodes[5]!.get(["k"], never())).get("k")), ["late"]);
  await network.clock.advance(4_000);
  assertEquals((await network.nodes[5]!.get(["k"], never())).size, 0);
  assertEquals(network.nodes.map((node) => node.status().valid), network.nodes.map(() => 0));
});

Deno.test("DhtNode lets later expirations win and reports a store that everybody refused", async () => {
  await using network = new TestNetwork();
  await network.grow(10);
  await network.nodes[1]!.store([record(network, "k", { value: pack("first") })], never());
  const refused = await network.nodes[2]!.store([record(network, "k", { value: pack("equal") })], never());
  assertEquals([refused.acceptedBy.length, refused.stored.size], [0, 0]);
  await network.nodes[2]!.store([record(network, "k", { value: pack("later"), lifeMs: 60_001 })], never());
  const entry = (await network.nodes[3]!.get(["k"], never())).get("k");
  assertEquals(entry?.kind === "value" && entry.value, pack("later"));
});

Deno.test("DhtNode alone keeps its records and has them stored by nobody else", async () => {
  await using network = new TestNetwork();
  const node = await network.open();
  const outcome = await node.store([record(network, "k")], never());
  assertEquals([outcome.acceptedBy, outcome.stored], [[], new Set()]);
  assertEquals((await node.get(["k"], never())).size, 1);
  assertEquals(node.status(), { peers: 0, entries: 1, valid: 1 });
});

Deno.test("A steady announcement of 9 keys costs at most 60 calls and no search", async () => {
  await using network = new TestNetwork();
  await network.grow(100);
  const announcer = network.nodes[50]!;
  const announce = async () => {
    await network.clock.advance(120_000);
    const records = Array.from(
      { length: 9 },
      (_, i) => record(network, `model.${i}`, { subkey: "us", lifeMs: 360_000 }),
    );
    const outcome = await announcer.store(records, never());
    assertEquals(outcome.stored.size, 9);
  };
  const first = await network.countCalls(announce);
  for (let round = 2; round <= 10; round++) {
    const calls = await network.countCalls(announce);
    assert(calls <= 60, `${calls} calls`);
  }
  const eleventh = await network.countCalls(announce, FIND);
  assert(first <= 200 && eleventh > 0 && eleventh <= 120, `${first} calls at first, ${eleventh} finds later`);
  assertEquals(await network.countCalls(announce, FIND), 0);
});

Deno.test("One StoreRequest carries all keys of a replica", async () => {
  await using network = new TestNetwork();
  await network.grow(6);
  const records = Array.from({ length: 81 }, (_, i) => record(network, `model.${i}`, { subkey: "us" }));
  await network.nodes[3]!.store(records, never());
  const calls = await network.countCalls(async () => {
    const later = records.map((old) => ({ ...old, expiresAtMs: old.expiresAtMs + 1 }));
    assertEquals((await network.nodes[3]!.store(later, never())).stored.size, 81);
  }, STORE);
  assertEquals(calls, 5);
});

Deno.test("A replica that died is replaced in the same announcement", async () => {
  await using network = new TestNetwork();
  await network.grow(60);
  const announcer = network.nodes[10]!;
  await announcer.store([record(network, "k")], never());
  const nearest = (await nearestTo(network, "k")).filter((peer) =>
    peer !== network.peers[0] && peer !== network.peers[10]
  );
  for (const peer of nearest.slice(0, 2)) network.wire.remove(peer);
  const outcome = await network.whileTimePasses(
    announcer.store([record(network, "k", { lifeMs: 99_000 })], never()),
  );
  const wanted = new Set(
    [...nearest.slice(2), network.peers[10]!].filter((peer) => outcome.acceptedBy.includes(peer)),
  );
  assertEquals([wanted.size, outcome.acceptedBy.length], [outcome.acceptedBy.length - 1, 6]);
  const reader = network.nodes[30]!;
  assertEquals((await network.whileTimePasses(reader.get(["k"], never()))).size, 1);
});

Deno.test("A dead bootstrap costs no new search at each announcement", async () => {
  await using network = new TestNetwork();
  await network.grow(30);
  const announcer = network.nodes[10]!;
  await network.whileTimePasses(announcer.join([network.peers[0]!, peerOf(900)], never()));
  await network.whileTimePasses(announcer.store([record(network, "k")], never()));
  const finds = await network.countCalls(
    () => network.whileTimePasses(announcer.store([record(network, "k", { lifeMs: 90_000 })], never())),
    FIND,
  );
  assertEquals(finds, 0);
});

Deno.test("Records outlive a third of the network", async () => {
  await using network = new TestNetwork();
  await network.grow(60);
  const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
  await network.nodes[5]!.store(keys.map((key) => record(network, key, { lifeMs: 3_600_000 })), never());
  for (let i = 6; i < 60; i += 3) network.wire.remove(network.peers[i]!);
  const found = await network.whileTimePasses(network.nodes[7]!.get(keys, never()));
  assertEquals(found.size, 10);
});

Deno.test("A peer that failed is left alone, longer each time", async () => {
  await using network = new TestNetwork();
  await network.grow(3);
  const [, reader] = network.nodes;
  const dead = network.peers[2]!;
  network.wire.remove(dead);
  const ask = () => network.countCalls(() => network.whileTimePasses(reader!.get(["k"], never())));
  const toDead = () => network.wire.calls.filter((call) => call.includes(` ${dead} `)).length;
  const before = toDead();
  await ask();
  await ask();
  assertEquals(toDead() - before, 1);
  await network.clock.advance(5_001);
  await ask();
  assertEquals(toDead() - before, 2);
  await network.clock.advance(5_001);
  await ask();
  assertEquals(toDead() - before, 2);
});

Deno.test("A peer that cannot be called does not enter the table by calling us", async () => {
  await using network = new TestNetwork();
  await network.grow(2);
  const [node, other] = network.nodes;
  network.wire.remove(network.peers[1]!);
  await network.whileTimePasses(node!.get(["k"], never()));
  assertEquals(node!.status().peers, 0);
  const nodeId = dhtIdToBytes(await dhtIdOfPeer(network.peers[1]!));
  const call = () =>
    network.wire.join(network.peers[1]!).callUnary(
      network.peers[0]!,
      PING,
      encodePingRequest({ peer: { nodeId }, validate: false }),
      never(),
    );
  await call();
  assertEquals(node!.status().peers, 0);
  await network.clock.advance(5_001);
  await call();
  assertEquals([node!.status().peers, other!.status().peers], [1, 1]);
});

Deno.test("What was read is cached here and at the nearest node that lacked it", async () => {
  await using network = new TestNetwork();
  await network.grow(40);
  const nearest = await nearestTo(network, "k");
  await network.nodes[1]!.store([record(network, "k")], never());
  const reader = network.nodes[network.peers.indexOf(nearest[30]!)]!;
  const stores = await network.countCalls(() => reader.get(["k"], never()), STORE);
  assertEquals(stores, 1);
  const cached = network.wire.calls.filter((call) => call.endsWith(STORE)).at(-1)!.split(" ")[1]!;
  assert(nearest.indexOf(cached) >= 5, "the five nearest have it");
  assertEquals(await network.countCalls(() => reader.get(["k"], never()), STORE), 0, "known already");
  const asked = await network.heldBy(network.peers.indexOf(nearest[30]!), "k");
  assertEquals(asked.kind, "value");
});

Deno.test("A cached key in use is read again 5 s before it expires", async () => {
  await using network = new TestNetwork();
  await network.grow(40);
  const far = (await nearestTo(network, "k"))[30]!;
  const reader = network.nodes[network.peers.indexOf(far)]!;
  await network.nodes[1]!.store([record(network, "k")], never());
  await reader.get(["k"], never());
  await reader.get(["k"], never()); // used from the cache: one refresh
  await network.clock.advance(50_000);
  await network.nodes[1]!.store([record(network, "k", { value: pack("new"), lifeMs: 600_000 })], never());
  const calls = await network.countCalls(() => network.clock.advance(6_000), FIND);
  assert(calls > 0, "refreshed");
  const held = await network.heldBy(network.peers.indexOf(far), "k");
  assertEquals(held.value, pack("new"));
  assertEquals(await network.countCalls(() => network.clock.advance(700_000), FIND), 0, "not used again");
});

Deno.test("A newcomer that is nearer is handed the records, dictionaries whole", async () => {
  await using network = new TestNetwork();
  const first = await network.open();
  await first.store([
    record(network, "k"),
    record(network, "d", { subkey: "a" }),
    record(network, "d", { subkey: "b" }),
  ], never());
  const second = await network.open();
  await second.join([network.peers[0]!], never());
  await settle();
  assertEquals(second.status().entries, 2);
  network.wire.remove(network.peers[0]!);
  const found = await network.whileTimePasses(second.get(["k", "d"], never()));
  assertEquals([found.get("k")?.kind, subkeysOf(found.get("d"))], ["value", ["a", "b"]]);
});

Deno.test("A stranger that comes back under new ids is handed the records once", async () => {
  await using network = new TestNetwork();
  const node = await network.open();
  await node.store([record(network, "k")], never());
  const stranger = network.wire.join(peerOf(800));
  stranger.serveUnary(STORE, () => Promise.resolve(encodeStoreResponse({ stored: [true], peer: undefined })));
  const ping = (id: bigint) =>
    stranger.callUnary(
      network.peers[0]!,
      PING,
      encodePingRequest({ peer: { nodeId: dhtIdToBytes(id) }, validate: false }),
      never(),
    );
  const stores = await network.countCalls(async () => {
    for (let id = 1n; id < 50n; id++) {
      await ping(id);
      await settle();
    }
  }, STORE);
  assertEquals(stores, 1);
});

Deno.test("Of two cached keys in use the one that expires first is read again first", async () => {
  await using network = new TestNetwork();
  await network.grow(30);
  const keys = ["late", "soon"];
  const order = await Promise.all(keys.map((key) => nearestTo(network, key)));
  const far = network.peers.find((peer) => order.every((peers) => peers.indexOf(peer) >= 10))!;
  const reader = network.nodes[network.peers.indexOf(far)]!;
  await network.nodes[1]!.store(
    [record(network, "late"), record(network, "soon", { lifeMs: 20_000 })],
    never(),
  );
  await reader.get(keys, never());
  await reader.get(["late"], never());
  await settle();
  await reader.get(["soon"], never());
  assert(await network.countCalls(() => network.clock.advance(16_000), FIND) > 0);
});

Deno.test("Known peers bring a node back into the network without any bootstrap", async () => {
  await using network = new TestNetwork();
  await network.grow(30);
  await network.nodes[1]!.store([record(network, "k")], never());
  const known = network.nodes[12]!.peers();
  assert(known.length > 10);
  const again = await network.open({
    known: [...known, { peer: peerOf(77), nodeId: "damaged" }, { peer: "0", nodeId: "00".repeat(20) }],
  });
  assertEquals(again.status().peers, known.length);
  assertEquals((await again.get(["k"], never())).size, 1);
});

Deno.test("After an outage that emptied the table bootstraps are the way back", async () => {
  let isDown = false;
  await using network = new TestNetwork({ lost: () => isDown });
  await network.grow(5);
  const node = network.nodes[3]!;
  isDown = true;
  for (let i = 0; i < 6; i++) await network.whileTimePasses(node.get(["k"], never()));
  assertEquals(node.status().peers, 0);
  isDown = false;
  await network.clock.advance(600_000);
  assertEquals(await network.countCalls(() => node.get(["k"], never()), PING), 1);
  assert(node.status().peers > 1, "the search had somebody to begin with");
});

Deno.test("An aborted get or store ends with the reason of the signal", async () => {
  await using network = new TestNetwork({ delayMs: 100 });
  const [a, b] = [await network.open(), await network.open()];
  await network.whileTimePasses(b.join([network.peers[0]!], never()), 50);
  const end = new AbortController();
  const work = [b.get(["k"], end.signal), b.store([record(network, "k")], end.signal)];
  const ends = work.map((piece) => assertRejects(() => piece, NodeError, "enough"));
  end.abort(new NodeError("aborted", "enough"));
  await Promise.all(ends);
  assertEquals(a.status().peers, 1);
});

Deno.test("A peer that never answers costs three seconds", async () => {
  await using network = new TestNetwork();
  await network.grow(2);
  const silent = network.wire.join(peerOf(700));
  for (const method of ["DHTProtocol.rpc_ping", STORE, FIND]) {
    silent.serveUnary(method, (_, { signal }) => {
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
  }
  const before = network.clock.now();
  const report = await network.whileTimePasses(
    network.nodes[1]!.join([network.peers[0]!, silent.self], never()),
  );
  assertEquals(report.peers.map(({ outcome }) => outcome), ["joined", "no_answer"]);
  assert(network.clock.now() - before <= 12_000, "three tries of 3 s, 1 s between");
});

Deno.test("DhtNode refuses to store a record without an end", async () => {
  await using network = new TestNetwork();
  const node = await network.open();
  await assertRejects(() => node.store([record(network, "k", { expiresAtMs: NaN })], never()), RangeError);
});

Deno.test("DhtNode tells its id, the SHA-1 of its peer id", async () => {
  await using network = new TestNetwork();
  const node = await network.open();
  assertEquals(node.nodeId, (await dhtIdOfPeer(network.peers[0]!)).toString(16).padStart(40, "0"));
});
