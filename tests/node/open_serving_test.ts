import { assertEquals, assertRejects } from "@std/assert";
import { memoryTable } from "../../src/base/database.ts";
import { NodeError } from "../../src/base/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { openDhtNode } from "../../src/dht/node.ts";
import { blockTensors } from "../../src/model/slice.ts";
import type { Architecture, ModelSource, TensorInfo } from "../../src/model/source.ts";
import { Account } from "../../src/node/account.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { Health } from "../../src/node/health.ts";
import { openServing } from "../../src/node/open_serving.ts";
import type { ServingParts } from "../../src/node/serving_parts.ts";
import type { Network } from "../../src/node/parts.ts";
import { planOf } from "../../src/node/plan.ts";
import { decodeServerInfo } from "../../src/petals/wire/server_info.ts";
import { Directory } from "../../src/petals/client/directory.ts";
import {
  CLIENT,
  HIDDEN,
  hidden,
  NO_PROMPTS,
  NO_ROWS,
  opening,
  openSession,
  SERVER,
  ToyBlocks,
} from "../petals/server/toy.ts";
import { MemoryNetwork } from "../support/memory_rpc.ts";
import { policyMachine } from "../support/policy_machine.ts";
import { fakeWorld, settle } from "../support/world.ts";

const MIB = 2 ** 20;
const never = new AbortController().signal;

/** Six blocks of 10 MiB. */
function toyModel(): ModelSource {
  const architecture: Architecture = {
    family: "llama",
    blocks: 6,
    hiddenSize: HIDDEN,
    ffnSize: 8,
    heads: 2,
    kvHeads: 1,
    headDim: 2,
    normEpsilon: 1e-5,
    contextLength: 64,
    vocabularySize: 10,
    rope: { base: 10_000, dims: 2, pairs: "halves", scale: 1 },
  };
  const tensors = new Map<string, TensorInfo>();
  for (let block = 0; block < 6; block++) {
    for (const { name, shape } of blockTensors(architecture, block)) {
      const bytes = name.endsWith("attn_q.weight") ? 10 * MIB : 0;
      tensors.set(name, { name, format: "F32", shape, bytes });
    }
  }
  return {
    id: "toy",
    path: "/toy.gguf",
    architecture,
    tensors,
    read: () => Promise.reject(new NodeError("not_found", "no bytes")),
    readRows: () => Promise.reject(new NodeError("not_found", "no bytes")),
    tokenizer: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  } as ModelSource;
}

