import { assert, assertEquals, assertRejects } from "@std/assert";
import { concatBytes } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { Extension, Float, pack, type Packable, tuple } from "../../src/base/msgpack.ts";
import { peerIdToBytes } from "../../src/base/peer_id.ts";
import { MAX_MESSAGE_BYTES } from "../../src/dht/constants.ts";
import { dhtIdOf, dhtIdOfPeer, dhtIdToBytes } from "../../src/dht/id.ts";
import * as messages from "../../src/dht/messages.ts";
import { openDhtNode } from "../../src/dht/node.ts";
import { FIND, PING, STORE } from "../../src/dht/protocol.ts";
import { DICTIONARY_CODE, DICTIONARY_SUBKEY, PLAIN_SUBKEY, readDictionary } from "../../src/dht/record.ts";
import { rsaSignatureValidator } from "../../src/dht/validators.ts";
import { assertBounded } from "../support/decoders.ts";
import { type MemoryRpc } from "../support/memory_rpc.ts";
import { bytesOf, vectors } from "../support/vectors.ts";
import { settle } from "../support/world.ts";
import { never, peerOf, TestNetwork } from "./network.ts";

interface Entry {
  readonly key?: Uint8Array;
  readonly subkey?: Uint8Array;
  readonly value?: Uint8Array;
  readonly life?: number;
  readonly inCache?: boolean;
}

/** One node, and a stranger who calls it with bytes of its own. */
class Stranger implements AsyncDisposable {
  readonly network = new TestNetwork();
  readonly rpc: MemoryRpc;
  nodeId: Uint8Array = new Uint8Array(0);
  key = new Uint8Array(20);

  private constructor(number: number) {
    this.rpc = this.network.wire.join(peerOf(number));
  }

  static async open(options = {}): Promise<Stranger> {
    const stranger = new Stranger(1_000);
    await stranger.network.open(options);
    stranger.nodeId = dhtIdToBytes(await dhtIdOfPeer(stranger.rpc.self));
    stranger.key = dhtIdToBytes(await dhtIdOf("key"));
    return stranger;
  }

  get now(): number {
    return this.network.clock.now() / 1000;
  }
  call(method: string, request: Uint8Array, rpc = this.rpc): Promise<Uint8Array> {
    return rpc.callUnary(this.network.peers[0]!, method, request, never());
  }
  /** Stores in client mode, so that the table stays empty. */
  async store(
    entries: readonly Entry[],
    change: Partial<messages.StoreRequest> = {},
    rpc = this.rpc,
  ): Promise<readonly boolean[]> {
    const request = {
      keys: entries.map(({ key }) => key ?? this.key),
      subkeys: entries.map(({ subkey }) => subkey ?? PLAIN_SUBKEY),
      values: entries.map(({ value }) => value ?? pack("v")),
      expirations: entries.map(({ life }) => this.now + (life ?? 60)),
      inCache: entries.map(({ inCache }) => inCache ?? false),
      peer: { nodeId: new Uint8Array(0) },
      ...change,
    };
    return messages.decodeStoreResponse(await this.call(STORE, messages.encodeStoreRequest(request), rpc))
      .stored;
  }
  async find(keys: readonly Uint8Array[] = [this.key]): Promise<readonly messages.FindResult[]> {
    const request = messages.encodeFindRequest({ keys, peer: { nodeId: new Uint8Array(0) } });
    const response = await this.call(FIND, request);
    assert(response.length < MAX_MESSAGE_BYTES, `a reply of ${response.length} bytes never arrives`);
    return messages.decodeFindResponse(response).results;
  }
  async ping(nodeId: Uint8Array, validate: boolean, rpc = this.rpc): Promise<messages.PingResponse> {
    const request = messages.encodePingRequest({ peer: { nodeId }, validate });
    return messages.decodePingResponse(await this.call(PING, request, rpc));
  }
  /** Serves pings under `nodeId`. */
  answerAs(nodeId: Uint8Array): Disposable {
    return this.rpc.serveUnary(
      PING,
      () =>
        Promise.resolve(
          messages.encodePingResponse({ peer: { nodeId }, dhtTime: this.now, available: false }),
        ),
    );
  }
  get status() {
    return this.network.nodes[0]!.status();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
  }
}

const dictionary = (items: readonly Packable[]) =>
  pack(new Extension(DICTIONARY_CODE, pack([new Float(Infinity), new Float(0), items])));

