import { assert, assertEquals, assertThrows } from "@std/assert";
import { openSwarmChain } from "../../../src/petals/client/swarm_chain.ts";
import { fakeWorld } from "../../support/world.ts";
import { ToyBlocks, toyInput, ToySwarm } from "./toy_swarm.ts";

const never = new AbortController().signal;
const size = { batch: 1, maxLength: 64 };
const OURS = { version: "0.1.0+kwaainet" };
const STOCK = { version: "2.2.0.post1" };

/** Five positions, back to three, two others: what comes last. */
function expected(blocks: number) {
  const whole = new ToyBlocks({ start: 0, end: blocks });
  whole.step(toyInput(3, 1));
  return whole.step(toyInput(2, 9));
}

Deno.test("a chain that is rewound answers as if what came after had never been", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  const a = toy.add("A", 0, 2, OURS);
  const b = toy.add("B", 2, 4, OURS);
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  assert(chain.canRewind);
  await chain.step(toyInput(5, 1), never);
  chain.rewind(3);
  assertEquals(chain.position, 3);
  assertEquals(await chain.step(toyInput(2, 9), never), expected(4));
  assertEquals(chain.position, 5);
  for (const { seen } of [a, b]) {
    assertEquals(seen.map(({ startFrom }) => startFrom), [undefined, 3]);
    assertEquals(new Set(seen.map(({ session }) => session)).size, 1);
  }
  await chain.step(toyInput(1), never);
  assertEquals(a.seen.at(-1)!.startFrom, undefined);
});

Deno.test("a server that cannot forget is fed anew, and nobody pushes to its old session", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  const a = toy.add("A", 0, 2, OURS);
  const b = toy.add("B", 2, 4, STOCK);
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  assert(!chain.canRewind);
  await chain.step(toyInput(5, 1), never);
  chain.rewind(3);
  assertEquals(await chain.step(toyInput(2, 9), never), expected(4));
  assertEquals(b.seen.map(({ startFrom, tokens }) => [startFrom, tokens]), [
    [undefined, 5],
    [undefined, 3],
    [undefined, 2],
  ]);
  assertEquals(new Set(b.seen.map(({ session }) => session)).size, 2);
  assertEquals(a.seen.at(-1)!.next, []);
  await chain.step(toyInput(1), never);
  assertEquals(a.seen.at(-1)!.next, ["B"]);
});

Deno.test("a server that dies at the first step after going back is replaced by one that never saw the rest", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  toy.add("A", 0, 2, OURS);
  toy.add("B", 2, 4, OURS).fault = ({ request }) => request === 1 ? "close" : undefined;
  const spare = toy.add("Z", 2, 4, { ...OURS, inferenceRps: 1 });
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  await chain.step(toyInput(5, 1), never);
  chain.rewind(3);
  assertEquals(await chain.step(toyInput(2, 9), never), expected(4));
  assertEquals(spare.seen.map(({ tokens }) => tokens), [3, 2]);
});

Deno.test("going back to the start, and twice before a step, counts as once", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  const a = toy.add("A", 0, 2, OURS);
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  await chain.step(toyInput(5, 1), never);
  chain.rewind(4);
  chain.rewind(0);
  const whole = new ToyBlocks({ start: 0, end: 2 });
  assertEquals(await chain.step(toyInput(2, 3), never), whole.step(toyInput(2, 3)));
  assertEquals(a.seen.at(-1)!.startFrom, 0);
});

Deno.test("no chain goes back to where it never was", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2, OURS);
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  await chain.step(toyInput(5, 1), never);
  for (const wrong of [6, -1, 1.5]) assertThrows(() => chain.rewind(wrong), RangeError, "position");
});