/** A node that serves the toy in a network with one hub. */
async function scene(
  sets: string[],
  { availableBytes = 1000 * MIB, loadFails = 0, celsius = undefined as number | undefined } = {},
) {
  const memory = new MemoryNetwork();
  const world = fakeWorld();
  const rpc = memory.join(SERVER);
  const hub = await openDhtNode(world, memory.join(CLIENT), {}, never);
  const dht = await openDhtNode(world, rpc, {}, never);
  await dht.join([CLIENT], never);
  const plan = planOf(
    loadConfig({
      flags: new Map(),
      sets: ["network=private", "model=toy", "dht_prefix=toy", ...sets],
      environment: {},
      file: undefined,
      target: undefined,
    }).config,
    dataPaths("/d"),
    "0.1.0",
  );
  const events: NodeEvent[] = [];
  const tell = (event: NodeEvent) => void events.push(event);
  const health = new Health(tell, () => tell({ kind: "progress", text: "ready" }));
  const network: Network = {
    rpc,
    dht,
    hasBootstraps: true,
    peers: () => dht.status().peers,
    join: () => Promise.resolve(),
    table: () => memoryTable(),
    addresses: () => [],
    reachability: { state: "unknown", reason: "" },
    knownPeers: () => Promise.resolve([]),
    keepReachability: () => ({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const machine = policyMachine();
  machine.celsius = celsius;
  const log: string[] = [];
  let kill = (_why: string): void => {};
  const parts: ServingParts = {
    openModel: () => Promise.resolve({ source: toyModel(), repository: undefined }),
    openEngine: () =>
      Promise.resolve({
        name: "reference",
        reason: "asked for",
        load: (_model, range) => {
          if (loadFails-- > 0) {
            return Promise.reject(new NodeError("no_memory", "Cannot load: full, wanted room"));
          }
          log.push(`load ${range.start}:${range.end}`);
          return Promise.resolve(new ToyBlocks(range));
        },
        loadHead: () => Promise.reject(new NodeError("unsupported", "no head")),
        death: (signal) =>
          new Promise((resolve, reject) => {
            kill = resolve;
            signal.addEventListener("abort", () => reject(signal.reason), { once: true });
          }),
        [Symbol.asyncDispose]: () => Promise.resolve(void log.push("engine closed")),
      }),
    availableBytes: () => availableBytes,
  };
  const context = {
    world,
    plan,
    network,
    health,
    account: new Account(),
    contribution: machine.open(world, plan.config, health),
    tell,
    joined: Promise.resolve(),
  };
  const serving = openServing(context, parts);
  const directory = new Directory(world, hub, { prefix: "toy", blocks: 6 });
  const seen = async () =>
    (await directory.view(0, never)).servers.map(({ peerId, range }) => [peerId, range.start, range.end]);
  return {
    memory,
    world,
    events,
    health,
    serving,
    log,
    seen,
    context,
    network,
    machine,
    kill: (why: string) => kill(why),
    client: memory.peers.get(CLIENT)!,
  };
}

const quiet = async (times = 8) => {
  for (let i = 0; i < times; i++) await settle();
};
const kinds = (events: readonly NodeEvent[]) =>
  events.map((event) =>
    event.kind === "progress" && event.text !== "ready"
      ? "say"
      : event.kind === "progress"
      ? "ready"
      : event.kind
  );

Deno.test("openServing loads, announces, serves, and says OFFLINE at the end", async () => {
  const { serving, events, seen, log, client, context, health } = await scene(["blocks=1:4"]);
  await quiet();
  assertEquals(kinds(events), ["say", "loaded", "announced", "ready"]);
  const announced = events.find((event) => event.kind === "announced");
  assertEquals(announced?.kind === "announced" && announced.acceptedBy, [CLIENT]);
  assertEquals(await seen(), [[SERVER, 1, 4]]);
  assertEquals(serving.status()?.blocks, [1, 4]);
  assertEquals(health.readiness, { ready: true });

  const session = await openSession(client, "toy.1 toy.2 toy.3", SERVER);
  await session.step([hidden(1, 2), NO_PROMPTS, NO_ROWS], opening(10, { session_id: "a" }));
  assertEquals(serving.status()?.sessions, 1);
  const closing = serving[Symbol.asyncDispose]();
  await assertRejects(() => session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS]), NodeError, "leaving");
  await closing;
  assertEquals(await seen(), []);
  assertEquals(log, ["load 1:4", "engine closed"]);
  assertEquals(context.account.totals.sessions, 1);
});

Deno.test("openServing says OFFLINE at once and keeps its blocks until the node's own answers are over", async () => {
  const { serving, seen, log, context } = await scene(["blocks=1:4"]);
  await quiet();
  const answers = Promise.withResolvers<void>();
  Object.assign(context, { lastAnswers: () => answers.promise });
  const closing = serving[Symbol.asyncDispose]();
  await quiet();
  assertEquals([await seen(), log, serving.loaded?.range], [[], ["load 1:4"], { start: 1, end: 4 }]);
  answers.resolve();
  await closing;
  assertEquals([log, serving.loaded], [["load 1:4", "engine closed"], undefined]);
});

Deno.test("openServing takes as many blocks as fit, where the swarm needs them", async () => {
  // 150 MiB are for the process, 100 are reserved: 30 MiB hold two blocks
  const { serving, log } = await scene(["compute.reserve_bytes=104857600", "sessions.cache_tokens=16"], {
    availableBytes: 280 * MIB,
  });
  await quiet();
  assertEquals(log, ["load 0:2"]);
  await serving[Symbol.asyncDispose]();
  const poor = await scene(["compute.reserve_bytes=104857600"], { availableBytes: 255 * MIB });
  await assertRejects(() => poor.serving.failed, NodeError, "wanted 10 MB for one block");
  await poor.serving[Symbol.asyncDispose]();
});

Deno.test("openServing fails for blocks that the model has not, and for what cannot be loaded", async () => {
  const wide = await scene(["blocks=0:7"]);
  await assertRejects(() => wide.serving.failed, NodeError, "toy has 6 blocks, wanted a part of 0:6");
  await wide.serving[Symbol.asyncDispose]();
  const full = await scene(["blocks=0:2"], { loadFails: 1 });
  await assertRejects(() => full.serving.failed, NodeError, "Cannot load");
  await full.serving[Symbol.asyncDispose]();
  assertEquals(await full.seen(), []);
});

Deno.test("openServing lives on when the engine dies: it says so, loads again and serves the same blocks", async () => {
  const { serving, events, seen, log, kill, world, health, client } = await scene(["blocks=1:4"]);
  await quiet();
  const session = await openSession(client, "toy.1 toy.2 toy.3", SERVER);
  await session.step([hidden(1, 2), NO_PROMPTS, NO_ROWS], opening(10));
  kill("the engine process died of signal SIGSEGV");
  await assertRejects(() => session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS]), NodeError);
  await quiet();
  assertEquals(kinds(events).at(-1), "degraded");
  assertEquals(health.readiness.ready, false);
  assertEquals(await seen(), []);
  await world.clock.advance(1000);
  await quiet();
  assertEquals(kinds(events).slice(4), ["degraded", "loaded", "announced", "recovered"]);
  assertEquals(await seen(), [[SERVER, 1, 4]]);
  await serving[Symbol.asyncDispose]();
  assertEquals(log, ["load 1:4", "load 1:4", "engine closed"]);
});

