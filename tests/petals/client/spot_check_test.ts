import { assert, assertEquals } from "@std/assert";
import type { Activations } from "../../../src/base/tensor.ts";
import { SpotChecks, toleranceOf } from "../../../src/petals/client/spot_check.ts";
import { openSwarmChain } from "../../../src/petals/client/swarm_chain.ts";
import type { Swarm } from "../../../src/petals/client/swarm.ts";
import { fakeWorld } from "../../support/world.ts";
import { loadedToy, ToyBlocks, toyInput, type ToyServer, ToySwarm } from "./toy_swarm.ts";

const never = new AbortController().signal;
const size = { batch: 1, maxLength: 64 };
const F32 = { torchDtype: "float32", quantType: "none" };

/** Every step is checked. */
const watchful = (toy: ToySwarm, more = {}): Swarm => toy.swarmWith({ spotCheckShare: 1, ...more });

/** Answers a little too much. */
function lie(server: ToyServer): void {
  server.fault = ({ output }: { readonly output: Activations }) =>
    server.reply({ ...output, data: output.data.map((value) => value * 1.1 + 1) });
}

Deno.test("honest servers agree, and nobody is banned", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  toy.add("A", 0, 4, F32);
  const b = toy.add("B", 0, 4, { ...F32, inferenceRps: 0.1 });
  const swarm = watchful(toy);
  await using chain = await openSwarmChain(toy.world, swarm, size, never);
  for (const tokens of [5, 1, 1]) {
    await chain.step(toyInput(tokens), never);
    await swarm.checks.settled();
  }
  assertEquals(swarm.checks.counts, { agreed: 3, differed: 0, failed: 0 });
  assertEquals(b.seen.map(({ tokens }) => tokens), [5, 6, 7]);
  assertEquals(["A", "B"].map((peer) => swarm.bans.kindOf(peer)), [undefined, undefined]);
});

Deno.test("a server that answers wrongly is outvoted, left, and its work done again by another", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 4);
  lie(toy.add("A", 0, 4, F32));
  for (const peer of ["B", "C"]) toy.add(peer, 0, 4, { ...F32, inferenceRps: 0.1 });
  const swarm = watchful(toy);
  await using chain = await openSwarmChain(toy.world, swarm, size, never);
  const whole = new ToyBlocks({ start: 0, end: 4 });
  whole.step(toyInput(5));
  await chain.step(toyInput(5), never);
  await swarm.checks.settled();
  assertEquals(swarm.bans.kindOf("A"), "unfit");
  assertEquals(await chain.step(toyInput(1), never), whole.step(toyInput(1)));
  assert(chain.hops[0]!.peerId !== "A");
  assert(world.lines.some((line) => line.includes("A server answers wrongly")));
});

Deno.test("servers that were fed with lies are fed anew once the liar is found out", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  lie(toy.add("A", 0, 2, F32));
  for (const peer of ["B", "C"]) toy.add(peer, 0, 2, { ...F32, inferenceRps: 0.1 });
  const fed = toy.add("D", 2, 4, F32);
  const swarm = watchful(toy);
  await using chain = await openSwarmChain(toy.world, swarm, size, never);
  const whole = new ToyBlocks({ start: 0, end: 4 });
  whole.step(toyInput(5));
  await chain.step(toyInput(5), never);
  await swarm.checks.settled();
  assertEquals(swarm.bans.kindOf("A"), "unfit");
  assertEquals(await chain.step(toyInput(1), never), whole.step(toyInput(1)));
  assertEquals(fed.seen.map(({ tokens }) => tokens), [5, 5, 1]);
  assertEquals(chain.hops.at(-1)!.peerId, "D");
});

Deno.test("a session that rested is rid of a liar's words also when the liar may be asked again", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 4);
  const liar = toy.add("A", 0, 2, F32);
  lie(liar);
  for (const peer of ["B", "C"]) toy.add(peer, 0, 2, { ...F32, inferenceRps: 0.1 });
  toy.add("D", 2, 4, F32);
  const swarm = watchful(toy);
  await using chain = await openSwarmChain(world, swarm, size, never);
  const whole = new ToyBlocks({ start: 0, end: 4 });
  whole.step(toyInput(5));
  await chain.step(toyInput(5), never);
  await swarm.checks.settled();
  liar.fault = () => undefined;
  await world.clock.advance(20_000);
  assertEquals(swarm.bans.kindOf("A"), undefined);
  assertEquals(await chain.step(toyInput(1), never), whole.step(toyInput(1)));
});