Deno.test("rpc_ping answers id and time, and adds who named itself", async () => {
  await using stranger = await Stranger.open();
  const response = await stranger.ping(stranger.nodeId, false);
  assertEquals(response.dhtTime, stranger.now);
  assertEquals(response.peer?.nodeId.length, 20);
  assertEquals([response.available, stranger.status.peers], [false, 1]);
});

Deno.test("rpc_ping with validate calls back and demands the claimed id", async () => {
  await using stranger = await Stranger.open();
  assert(!(await stranger.ping(stranger.nodeId, true)).available, "nobody answers");
  assertEquals(stranger.status.peers, 0);
  {
    using _ = stranger.answerAs(dhtIdToBytes(99n));
    assert(!(await stranger.ping(stranger.nodeId, true)).available, "another id");
    assertEquals(
      stranger.network.nodes[0]!.peers()[0]!.nodeId,
      "63".padStart(40, "0"),
      "the one it answered with",
    );
  }
  using _ = stranger.answerAs(stranger.nodeId);
  assert((await stranger.ping(stranger.nodeId, true)).available);
  assert(!(await stranger.ping(new Uint8Array(0), true)).available, "a client");
});

Deno.test("A node id of fewer than 20 bytes counts as with leading zeros", async () => {
  await using stranger = await Stranger.open();
  using _ = stranger.answerAs(Uint8Array.of(0, 0, 7));
  assert((await stranger.ping(Uint8Array.of(7), true)).available);
});

Deno.test("Clients enter no table", async () => {
  await using stranger = await Stranger.open();
  await stranger.ping(new Uint8Array(0), false);
  await stranger.call(PING, new Uint8Array(0));
  await stranger.store([{}]);
  await stranger.find();
  await stranger.ping(new Uint8Array(100_000), false); // an id nobody can have
  assertEquals(stranger.status.peers, 0);
});

Deno.test("rpc_store and rpc_find keep values, subkeys and dictionaries apart", async () => {
  await using stranger = await Stranger.open();
  const other = dhtIdToBytes(5n);
  const entries = dictionary([["a", pack(1), new Float(stranger.now + 30)], [
    "b",
    pack(2),
    new Float(stranger.now + 40),
  ]]);
  assertEquals(
    await stranger.store([
      {},
      {},
      { key: other, subkey: pack("a"), value: pack("own") },
      { key: other, subkey: DICTIONARY_SUBKEY, value: entries, life: 40 },
      { key: dhtIdToBytes(6n), subkey: DICTIONARY_SUBKEY, value: entries, life: 40 },
    ]),
    [true, false, true, false, true],
  );
  const [value, merged, whole, absent] = await stranger.find([
    stranger.key,
    other,
    dhtIdToBytes(6n),
    dhtIdToBytes(7n),
  ]);
  assertEquals([value!.kind, value!.value, value!.expiration], ["value", pack("v"), stranger.now + 60]);
  assertEquals([merged!.kind, merged!.expiration], ["dictionary", stranger.now + 60]);
  const read = readDictionary(merged!.value, stranger.now).map(({ subkey, value }) => [subkey.packed, value]);
  assertEquals(read, [[pack("a"), pack("own")], [pack("b"), pack(2)]]);
  assertEquals([whole!.kind, whole!.expiration, absent!.kind], ["dictionary", stranger.now + 40, "none"]);
});

Deno.test("rpc_find answers from storage or cache, whichever expires later", async () => {
  await using stranger = await Stranger.open();
  await stranger.store([{ value: pack("stored"), life: 60 }, {
    value: pack("cached"),
    life: 70,
    inCache: true,
  }]);
  assertEquals((await stranger.find())[0]!.value, pack("cached"));
  await stranger.store([{ value: pack("newer"), life: 80 }]);
  assertEquals((await stranger.find())[0]!.value, pack("newer"));
  assertEquals(stranger.status.entries, 1, "cached keys are not counted as held");
});

Deno.test("rpc_find names the nearest nodes, without the asker", async () => {
  await using stranger = await Stranger.open();
  await stranger.ping(stranger.nodeId, false);
  for (let i = 1; i <= 30; i++) {
    await stranger.ping(
      dhtIdToBytes(BigInt(i) << 155n),
      false,
      stranger.network.wire.join(peerOf(2_000 + i)),
    );
  }
  const [result] = await stranger.find([dhtIdToBytes(0n)]);
  assertEquals(result!.nearestNodeIds.length, 20);
  assertEquals(result!.nearestNodeIds[0], dhtIdToBytes(1n << 155n));
  assertEquals(result!.nearestPeerIds[0], peerIdToBytes(peerOf(2_001)));
  const own = await stranger.find([stranger.nodeId]);
  assert(own[0]!.nearestNodeIds.every((id) => id.join() !== stranger.nodeId.join()));
});

