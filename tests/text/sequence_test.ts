import { assertEquals, assertThrows } from "@std/assert";
import type { TextHead } from "../../src/compute/backend.ts";
import { openSwarmChain } from "../../src/petals/client/swarm_chain.ts";
import { chainSequence, openSoloSequence, type Sequence } from "../../src/text/sequence.ts";
import { HIDDEN, loadedToy, ToySwarm } from "../petals/client/toy_swarm.ts";
import { fakeWorld } from "../support/world.ts";

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
    return { head, [Symbol.dispose]: () => void lent-- };
  };
  const blocks = loadedToy({ start: 0, end: 3 });
  const solo = () => openSoloSequence({ self: "me", blocks, lent: lend() }, 64, never);
  const chain = async () => {
    const toy = new ToySwarm(fakeWorld(), 3);
    toy.add("A", 0, 3, { version: "0.1.0+kwaainet" });
    const size = { batch: 1, maxLength: 64 };
    return chainSequence(lend(), await openSwarmChain(toy.world, toy.swarm, size, never), 64);
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