Deno.test("a witness that answers wrongly is the one that is banned", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  toy.add("A", 0, 4, F32);
  const liar = toy.add("B", 0, 4, { ...F32, inferenceRps: 0.1 });
  lie(liar);
  toy.add("C", 0, 4, { ...F32, inferenceRps: 0.1 });
  const swarm = watchful(toy);
  await using chain = await openSwarmChain(toy.world, swarm, size, never);
  for (let step = 0; step < 12 && liar.seen.length === 0; step++) {
    await chain.step(toyInput(1), never);
    await swarm.checks.settled();
  }
  assertEquals(["A", "B", "C"].map((peer) => swarm.bans.kindOf(peer)), [undefined, "unfit", undefined]);
});

Deno.test("of two that differ nobody knows the liar: both become a last resort", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  lie(toy.add("A", 0, 4, F32));
  toy.add("B", 0, 4, { ...F32, inferenceRps: 0.1 });
  const swarm = watchful(toy);
  await using chain = await openSwarmChain(toy.world, swarm, size, never);
  await chain.step(toyInput(5), never);
  await swarm.checks.settled();
  assertEquals(["A", "B"].map((peer) => swarm.bans.kindOf(peer)), ["failed", "failed"]);
});

Deno.test("this node's own blocks are believed", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  lie(toy.add("A", 0, 4, { ...F32, inferenceRps: 1e9 }));
  toy.dht.announce(
    "client",
    { start: 0, end: 4 },
    { ...F32, inferenceRps: 0.001 },
    toy.world.clock.now() + 1e5,
  );
  const local = loadedToy({ start: 0, end: 4 });
  const swarm = watchful(toy, { local });
  await using chain = await openSwarmChain(toy.world, swarm, size, never);
  if (chain.hops[0]!.peerId === "client") return; // own blocks are near: then there is nothing to check
  await chain.step(toyInput(5), never);
  await swarm.checks.settled();
  assertEquals(swarm.bans.kindOf("A"), "unfit");
});

Deno.test("nothing is checked without a second server, beyond the bounds, or at share 0", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  toy.add("A", 0, 4, F32);
  toy.add("B", 1, 4, F32);
  const swarm = watchful(toy);
  await using chain = await openSwarmChain(toy.world, swarm, size, never);
  await chain.step(toyInput(5), never);
  await swarm.checks.settled();
  assertEquals(swarm.checks.counts, { agreed: 0, differed: 0, failed: 0 });
  let asked = 0;
  const checks = new SpotChecks(toy.world, 1, () => {
    asked++;
    return swarm;
  });
  const [server] = (await swarm.directory.view(1e9, never)).servers;
  const blocks = { start: 0, end: 4 };
  checks.consider({ server: server!, blocks, inputs: [toyInput(513)], output: toyInput(513) });
  await checks.settled();
  assertEquals(asked, 0);
});

Deno.test("a witness that is away is no verdict", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  toy.add("A", 0, 4, F32);
  toy.add("B", 0, 4, { ...F32, inferenceRps: 0.1 }).fault = () => new Error("no room");
  const swarm = watchful(toy);
  await using chain = await openSwarmChain(toy.world, swarm, size, never);
  await chain.step(toyInput(5), never);
  await swarm.checks.settled();
  assertEquals(swarm.checks.counts, { agreed: 0, differed: 0, failed: 1 });
  assertEquals(swarm.bans.kindOf("A"), undefined);
});

Deno.test("the coarser of two weights sets the tolerance", () => {
  const server = (torchDtype: string, quantType: string) => ({ info: { torchDtype, quantType } as never });
  assertEquals(toleranceOf(server("float32", "none"), server("float16", "none")), 0.1);
  assertEquals(toleranceOf(server("float16", "none"), server("float16", "int8")), 0.25);
});