Deno.test("Undecodable requests end in an error, and the node goes on", async () => {
  await using stranger = await Stranger.open();
  for (const method of [PING, STORE, FIND]) {
    await assertRejects(() => stranger.call(method, Uint8Array.of(0xff)), NodeError, "protobuf");
  }
  assertEquals(await stranger.store([{}]), [true]);
});

Deno.test("Requests cut, damaged or random are answered or refused with words", async () => {
  await using stranger = await Stranger.open();
  const calls: Promise<unknown>[] = [];
  const goldens = [
    [PING, "PingRequest"],
    [STORE, "StoreRequest_dictionary"],
    [STORE, "StoreRequest_subkey"],
    [FIND, "FindRequest"],
  ];
  for (const [method, name] of goldens) {
    assertBounded(
      (bytes) => {
        const call = stranger.call(method!, bytes).catch((error) =>
          assert(error instanceof NodeError, String(error))
        );
        calls.push(call);
      },
      bytesOf(vectors.proto[name!].hex),
      50,
    );
  }
  await Promise.all(calls);
  assertEquals(await stranger.store([{ life: 61 }]), [true]);
});

// Faults of the stock peer (hivemind 1.1.12): each was seen there and must not occur here.

Deno.test("Stock fault: a refused store with an earlier expiration deletes what is held", async () => {
  await using stranger = await Stranger.open();
  await stranger.store([{ life: 600 }, { key: dhtIdToBytes(2n), subkey: pack("a"), life: 600 }]);
  const earlier = [{ life: 1 }, { key: dhtIdToBytes(2n), subkey: pack("a"), life: 1 }];
  assertEquals(await stranger.store(earlier), [false, false]);
  await stranger.network.clock.advance(300_000);
  const found = await stranger.find([stranger.key, dhtIdToBytes(2n)]);
  assertEquals(found.map(({ kind }) => kind), ["value", "dictionary"]);
});

Deno.test("Stock fault: a NaN expiration stops all expiry", async () => {
  await using stranger = await Stranger.open();
  for (const life of [NaN, Infinity, -Infinity, -2e9, 86_400 * 2, 1e18]) {
    const inDictionary = dictionary([["a", pack(1), new Float(stranger.now + life)]]);
    assertEquals(
      await stranger.store([{ life }, { life, subkey: pack("a") }, {
        subkey: DICTIONARY_SUBKEY,
        value: inDictionary,
      }]),
      [false, false, false],
      `${life}`,
    );
  }
  await stranger.store([{ life: 10 }]);
  await stranger.network.clock.advance(11_000);
  assertEquals((await stranger.find())[0]!.kind, "none");
  assertEquals(stranger.status.valid, 0);
});

Deno.test("Stock fault: a whole dictionary stops at its first refused entry", async () => {
  await using stranger = await Stranger.open();
  await stranger.store([{ subkey: pack("a"), life: 100 }]);
  const items = ["a", "b", "c"].map((name) => [name, pack(name), new Float(stranger.now + 50)]);
  assertEquals(await stranger.store([{ subkey: DICTIONARY_SUBKEY, value: dictionary(items) }]), [false]);
  const [result] = await stranger.find();
  assertEquals(readDictionary(result!.value, stranger.now).length, 3);
});

Deno.test("Stock fault: expired entries of a dictionary vanish and the answer is still true", async () => {
  await using stranger = await Stranger.open();
  const items = [["old", pack(1), new Float(stranger.now - 1)], [
    "new",
    pack(2),
    new Float(stranger.now + 9),
  ]];
  assertEquals(await stranger.store([{ subkey: DICTIONARY_SUBKEY, value: dictionary(items) }]), [false]);
  assertEquals(readDictionary((await stranger.find())[0]!.value, stranger.now).length, 1);
});

Deno.test("Stock fault: short lists truncate a store silently", async () => {
  await using stranger = await Stranger.open();
  const entries = [{}, { key: dhtIdToBytes(2n) }];
  assertEquals(await stranger.store(entries, { subkeys: [PLAIN_SUBKEY] }), [false, false]);
  assertEquals(await stranger.store(entries, { values: [pack(1)] }), [false, false]);
  assertEquals(await stranger.store(entries, { expirations: [stranger.now + 9] }), [false, false]);
  assertEquals(await stranger.store(entries, { inCache: [] }), [false, false]);
  assertEquals(await stranger.store([], { values: [pack(1)] }), []);
  assertEquals(stranger.status.entries, 0);
});

