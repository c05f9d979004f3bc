import { assert, assertEquals, assertRejects } from "@std/assert";
import { toHex } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { Float, pack, tuple, unpack } from "../../../src/base/msgpack.ts";
import type { DhtEntry } from "../../../src/dht/dht.ts";
import { openOurNode } from "./our_node.ts";
import { peersTest, RealPeer, startBootstrap } from "./real_peer.ts";

const signal = () => AbortSignal.timeout(30_000);
const inMs = (lifeMs: number) => Date.now() + lifeMs;
const valueOf = (entry: DhtEntry | undefined) => entry?.kind === "value" ? unpack(entry.value) : undefined;

peersTest(
  "A real hivemind-dht bootstraps us, and both sides read what the other stored",
  async () => {
    await using bootstrap = await startBootstrap();
    await using ours = await openOurNode([bootstrap.address]);
    await using real = await RealPeer.start([bootstrap.address]);
    assert(ours.node.status().peers >= 1);

    assertEquals(await real.do("store", { key: "theirs", value: { a: 1, b: [1.5, "x"] }, life: 60 }), true);
    assertEquals(
      await real.do("store", { key: "tuple", value: { tuple: ["x", { tuple: [1, 2.5] }] }, life: 60 }),
      true,
    );
    assertEquals(await real.do("store", { key: "dict", subkey: "python", value: 1, life: 60 }), true);

    const outcome = await ours.node.store([
      { key: "ours", value: pack({ a: 1, b: [new Float(10), "x"] }), expiresAtMs: inMs(60_000) },
      { key: "our tuple", value: pack(tuple("x", tuple(1, new Float(2.5)))), expiresAtMs: inMs(60_000) },
      { key: "dict", subkey: "deno", value: pack(2), expiresAtMs: inMs(50_000) },
    ], signal());
    assertEquals(outcome.stored, new Set([0, 1, 2]));
    assert(outcome.acceptedBy.includes(bootstrap.peer));

    const found = await ours.node.get(["theirs", "tuple", "dict"], signal());
    assertEquals(
      valueOf(found.get("theirs")),
      new Map<string, unknown>([["a", 1], ["b", [1.5, "x"]]]) as never,
    );
    assertEquals(valueOf(found.get("tuple")), tuple("x", tuple(1, 2.5 as never)) as never);
    const entry = found.get("dict");
    assertEquals(entry?.kind === "dictionary" && [...entry.subkeys.keys()].sort(), ["deno", "python"]);

    const read = async (key: string) => (await real.do("get", { key }) as { value: unknown } | null)?.value;
    assertEquals(await read("ours"), { a: 1, b: [10, "x"] });
    assertEquals(await read("our tuple"), { tuple: ["x", { tuple: [1, 2.5] }] });
    const dictionary = await read("dict") as Record<string, { value: number }>;
    assertEquals([dictionary.deno!.value, dictionary.python!.value], [2, 1]);
  },
);

peersTest(
  "We bootstrap a real hivemind-dht and a DHTNode, which store and read through us alone",
  async () => {
    await using ours = await openOurNode([]);
    await using _bootstrap = await startBootstrap([ours.address]);
    await using real = await RealPeer.start([ours.address]);
    assertEquals(ours.node.status().peers, 2);
    const table = await real.do("table") as string[];
    assert(table.includes(ours.peer) && table.length >= 2, "it learned of the other peer from us");

    assertEquals(await real.do("store", { key: "k", value: "v", life: 60 }), true);
    assertEquals(valueOf((await ours.node.get(["k"], signal())).get("k")), "v");
    await ours.node.store(
      [{ key: "m", subkey: ours.peer, value: pack(7), expiresAtMs: inMs(60_000) }],
      signal(),
    );
    const got = await real.do("get", { key: "m" }) as { value: Record<string, { value: number }> };
    assertEquals(got.value[ours.peer]!.value, 7);
  },
);

peersTest(
  "A real peer calls each of our three procedures, with and without validation",
  async () => {
    await using ours = await openOurNode([]);
    await using real = await RealPeer.start([ours.address]);
    assertEquals(await real.do("ping", { peer: ours.peer, validate: true }), ours.node.nodeId);
    const key = "11".repeat(20);
    const store = { peer: ours.peer, keys: [key, key, key], values: ["01", "02", "03"], lives: [60, 61, 60] };
    const stored = await real.do("call_store", {
      ...store,
      subkeys: ["c0", "c0", "c0"],
      in_cache: [false, false, true],
    });
    assertEquals(stored, [true, true, true]);
    await real.do("store", { key: "k", value: [1, 2], life: 60 });
    const [found] = await real.do("call_find", { peer: ours.peer, keys: ["k"] }) as [
      { value: { value: { hex: string } } },
    ];
    assertEquals(found.value.value.hex, toHex(pack([1, 2])));
  },
);

