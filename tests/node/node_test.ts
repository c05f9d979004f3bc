import { assertEquals, assertRejects } from "@std/assert";
import { memoryTable } from "../../src/base/database.ts";
import { NodeError } from "../../src/base/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { openMeter } from "../../src/energy/meter.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import type { NodeCarbon } from "../../src/node/open_carbon.ts";
import { openNode } from "../../src/node/node.ts";
import type { Network, NodeParts, ServingContext } from "../../src/node/parts.ts";
import { planOf } from "../../src/node/plan.ts";
import { WILLING } from "../../src/policy/decide.ts";
import { MemoryNetwork } from "../support/memory_rpc.ts";
import { fakeWorld, settle } from "../support/world.ts";

const SELF = "12D3KooWSelf";

/** Parts that write down when they open and close. */
function recordingParts(order: string[], change: Partial<NodeParts> = {}): NodeParts {
  const closing = (name: string) => ({
    [Symbol.asyncDispose]: () => Promise.resolve(void order.push(`-${name}`)),
  });
  const open = (name: string) => void order.push(`+${name}`);
  return {
    openLock() {
      open("lock");
      return Promise.resolve({ describe: ({ api }) => open(`described ${api}`), ...closing("lock") });
    },
    openNetwork(): Promise<Network> {
      open("network");
      return Promise.resolve({
        rpc: new MemoryNetwork().join(SELF),
        dht: {
          get: () => Promise.resolve(new Map()),
          store: () => Promise.resolve({ acceptedBy: [], stored: new Set<number>() }),
          status: () => ({ peers: 0, entries: 0, valid: 0 }),
        },
        hasBootstraps: false,
        peers: () => 0,
        join: () => Promise.resolve(),
        table: () => memoryTable(),
        addresses: () => [`/ip4/127.0.0.1/tcp/1/p2p/${SELF}`],
        reachability: { state: "unknown", reason: "nobody was asked" },
        knownPeers: () => Promise.resolve([]),
        keepReachability: () => ({ [Symbol.asyncDispose]: () => Promise.resolve() }),
        ...closing("network"),
      });
    },
    openCarbon(): Promise<NodeCarbon> {
      open("carbon");
      const nothing = { keep: () => {}, intensity: {}, books: {} } as unknown as NodeCarbon;
      return Promise.resolve({ ...nothing, ...closing("carbon") });
    },
    openEnergy(world) {
      open("energy");
      return { meter: openMeter(world, []), looked: Promise.resolve(), ...closing("energy") };
    },
    openOwnPower() {
      open("own power");
      const nothing = () => undefined;
      return Promise.resolve({ snapshot: nothing, localOf: nothing, ...closing("own power") });
    },
    openContribution() {
      open("contribution");
      return {
        decision: WILLING,
        changed: () => new Promise<void>(() => {}),
        pause: () => {},
        own: () => {},
        willingFor: () => ({ share: 1, words: "" }),
        ...closing("contribution"),
      };
    },
    openApi() {
      open("api");
      return { url: "http://127.0.0.1:1", ...closing("api") };
    },
    openServing({ health }: ServingContext) {
      open("serving");
      health.pending("blocks", "blocks are being loaded");
      return {
        served: { model: "tiny", prefix: "tiny", blocks: { start: 0, end: 2 }, engine: "reference" },
        status: () => undefined,
        announcedAtMs: undefined,
        base: new Promise(() => {}),
        loaded: undefined,
        failed: new Promise<never>(() => {}),
        ...closing("serving"),
      };
    },
    openAsking({ health }: ServingContext) {
      open("asking");
      health.pending("model", "the model is not open yet");
      return {
        base: new Promise(() => {}),
        loaded: undefined,
        failed: new Promise<never>(() => {}),
        ...closing("asking"),
      };
    },
    ...change,
  };
}

const planWith = (...sets: string[]) =>
  planOf(
    loadConfig({ flags: new Map(), sets, environment: {}, file: undefined, target: undefined }).config,
    dataPaths("/d"),
    "0.1.0",
  );

Deno.test("openNode listens, opens the API, then serves, and stops in the reverse order", async () => {
  const order: string[] = [];
  const events: NodeEvent[] = [];
  const tell = (event: NodeEvent) => {
    events.push(event);
    order.push(event.kind);
  };
  const node = await openNode(
    fakeWorld(),
    planWith("network=private", "model=x"),
    recordingParts(order),
    tell,
  );
  assertEquals(node.status().readiness, { ready: false, reason: "blocks are being loaded" });
  assertEquals(node.status().serving, {
    model: "x",
    prefix: "",
    blocks: [0, 0],
    engine: "",
    sessions: 0,
    cacheTokensLeft: 0,
  });
  await node[Symbol.asyncDispose]();
  assertEquals(order, [
    "+lock",
    "+network",
    "listening",
    "+carbon",
    "+energy",
    "+own power",
    "+contribution",
    "+api",
    "answering",
    "+described http://127.0.0.1:1",
    "+serving",
    "-serving",
    "-api",
    "-contribution",
    "-own power",
    "-energy",
    "-carbon",
    "-network",
    "-lock",
  ]);
});

Deno.test("a node that knows nobody says so, and not that nobody was asked", async () => {
  const plan = planWith("network=private", "serve=false");
  await using node = await openNode(fakeWorld(), plan, recordingParts([]), () => {});
  assertEquals(node.status().reachability, {
    state: "unknown",
    reason: "no other node is known yet that could call back",
  });
});

Deno.test("openNode is ready at once when it is a lone private node that serves nothing", async () => {
  const events: NodeEvent[] = [];
  const plan = planWith("network=private", "serve=false");
  await using node = await openNode(fakeWorld(), plan, recordingParts([]), (event) => events.push(event));
  await settle();
  assertEquals(events.map(({ kind }) => kind), ["listening", "answering", "ready"]);
  assertEquals(events[2], {
    kind: "ready",
    peerId: SELF,
    addresses: [`/ip4/127.0.0.1/tcp/1/p2p/${SELF}`],
    api: "http://127.0.0.1:1",
    served: undefined,
    version: "0.1.0",
  });
  assertEquals([node.status().serving, node.status().readiness], [null, { ready: true }]);
});

Deno.test("openNode opens a model that is only asked, and serves nothing of it", async () => {
  const order: string[] = [];
  const plan = planWith("network=private", "serve=false", "model=x");
  {
    await using node = await openNode(fakeWorld(), plan, recordingParts(order), () => {});
    await settle();
    assertEquals(node.status().readiness, { ready: false, reason: "the model is not open yet" });
    assertEquals(node.status().serving, null);
  }
  assertEquals(order.filter((step) => step.includes("asking")), ["+asking", "-asking"]);
  assertEquals(order.filter((step) => step.includes("serving")), []);
});

Deno.test("openNode closes what it opened when a later part fails", async () => {
  const order: string[] = [];
  const parts = recordingParts(order, {
    openApi: () => {
      throw new NodeError("busy", "Cannot open the local API: in use, wanted a free port");
    },
  });
  await assertRejects(() => openNode(fakeWorld(), planWith("network=private"), parts, () => {}), NodeError);
  assertEquals(order, [
    "+lock",
    "+network",
    "+carbon",
    "+energy",
    "+own power",
    "+contribution",
    "-contribution",
    "-own power",
    "-energy",
    "-carbon",
    "-network",
    "-lock",
  ]);
});