Deno.test("openServing can be stopped while blocks are being loaded", async () => {
  const { serving, seen } = await scene(["blocks=1:4"]);
  await serving[Symbol.asyncDispose]();
  assertEquals(await seen(), []);
});

Deno.test("a node that is too hot says OFFLINE, finishes what is open, takes nothing new, and comes back when it has cooled down", async () => {
  const { serving, machine, seen, world, client, context, events } = await scene(["blocks=1:4"]);
  await quiet();
  const session = await openSession(client, "toy.1 toy.2 toy.3", SERVER);
  await session.step([hidden(1, 2), NO_PROMPTS, NO_ROWS], opening(10));
  machine.celsius = 84;
  await world.clock.advance(5_000);
  await quiet();
  assertEquals(await seen(), []);
  assertEquals(events.at(-1), {
    kind: "degraded",
    what: "contribution",
    why: "paused: 84 °C on cpu-thermal, resumes at 70 °C",
  });
  const late = await openSession(client, "toy.1 toy.2 toy.3", SERVER);
  await assertRejects(
    () => late.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(10)),
    NodeError,
    "84 °C on cpu-thermal",
  );
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS]);
  machine.celsius = 65;
  await world.clock.advance(65_000);
  await quiet();
  assertEquals(await seen(), [[SERVER, 1, 4]]);
  assertEquals(events.some((event) => event.kind === "recovered" && event.what === "contribution"), true);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS]);
  const again = await openSession(client, "toy.1 toy.2 toy.3", SERVER);
  await again.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(10));
  await serving[Symbol.asyncDispose]();
  await context.contribution[Symbol.asyncDispose]();
});

Deno.test("a node that its owner paused takes the owner's work and nobody else's, and nobody's while it is too hot", async () => {
  const { serving, machine, world, client, context } = await scene(["blocks=1:4"]);
  await quiet();
  const begin = async () => {
    const session = await openSession(client, "toy.1 toy.2 toy.3", SERVER);
    await session.step([hidden(1, 2), NO_PROMPTS, NO_ROWS], opening(10));
    return session;
  };
  context.contribution.pause(world.clock.now() + 300_000);
  await quiet();
  await assertRejects(begin, NodeError, "paused by the owner");
  context.contribution.own(client.self);
  const session = await begin();
  machine.celsius = 84;
  await world.clock.advance(5_000);
  await quiet();
  await assertRejects(begin, NodeError, "84 °C on cpu-thermal");
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS]);
  await serving[Symbol.asyncDispose]();
  await context.contribution[Symbol.asyncDispose]();
});

Deno.test("a node that is slowed down takes half of its sessions, and those that are open go on", async () => {
  const { serving, machine, world, client, context } = await scene(["blocks=1:4", "sessions.max_open=4"]);
  await quiet();
  const begin = async () => {
    const session = await openSession(client, "toy.1 toy.2 toy.3", SERVER);
    await session.step([hidden(1, 2), NO_PROMPTS, NO_ROWS], opening(10));
    return session;
  };
  const open = [await begin(), await begin(), await begin()];
  machine.celsius = 77;
  await world.clock.advance(5_000);
  await quiet();
  await assertRejects(begin, NodeError, "3 are open, and the server is slowed down: 77 °C on cpu-thermal");
  for (const session of open) await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS]);
  await serving[Symbol.asyncDispose]();
  await context.contribution[Symbol.asyncDispose]();
});

Deno.test("a node that is too hot from the start loads its blocks and waits, and is ready", async () => {
  const { serving, seen, health, log, context } = await scene(["blocks=1:4"], { celsius: 90 });
  await quiet();
  assertEquals([log, await seen(), health.readiness], [["load 1:4"], [], { ready: true }]);
  await serving[Symbol.asyncDispose]();
  await context.contribution[Symbol.asyncDispose]();
});

