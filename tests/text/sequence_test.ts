import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { KvCache, LoadedBlocks, TextHead } from "../../src/compute/backend.ts";
import type { Swarm } from "../../src/petals/client/swarm.ts";
import { openSwarmChain } from "../../src/petals/client/swarm_chain.ts";
import { chainSequence, type Sequence } from "../../src/text/sequence.ts";
import { openSoloSequence } from "../../src/text/solo_sequence.ts";
import { HIDDEN, loadedToy, ToySwarm } from "../petals/client/toy_swarm.ts";
import { fakeWorld, settle } from "../support/world.ts";

const never = new AbortController().signal;

/** Embeds an id as itself; the first value of a state is its only score. */
const head: TextHead = {
  engine: "reference",
  hiddenSize: HIDDEN,
  vocabularySize: 1,
  weightBytes: 0,
  embed: (ids) => Promise.resolve(Float32Array.from(ids.flatMap((id) => Array(HIDDEN).fill(id)))),
  logits: (hidden, rows) => {
    assertEquals(hidden.length, rows * HIDDEN);
    return Promise.resolve(Float32Array.from({ length: rows }, (_, row) => hidden[row * HIDDEN]!));
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

function scene() {
  let lent = 0;
  const lend = () => {
    lent++;
    return { value: head, [Symbol.dispose]: () => void lent-- };
  };
  const blocks = loadedToy({ start: 0, end: 3 });
  const solo = () =>
    openSoloSequence(fakeWorld(), { self: "me", blocks: () => blocks, count: 3, lent: lend() }, 64, never);
  const chain = async () => {
    const toy = new ToySwarm(fakeWorld(), 3);
    toy.add("A", 0, 3, { version: "0.1.0+kwaainet" });
    const size = { batch: 1, maxLength: 64 };
    const chain = await openSwarmChain(toy.world, toy.swarm, size, never);
    return chainSequence(toy.world, lend(), chain, 64);
  };
  return { solo, chain, blocks, lent: () => lent };
}

/** What a sequence says over a text, with a turn back in the middle. */
async function over(sequence: Sequence) {
  const told: number[][] = [];
  told.push([...await sequence.feed([1, 2, 3], { scored: 2 }, never)]);
  told.push([...await sequence.feed([4], { scored: 0 }, never)]);
  sequence.rewind(2);
  assertEquals(sequence.position, 2);
  told.push([...await sequence.feed([7, 8], { scored: 1, best: 1 }, never)]);
  told.push([...(await sequence.states([9], never)).data]);
  assertEquals([sequence.position, sequence.capacity, sequence.canRewind], [5, 64, true]);
  for (const wrong of [6, -1]) assertThrows(() => sequence.rewind(wrong), RangeError);
  return told;
}

Deno.test("a sequence says the same over blocks that are here and over a chain of servers", async () => {
  const { solo, chain, lent, blocks } = scene();
  {
    await using here = await solo();
    await using there = await chain();
    assertEquals(await over(here), await over(there));
    assertEquals([here.hops[0]!.peerId, there.hops[0]!.peerId, lent(), blocks.caches], ["me", "A", 2, 1]);
  }
  assertEquals([lent(), blocks.caches], [0, 0]);
});

Deno.test("a chain whose first blocks are here tells the engine what a chosen token will be added to", async () => {
  const asked: unknown[] = [];
  const next: TextHead["next"] = (_hidden, wanted) => {
    asked.push(wanted);
    return Promise.resolve(5);
  };
  const lent = { value: { ...head, next }, [Symbol.dispose]: () => {} };
  const choice = { temperature: 0, draw: 0 };
  const chainOf = async ({ world }: ToySwarm, swarm: Swarm) => {
    const size = { batch: 1, maxLength: 64 };
    return chainSequence(world, lent, await openSwarmChain(world, swarm, size, never), 64);
  };
  const near = new ToySwarm(fakeWorld(), 3);
  const range = { start: 0, end: 3 };
  near.dht.announce("client", range, {}, near.world.clock.now() + 240_000);
  await using here = await chainOf(near, near.swarmWith({ local: loadedToy(range) }));
  assertEquals(await here.next([1, 2], { choice, goOnUnless: [9] }, never), 5);
  await here.next([5], { choice }, never);
  const far = new ToySwarm(fakeWorld(), 3);
  far.add("A", 0, 3, { version: "0.1.0+kwaainet" });
  await using there = await chainOf(far, far.swarm);
  await there.next([1, 2], { choice, goOnUnless: [9] }, never);
  const [first, ...others] = asked as { choice: unknown; goOn?: { cache: KvCache; unless: number[] } }[];
  assertEquals([first!.goOn!.cache.length, first!.goOn!.unless], [3, [9]]);
  assertEquals(others, [{ choice }, { choice }]);
});

Deno.test("a text over blocks that are here goes on when their engine died, as if it had not", async () => {
  const world = fakeWorld();
  const calm = loadedToy({ start: 0, end: 3 });
  const lent = { value: head, [Symbol.dispose]: () => {} };
  await using quiet = await openSoloSequence(
    world,
    { self: "me", blocks: () => calm, count: 3, lent },
    64,
    never,
  );
  const first: LoadedBlocks = loadedToy({ start: 0, end: 3 });
  let now: LoadedBlocks | undefined = first;
  await using shaken = await openSoloSequence(
    world,
    { self: "me", blocks: () => now, count: 3, lent },
    64,
    never,
  );
  for (const sequence of [quiet, shaken]) {
    await sequence.feed([1, 2, 3, 4], { scored: 1 }, never);
    sequence.rewind(3);
  }
  first.step = () => Promise.reject(new NodeError("unreachable", "Cannot compute: the engine process ended"));
  now = undefined;
  const answer = shaken.feed([5], { scored: 1 }, never);
  await world.clock.advance(2000);
  now = loadedToy({ start: 0, end: 3 });
  await world.clock.advance(300);
  assertEquals(await answer, await quiet.feed([5], { scored: 1 }, never));
  assertEquals(shaken.position, 4);
});

Deno.test("a text over a chain goes on when the engine that holds its head died, and not for who left", async () => {
  const leaves = new AbortController();
  let isDead = false;
  const whenAlive = <A extends unknown[], T>(act: (...args: A) => Promise<T>) => (...args: A) =>
    isDead
      ? Promise.reject(new NodeError("busy", "Cannot compute: it is being started again"))
      : act(...args);
  const shaken = { ...head, embed: whenAlive(head.embed), logits: whenAlive(head.logits) };
  const world = fakeWorld();
  const toy = new ToySwarm(world, 3);
  const server = toy.add("A", 0, 3);
  const size = { batch: 1, maxLength: 64 };
  const chain = await openSwarmChain(world, toy.swarm, size, never);
  const lent = { value: shaken, [Symbol.dispose]: () => {} };
  await using sequence = chainSequence(world, lent, chain, 64);
  const usual = await sequence.feed([1, 2], { scored: 1 }, never);
  sequence.rewind(1);
  server.fault = () => {
    isDead = true; // while the chain computes
    return undefined;
  };
  const answer = sequence.feed([2], { scored: 1 }, never);
  await world.clock.advance(2000);
  isDead = false;
  await world.clock.advance(300);
  assertEquals(await answer, usual);
  isDead = true;
  const left = assertRejects(() => sequence.feed([3], { scored: 1 }, leaves.signal), Error, "left");
  await settle();
  leaves.abort(new Error("left"));
  await left;
});

Deno.test("a text that gives up ends with its engine at once", async () => {
  const blocks: LoadedBlocks = loadedToy({ start: 0, end: 3 });
  const lent = { value: head, [Symbol.dispose]: () => {} };
  const model = { self: "me", blocks: () => blocks, count: 3, lent, givesUp: true } as const;
  await using sequence = await openSoloSequence(fakeWorld(), model, 64, never);
  blocks.step = () =>
    Promise.reject(new NodeError("unreachable", "Cannot compute: the engine process ended"));
  await assertRejects(() => sequence.feed([5], { scored: 1 }, never), NodeError, "the engine process ended");
});

Deno.test("a text waits a minute for an engine that does not come back, and not for who left", async () => {
  const world = fakeWorld();
  const lent = { value: head, [Symbol.dispose]: () => {} };
  for (const leaves of [new AbortController(), undefined]) {
    const first: LoadedBlocks = loadedToy({ start: 0, end: 3 });
    let now: LoadedBlocks | undefined = first;
    const model = { self: "me", blocks: () => now, count: 3, lent };
    await using sequence = await openSoloSequence(world, model, 64, never);
    first.step = () => Promise.reject(new NodeError("unreachable", "Cannot compute: gone"));
    now = undefined;
    const answer = sequence.feed([1], { scored: 1 }, leaves?.signal ?? never);
    const failed = assertRejects(() => answer, Error, leaves === undefined ? "not loaded" : "left");
    await settle();
    leaves?.abort(new Error("left"));
    if (leaves === undefined) await world.clock.advance(61_000);
    await failed;
  }
});
