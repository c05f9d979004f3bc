/** The client and this house's own server, over an in-memory network. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import type { PeerId } from "../../../src/base/tensor.ts";
import type { LoadedBlocks } from "../../../src/compute/backend.ts";
import { sessionEnergy } from "../../../src/petals/client/energy.ts";
import { openSwarmChain } from "../../../src/petals/client/swarm_chain.ts";
import type { StepObserver } from "../../../src/petals/report.ts";
import { type BlockServer, openBlockServer } from "../../../src/petals/server/block_server.ts";
import { fakeWorld, settle } from "../../support/world.ts";
import { loadedToy, PREFIX, ToyBlocks, toyInput, ToySwarm } from "./toy_swarm.ts";

const never = new AbortController().signal;
const STEPS = [5, 1, 1, 1, 1].map((tokens, i) => toyInput(tokens, i + 1));
const limits = { maxLength: 256, cacheTokens: 1024, requestBytes: 64 << 20, sessions: 8, sessionsPerPeer: 8 };

/** A server of ours in the toy's swarm; `blocks` may be spoilt ones. */
function serve(
  toy: ToySwarm,
  peerId: PeerId,
  start: number,
  end: number,
  { blocks = loadedToy({ start, end }), energyOf }: {
    readonly blocks?: LoadedBlocks;
    readonly energyOf?: StepObserver["energyOf"];
  } = {},
): BlockServer {
  const observer = { begin: () => undefined, report: () => {}, ...(energyOf && { energyOf }) };
  const options = { prefix: PREFIX, version: "test", clientMode: false, limits, observer };
  const server = openBlockServer(toy.world, { ...options, rpc: toy.network.join(peerId), blocks });
  const info = { inferenceRps: 100, cacheTokensLeft: server.cacheTokensLeft };
  toy.dht.announce(peerId, blocks.range, info, toy.world.clock.now() + 240_000);
  return server;
}

const expected = (blocks: number) => {
  const whole = new ToyBlocks({ start: 0, end: blocks });
  return STEPS.map((input) => whole.step(input));
};

Deno.test("a session through two of our servers, which push to each other, equals one machine and leaves nothing", async () => {
  const toy = new ToySwarm(fakeWorld(), 6);
  const servers = [serve(toy, "A", 0, 4), serve(toy, "B", 4, 6)];
  const free = servers.map(({ cacheTokensAvailable }) => cacheTokensAvailable);
  {
    await using chain = await openSwarmChain(toy.world, toy.swarm, { batch: 1, maxLength: 16 }, never);
    for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(6)[i]);
    assertEquals(servers.map(({ sessions }) => sessions), [1, 1]);
    assertEquals(servers.map(({ cacheTokensAvailable }, i) => free[i]! - cacheTokensAvailable), [64, 32]);
  }
  await settle();
  assertEquals(servers.map(({ sessions }) => sessions), [0, 0]);
  assertEquals(servers.map(({ cacheTokensAvailable }) => cacheTokensAvailable), free);
  assert(toy.network.calls.some((call) => call === "A B TransformerConnectionHandler.rpc_push"));
  for (const server of servers) await server[Symbol.asyncDispose]();
});

Deno.test("a server of ours that stops hands its sessions over with words, and another goes on", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 4);
  const a = serve(toy, "A", 0, 4);
  await using _b = serve(toy, "B", 0, 4);
  await using chain = await openSwarmChain(world, toy.swarm, { batch: 1, maxLength: 16 }, never);
  assertEquals(chain.hops[0]!.peerId, "A");
  for (const [i, input] of STEPS.entries()) {
    if (i === 2) await a[Symbol.asyncDispose]();
    assertEquals(await chain.step(input, never), expected(4)[i]);
  }
  assertEquals(chain.hops[0]!.peerId, "B");
});

Deno.test("what a liar pushed on is not believed: the server after it begins anew", async () => {
  const toy = new ToySwarm(fakeWorld(), 6);
  const honest = loadedToy({ start: 0, end: 3 });
  let steps = 0;
  await using _liar = serve(toy, "A", 0, 3, {
    blocks: {
      ...honest,
      step: async (step, cache, signal) => {
        const values = await honest.step(step, cache, signal);
        return ++steps === 3 ? values.map(() => NaN) : values;
      },
    },
  });
  await using _other = serve(toy, "Z", 0, 3);
  const b = serve(toy, "B", 3, 6);
  {
    await using chain = await openSwarmChain(toy.world, toy.swarm, { batch: 1, maxLength: 16 }, never);
    assertEquals(chain.hops.map(({ peerId }) => peerId), ["A", "B"]);
    for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(6)[i]);
    assertEquals(chain.hops.map(({ peerId }) => peerId), ["Z", "B"]);
    await settle();
    assertEquals(b.sessions, 1);
  }
  assertEquals(toy.swarm.bans.kindOf("B"), undefined);
  await b[Symbol.asyncDispose]();
});

Deno.test("a session longer than a server takes is refused in its words", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 2);
  await using _a = serve(toy, "A", 0, 2);
  await using chain = await openSwarmChain(world, toy.swarm, { batch: 1, maxLength: 9999 }, never);
  const failed = assertRejects(() => chain.step(STEPS[0]!, never), NodeError);
  for (let i = 0; i < 4; i++) {
    await settle();
    await world.clock.advance(5000);
  }
  assertMatch((await failed).message, /blocks 0:2 at A: .*9999/);
});

Deno.test("a client hears what its session costs each server, and nothing from one that does not know", async () => {
  const toy = new ToySwarm(fakeWorld(), 6);
  let asked: string | undefined;
  const energy = { joules: 3, tokens: 5, kind: "measured", scope: "board", uncertainty: 0.05 } as const;
  await using _a = serve(toy, "A", 0, 4, {
    energyOf: (session) => {
      asked = session;
      return energy;
    },
  });
  await using _b = serve(toy, "B", 4, 6);
  await using chain = await openSwarmChain(toy.world, toy.swarm, { batch: 1, maxLength: 16 }, never);
  await chain.step(STEPS[0]!, never);
  assertMatch(asked!, /^[0-9a-f-]{36}$/);
  assertEquals(chain.hops.map((hop) => hop.energy), [energy, undefined]);
  assertEquals(sessionEnergy(chain.hops, 10), {});
  assertEquals(sessionEnergy(chain.hops.slice(0, 1), 10), { joules: 6, method: "measured board" });
});