/** The state of block 1 as the DHT has it. */
const stateSeen = async (dht: Network["dht"]): Promise<string | undefined> => {
  const found = (await dht.get(["toy.1"], never)).get("toy.1");
  const record = found?.kind === "dictionary" ? found.subkeys.get(SERVER) : undefined;
  return record && decodeServerInfo(record.value).state;
};

Deno.test("a node that gets too hot while it announces itself says OFFLINE at once, not at the next change", async () => {
  const { serving, machine, world, network, context } = await scene(["blocks=1:4"]);
  const store = network.dht.store;
  let asked = 0;
  network.dht.store = async (records, signal) => {
    if (++asked === 2) {
      machine.celsius = 84;
      await world.clock.sleep(6_000, signal);
    }
    return await store.call(network.dht, records, signal);
  };
  await quiet();
  await world.clock.advance(6_000);
  await quiet();
  assertEquals(context.contribution.decision.action, "withdraw");
  assertEquals(await stateSeen(network.dht), "offline");
  await serving[Symbol.asyncDispose]();
  await context.contribution[Symbol.asyncDispose]();
});

Deno.test("a node that gets too hot while nobody takes its records does not go on saying ONLINE", async () => {
  const { serving, machine, world, network, context, health } = await scene(["blocks=1:4"]);
  const states: string[] = [];
  network.dht.store = (records) => {
    states.push(decodeServerInfo(records[0]!.value).state);
    return Promise.resolve({ acceptedBy: [], stored: new Set() });
  };
  await quiet();
  assertEquals(states, ["joining", "online"]);
  machine.celsius = 84;
  await world.clock.advance(5_000);
  await quiet();
  assertEquals(states.at(-1), "offline");
  assertEquals(health.degraded.map(({ what }) => what), ["contribution"]);
  await serving[Symbol.asyncDispose]();
  await context.contribution[Symbol.asyncDispose]();
});

Deno.test("a node that comes back says JOINING before ONLINE, and less throughput while it is slowed down", async () => {
  const { serving, machine, world, network, context } = await scene(["blocks=1:4"]);
  const said: [state: string, throughput: number][] = [];
  const store = network.dht.store;
  network.dht.store = (records, signal) => {
    const { state, throughput } = decodeServerInfo(records[0]!.value);
    said.push([state, throughput]);
    return store.call(network.dht, records, signal);
  };
  await quiet();
  const full = said.at(-1)![1];
  for (const [celsius, ms] of [[84, 6_000], [60, 66_000], [77, 6_000]] as const) {
    machine.celsius = celsius;
    await world.clock.advance(ms);
    await quiet();
  }
  assertEquals(said.map(([state]) => state), ["joining", "online", "offline", "joining", "online", "online"]);
  assertEquals(said.at(-1)![1], full / 2);
  await serving[Symbol.asyncDispose]();
  await context.contribution[Symbol.asyncDispose]();
});

/** States in the order in which they were told to the swarm. */
const saidIn = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => /Blocks announced .*"state":"(\w+)"/.exec(line)?.[1] ?? []);

Deno.test("a node that takes no work stays OFFLINE when its engine dies and when it is stopped, and says it once", async () => {
  const { serving, world, kill, log, seen, health, context } = await scene(["blocks=1:4"], { celsius: 90 });
  await quiet();
  assertEquals(saidIn(world.lines), ["joining", "offline"]);
  kill("the engine process died of signal SIGSEGV");
  await quiet();
  await world.clock.advance(1_000);
  await quiet();
  assertEquals([log, health.readiness], [["load 1:4", "load 1:4"], { ready: true }]);
  await serving[Symbol.asyncDispose]();
  assertEquals([saidIn(world.lines), await seen()], [["joining", "offline"], []]);
  await context.contribution[Symbol.asyncDispose]();
});

Deno.test("a node whose engine dies while it is withdrawn says ONLINE when it has cooled down", async () => {
  const { serving, world, machine, kill, seen, context } = await scene(["blocks=1:4"], { celsius: 90 });
  await quiet();
  kill("the engine process died of signal SIGSEGV");
  machine.celsius = 50;
  await world.clock.advance(70_000);
  await quiet();
  assertEquals([saidIn(world.lines).at(-1), await seen()], ["online", [[SERVER, 1, 4]]]);
  await serving[Symbol.asyncDispose]();
  assertEquals(saidIn(world.lines).at(-1), "offline");
  await context.contribution[Symbol.asyncDispose]();
});