Deno.test("Stock fault: one bad entry fails the request", async () => {
  await using stranger = await Stranger.open();
  const bad: Entry[] = [
    { key: new Uint8Array(21).fill(1) },
    { subkey: Uint8Array.of(0xc1) },
    { subkey: pack([1]) },
    { subkey: pack({ a: 1 }) },
    { subkey: pack(new Extension(3, new Uint8Array(1))) },
    { subkey: DICTIONARY_SUBKEY, value: pack("no dictionary") },
    { subkey: DICTIONARY_SUBKEY, value: dictionary([["a"]]) },
  ];
  const good = { key: dhtIdToBytes(9n) };
  assertEquals(await stranger.store([...bad, good]), [...bad.map(() => false), true]);
  const found = await stranger.find([new Uint8Array(21), dhtIdToBytes(9n)]);
  assertEquals(found.map(({ kind }) => kind), ["none", "value"]);
});

Deno.test("Stock fault: subkeys that cannot be compared leave a store unanswered", async () => {
  await using stranger = await Stranger.open();
  const entries = [pack("a"), pack(7), pack(tuple("a")), pack(Uint8Array.of(1))].map((subkey) => ({
    subkey,
  }));
  assertEquals(await stranger.store(entries), [true, false, false, false]);
});

Deno.test("Stock fault: a find with 10000 keys and a full table is never answered", async () => {
  await using stranger = await Stranger.open();
  for (let i = 1; i <= 100; i++) {
    await stranger.ping(
      dhtIdToBytes(BigInt(i) << 150n),
      false,
      stranger.network.wire.join(peerOf(2_000 + i)),
    );
  }
  await stranger.store([{}]);
  const keys = Array.from({ length: 10_000 }, (_, i) => i === 0 ? stranger.key : dhtIdToBytes(BigInt(i)));
  const found = await stranger.find(keys);
  assertEquals(found.length, 10_000);
  assertEquals([found[0]!.kind, found[1]!.nearestNodeIds.length, found[300]!.nearestNodeIds.length], [
    "value",
    20,
    0,
  ]);
});

Deno.test("Stock fault: a dictionary grows past 4 MiB and can never be read", async () => {
  await using stranger = await Stranger.open();
  const value = new Uint8Array(100_000);
  let refused = 0;
  for (let i = 0; i < 60; i++) {
    const rpc = stranger.network.wire.join(peerOf(3_000 + (i % 10)));
    const [stored] = await stranger.store([{ subkey: pack(`s${i}`), value, life: 60 + i }], {}, rpc);
    if (!stored) refused++;
  }
  assert(refused > 15 && refused < 30, `${refused} refused`);
  const [result] = await stranger.find();
  assertEquals(readDictionary(result!.value, stranger.now).length, 60 - refused);
});

Deno.test("Stock fault: keys that together pass 4 MiB leave a find unanswered", async () => {
  await using stranger = await Stranger.open();
  for (let i = 1; i <= 31; i++) {
    await stranger.ping(
      dhtIdToBytes(BigInt(i) << 155n),
      false,
      stranger.network.wire.join(peerOf(2_000 + i)),
    );
  }
  const keys = [1n, 2n, 3n, 4n, 5n].map(dhtIdToBytes);
  const value = new Uint8Array(1_500_000);
  assertEquals(await stranger.store(keys.map((key) => ({ key, value }))), keys.map(() => true));
  const items = Array.from(
    { length: 20 },
    (_, i) => [`s${i}`, new Uint8Array(70_000), new Float(stranger.now + 60)],
  );
  const big = [6n, 7n].map((id) => ({
    key: dhtIdToBytes(id),
    subkey: DICTIONARY_SUBKEY,
    value: dictionary(items),
  }));
  assertEquals(await stranger.store(big), [true, true]);
  const found = await stranger.find([...big.map(({ key }) => key), ...keys]);
  assertEquals(found.map(({ kind }) => kind), [
    "dictionary",
    "dictionary",
    "none",
    "none",
    "none",
    "none",
    "none",
  ]);
  const both = await stranger.find([keys[0]!, keys[1]!, big[0]!.key, big[1]!.key]);
  assertEquals(both.map(({ kind }) => kind), ["value", "value", "dictionary", "none"]);
  assert(readDictionary(both[2]!.value, stranger.now).length < 20, "a part of it");
  const neighbours = Array.from({ length: 250 }, (_, i) => dhtIdToBytes(BigInt(1_000 + i)));
  const many = await stranger.find([keys[0]!, keys[1]!, big[0]!.key, ...neighbours]);
  const counts = new Set(many.map(({ nearestNodeIds }) => nearestNodeIds.length));
  assertEquals(
    [counts, many.at(-1)!.nearestNodeIds.length],
    [new Set([20, 0]), 0],
    "no room even for neighbours",
  );
});