peersTest("A real client, which serves nobody, reads and stores through us", async () => {
  await using ours = await openOurNode([]);
  await using real = await RealPeer.start([ours.address], { client: true });
  assertEquals(ours.node.status().peers, 0);
  assertEquals(await real.do("store", { key: "k", value: 1, life: 60 }), true);
  assertEquals(valueOf((await ours.node.get(["k"], signal())).get("k")), 1);
});

peersTest("As a client we read and store through a real peer and enter no table", async () => {
  await using real = await RealPeer.start([]);
  await using ours = await openOurNode([real.address], { clientMode: true });
  const outcome = await ours.node.store(
    [{ key: "k", value: pack("v"), expiresAtMs: inMs(60_000) }],
    signal(),
  );
  assertEquals(outcome.acceptedBy, [real.peer]);
  assertEquals(((await real.do("get", { key: "k" })) as { value: string }).value, "v");
  assertEquals(await real.do("table"), []);
});

/** Waits until `isSo`, for what happens in the background of a peer. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100 && !await isSo(); i++) await new Promise((resolve) => setTimeout(resolve, 100));
  assert(await isSo());
}

peersTest("A real newcomer is handed our records, dictionaries whole", async () => {
  await using ours = await openOurNode([]);
  await ours.node.store([
    { key: "plain", value: pack("v"), expiresAtMs: inMs(60_000) },
    { key: "dict", subkey: "a", value: pack(1), expiresAtMs: inMs(60_000) },
    { key: "dict", subkey: "b", value: pack(2), expiresAtMs: inMs(61_000) },
  ], signal());
  await using real = await RealPeer.start([ours.address]);
  await until(async () => await real.do("held") === 2);
  const got = await real.do("get", { key: "dict" }) as { value: Record<string, { value: number }> };
  assertEquals([got.value.a!.value, got.value.b!.value], [1, 2]);
});

peersTest("A real peer hands us its records when we are new", async () => {
  await using real = await RealPeer.start([]);
  await real.do("store", { key: "plain", value: 5, life: 60 });
  await real.do("store", { key: "dict", subkey: "a", value: 1, life: 60 });
  await using ours = await openOurNode([real.address]);
  await until(() => ours.node.status().entries === 2);
});

peersTest("A clock of ours that is a minute ahead is told so by a real bootstrap", async () => {
  await using real = await RealPeer.start([]);
  const error = await assertRejects(
    () => openOurNode([real.address], {}, 60_000),
    NodeError,
    "ahead of the network's",
  );
  assertEquals(error.code, "clock_wrong");
});

peersTest("Real peers and ours go on without their bootstrap", async () => {
  const bootstrap = await startBootstrap();
  await using parts = new AsyncDisposableStack();
  parts.use(bootstrap);
  const ours = [
    parts.use(await openOurNode([bootstrap.address])),
    parts.use(await openOurNode([bootstrap.address])),
  ];
  const real = [
    parts.use(await RealPeer.start([bootstrap.address])),
    parts.use(await RealPeer.start([bootstrap.address])),
  ];
  for (const { node } of ours) await until(() => node.status().peers >= 3);
  await ours[0]!.node.store([{ key: "ours", value: pack("o"), expiresAtMs: inMs(120_000) }], signal());
  assertEquals(await real[0]!.do("store", { key: "theirs", value: "r", life: 120 }), true);
  await bootstrap[Symbol.asyncDispose]();

  for (const { node } of ours) {
    const found = await node.get(["ours", "theirs"], signal());
    assertEquals([valueOf(found.get("ours")), valueOf(found.get("theirs"))], ["o", "r"]);
  }
  for (const peer of real) {
    const values = [await peer.do("get", { key: "ours" }), await peer.do("get", { key: "theirs" })];
    assertEquals(values.map((value) => (value as { value: string }).value), ["o", "r"]);
  }
  const outcome = await ours[1]!.node.store(
    [{ key: "later", value: pack("l"), expiresAtMs: inMs(60_000) }],
    signal(),
  );
  assertEquals(new Set(outcome.acceptedBy), new Set([ours[0]!.peer, ...real.map(({ peer }) => peer)]));
  assertEquals(((await real[1]!.do("get", { key: "later" })) as { value: string }).value, "l");
});