Deno.test("Stock fault: 300 MiB from one stranger are all taken", async () => {
  await using stranger = await Stranger.open();
  const value = new Uint8Array(1_000_000);
  let taken = 0;
  for (let i = 0; i < 300; i++) {
    const [stored] = await stranger.store([{ key: dhtIdToBytes(BigInt(i)), value }]);
    if (stored) taken++;
  }
  assertEquals(taken, 16);
  const other = stranger.network.wire.join(peerOf(2_000));
  assertEquals(await stranger.store([{ key: dhtIdToBytes(999n), value }], {}, other), [true]);
});

Deno.test("Stock fault: one peer with 2000 made-up ids owns all 20 nearest", async () => {
  await using stranger = await Stranger.open();
  for (let i = 1; i <= 30; i++) {
    await stranger.ping(
      dhtIdToBytes(BigInt(i) << 155n),
      false,
      stranger.network.wire.join(peerOf(2_000 + i)),
    );
  }
  for (let i = 1; i <= 2_000; i++) await stranger.ping(dhtIdToBytes(BigInt(i)), false);
  const [result] = await stranger.find([dhtIdToBytes(0n)]);
  const liar = peerIdToBytes(stranger.rpc.self).join();
  assertEquals(
    result!.nearestPeerIds.filter((id) => id.join() === liar).length,
    0,
    "the asker itself is left out",
  );
  assertEquals(stranger.status.peers, 31);
});

Deno.test("Stores above the number of entries that are looked at are refused, the others held", async () => {
  await using stranger = await Stranger.open();
  const entries = Array.from(
    { length: 5_000 },
    (_, i) => ({ key: dhtIdToBytes(BigInt(i)), value: new Uint8Array(1) }),
  );
  const stored = await stranger.store(entries);
  assertEquals([stored.length, stored.filter(Boolean).length], [5_000, 4_096]);
});

Deno.test("A network with a validator refuses records that are not signed by their owner", async () => {
  const golden = vectors.rsa_validator;
  await using stranger = await Stranger.open({ validator: rsaSignatureValidator });
  await stranger.network.clock.advance(golden.expiration_time * 1000 - 60_000 - stranger.network.clock.now());
  const signed = {
    key: bytesOf(golden.key_hex),
    subkey: bytesOf(golden.subkey_hex),
    value: bytesOf(golden.signed_value_hex),
  };
  const forged = { ...signed, value: concatBytes(Uint8Array.of(0xa0), signed.value) };
  const inside = dictionary([["x[owner:ssh-rsa AAAA]", pack(1), new Float(stranger.now + 9)]]);
  assertEquals(
    await stranger.store([forged, signed, {}, {
      key: dhtIdToBytes(3n),
      subkey: DICTIONARY_SUBKEY,
      value: inside,
    }]),
    [false, true, true, false],
  );
  const [found] = await stranger.find([signed.key]);
  const [entry] = readDictionary(found!.value, stranger.now);
  assertEquals(entry!.value, signed.value, "signatures are kept for the next reader");
});

Deno.test("A stopped node serves nobody", async () => {
  const network = new TestNetwork();
  const node = await network.open();
  const caller = network.wire.join(peerOf(500));
  await node[Symbol.asyncDispose]();
  await assertRejects(
    () => caller.callUnary(network.peers[0]!, PING, new Uint8Array(0), never()),
    NodeError,
    "not supported",
  );
  await settle();
});

Deno.test("A client serves nobody and sends no id", async () => {
  const network = new TestNetwork();
  const client = await network.open({ clientMode: true });
  await using _ = client;
  const served = await network.open();
  await using __ = served;
  await client.join([network.peers[1]!], never());
  assertEquals([client.status().peers, served.status().peers], [1, 0]);
  const caller = network.wire.join(peerOf(500));
  await assertRejects(() => caller.callUnary(network.peers[0]!, PING, new Uint8Array(0), never()), NodeError);
});

Deno.test("openDhtNode with an aborted signal opens nothing", async () => {
  const network = new TestNetwork();
  const rpc = network.wire.join(peerOf(1));
  await assertRejects(
    () => openDhtNode(network.world, rpc, {}, AbortSignal.abort(new NodeError("aborted", "no"))),
    NodeError,
  );
});
