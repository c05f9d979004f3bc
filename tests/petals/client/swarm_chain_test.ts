import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../../src/base/errors.ts";
import type { Activations } from "../../../src/base/tensor.ts";
import type { LoadedBlocks } from "../../../src/compute/backend.ts";
import { swarmOf } from "../../../src/petals/client/swarm.ts";
import { openSwarmChain } from "../../../src/petals/client/swarm_chain.ts";
import { encodeExpertResponse } from "../../../src/petals/wire/expert.ts";
import { type FakeClock, fakeWorld, settle } from "../../support/world.ts";
import { HIDDEN, loadedToy, PREFIX, ToyBlocks, toyInput, ToySwarm } from "./toy_swarm.ts";

const never = new AbortController().signal;
const size = { batch: 1, maxLength: 64 };
const names = (hops: readonly { peerId: string; blocks: { start: number; end: number } }[]) =>
  hops.map(({ peerId, blocks }) => `${peerId} ${blocks.start}:${blocks.end}`).join(", ");

/** Lets seconds pass one by one, and what they bring be done. */
async function passSeconds({ clock }: { readonly clock: FakeClock }, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    await settle();
    await clock.advance(1000);
  }
  await settle();
}

/** Prompt of 5 tokens, then single ones. */
const STEPS: readonly Activations[] = [5, 1, 1, 1, 1, 1].map((tokens, i) => toyInput(tokens, i + 1));

/** What one machine with all blocks answers. */
function expected(blocks: number): readonly Activations[] {
  const whole = new ToyBlocks({ start: 0, end: blocks });
  return STEPS.map((input) => whole.step(input));
}

Deno.test("a chain of two servers answers like one machine, pushes from the second step on, and ends both", async () => {
  const toy = new ToySwarm(fakeWorld(), 6);
  const a = toy.add("A", 0, 4);
  const b = toy.add("B", 4, 6);
  {
    await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
    assertEquals(names(chain.hops), "A 0:4, B 4:6");
    for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(6)[i]);
    assertEquals(chain.position, 10);
  }
  await settle();
  assertEquals(a.seen.map(({ next }) => next), [[], ["B"], ["B"], ["B"], ["B"], ["B"]]);
  assertEquals(b.seen.map(({ next }) => next), [[], [], [], [], [], []]);
  assertEquals(a.seen.map(({ step }) => step), b.seen.map(({ step }) => step));
  assertEquals(new Set(a.seen.map(({ step }) => step)).size, 6);
  assertEquals([a.ended, a.open, b.ended, b.open], [1, 0, 1, 0]);
});

Deno.test("a server that dies in mid-session is replaced, the other fed with its history, the answers stay", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 6);
  const a = toy.add("A", 0, 3);
  const b = toy.add("B", 3, 6);
  const spare = toy.add("Z", 3, 6, { inferenceRps: 1 });
  a.fault = () => undefined;
  b.fault = ({ request }) => request === 3 ? "close" : undefined;
  await using chain = await openSwarmChain(world, toy.swarm, size, never);
  for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(6)[i]);
  assertEquals(names(chain.hops), "A 0:3, Z 3:6");
  assertEquals(a.seen.map(({ tokens }) => tokens), [5, 1, 1, 1, 1, 1]);
  assertEquals(spare.seen.map(({ tokens }) => tokens), [7, 1, 1, 1]);
  assertEquals(spare.seen.map(({ next }) => next), [[], [], [], []]);
  assertEquals(a.seen.map(({ next }) => next.at(0)), [undefined, "B", "B", "B", "Z", "Z"]);
  assertEquals(toy.swarm.bans.kindOf("B"), "failed");
  assert(world.lines.some((line) => line.includes("Server failed, another is sought")));
});

Deno.test("a long answer is fed again in few round trips, of no more tokens than are computed as single ones", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  const a = toy.add("A", 0, 2);
  const spare = toy.add("Z", 0, 2, { inferenceRps: 1 });
  a.fault = ({ request }) => request === 30 ? "close" : undefined;
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  const whole = new ToyBlocks({ start: 0, end: 2 });
  for (let i = 0; i <= 30; i++) {
    const input = toyInput(i === 0 ? 12 : 1, i);
    assertEquals(await chain.step(input, never), whole.step(input));
  }
  assertEquals(spare.seen.map(({ tokens }) => tokens), [12, 9, 9, 9, 2, 1]);
});

/** Whether `work` is done after so many seconds. */
async function isDoneAfter(seconds: number, clock: FakeClock, work: Promise<unknown>): Promise<boolean> {
  let done = false;
  work.then(() => done = true, () => done = true);
  // in small steps: what wakes up sets new timers
  for (let passed = 0; passed < seconds; passed += 0.1) await clock.advance(100);
  return done;
}

Deno.test("a server that falls silent is left within seconds, one that is there and late after half a minute", async () => {
  for (const isAway of [true, false]) {
    const world = fakeWorld();
    const toy = new ToySwarm(world, 4);
    const a = toy.add("A", 0, 4);
    toy.add("Z", 0, 4, { inferenceRps: 1 });
    a.fault = ({ request }) => request === 2 ? "silence" : undefined;
    await using chain = await openSwarmChain(world, toy.swarm, size, never);
    for (const input of STEPS.slice(0, 2)) await chain.step(input, never);
    a.isAway = isAway;
    const late = chain.step(STEPS[2]!, never);
    assertEquals(await isDoneAfter(6.9, world.clock, late), false);
    assertEquals(await isDoneAfter(0.2, world.clock, late), isAway);
    assertEquals(await isDoneAfter(22, world.clock, late), isAway);
    assertEquals(await isDoneAfter(4, world.clock, late), true);
    assertEquals(await late, expected(4)[2]);
    assertEquals(names(chain.hops), "Z 0:4");
    const line = world.lines.find((line) => line.includes("Server failed"));
    assert(line?.includes('"code":"timeout"'), line);
  }
});

Deno.test("the only server is waited for: half a minute while it is away, five minutes while it is there", async () => {
  for (const isAway of [true, false]) {
    const world = fakeWorld();
    const toy = new ToySwarm(world, 4);
    const a = toy.add("A", 0, 4);
    a.fault = () => "silence";
    a.isAway = isAway;
    await using chain = await openSwarmChain(world, toy.swarm, size, never);
    const late = chain.step(STEPS[0]!, never);
    assertEquals(await isDoneAfter(29, world.clock, late), false);
    assertEquals(a.seen.length, 1);
    await isDoneAfter(9, world.clock, late);
    assertEquals(a.seen.length, isAway ? 2 : 1);
    const words = assertRejects(() => late, NodeError, isAway ? "no sign of life" : "within 300000 ms");
    for (let i = 0; i < 200; i++) await world.clock.advance(20_000);
    await words;
  }
});

Deno.test("who alone has the blocks may let a session wait for room; with others it is not waited for", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 6);
  const full = new Error("AllocationFailed('Could not allocate 3840 bytes immediately: out of memory')");
  const a = toy.add("A", 0, 6);
  a.fault = () => full;
  const b = toy.add("B", 0, 3, { inferenceRps: 1 });
  const c = toy.add("C", 3, 6, { inferenceRps: 1 });
  {
    await using chain = await openSwarmChain(world, toy.swarm, size, never);
    await chain.step(STEPS[0]!, never);
    assertEquals(names(chain.hops), "B 0:3, C 3:6");
    assertEquals([a, b, c].map(({ seen }) => seen[0]!.allocationSeconds), [undefined, undefined, undefined]);
    assertEquals(toy.swarm.bans.kindOf("A"), "full");
  }
  const alone = new ToySwarm(world, 6);
  const only = alone.add("A", 0, 6);
  only.fault = () => full;
  await using chain = await openSwarmChain(world, alone.swarm, size, never);
  const refused = assertRejects(() => chain.step(STEPS[0]!, never), NodeError);
  await passSeconds(world, 62);
  assertEquals((await refused).code, "busy");
  const seconds = only.seen.map(({ allocationSeconds }) => allocationSeconds);
  assertEquals([seconds.length, ...seconds.slice(0, 3), seconds.at(-1)], [62, undefined, 60, 59, undefined]);
});

Deno.test("what is kept for later is ended where the only server has no room, and not kept while it is waited for", async () => {
  const full = new Error("AllocationFailed('Could not allocate 3840 bytes immediately: out of memory')");
  for (const others of [0, 1]) {
    const toy = new ToySwarm(fakeWorld(), 6);
    const a = toy.add("A", 0, 6);
    if (others > 0) toy.add("Z", 0, 6, { inferenceRps: 1 });
    let wanted = 0;
    const told: number[] = [];
    const kept = {
      giveRoom: () => Promise.resolve({ [Symbol.dispose]: () => void wanted-- }).finally(() => wanted++),
    };
    a.fault = () => {
      told.push(wanted);
      return wanted === 0 && told.length === 1 ? full : undefined;
    };
    await using chain = await openSwarmChain(toy.world, toy.swarmWith({ kept }), size, never);
    for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(6)[i]);
    assertEquals(names(chain.hops), others > 0 ? "Z 0:6" : "A 0:6");
    assertEquals(told, others > 0 ? [0] : [0, 1, 0, 0, 0, 0, 0]);
  }
});

Deno.test("the only server is asked again while it refuses sessions because too many are open", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 6);
  const a = toy.add("A", 0, 6);
  a.fault = ({ request }) =>
    request < 20 ? new Error("Cannot open a session: 2 are open, wanted fewer") : undefined;
  await using chain = await openSwarmChain(world, toy.swarm, size, never);
  const step = chain.step(STEPS[0]!, never);
  await passSeconds(world, 25);
  assertEquals(await step, expected(6)[0]);
  assertEquals(a.seen.length, 21);
});

Deno.test("a server in the middle may be replaced by two others", async () => {
  const toy = new ToySwarm(fakeWorld(), 8);
  toy.add("A", 0, 2);
  toy.add("B", 2, 6).fault = ({ request }) => request === 2 ? new Error("engine gone") : undefined;
  toy.add("C", 6, 8);
  toy.add("Y", 2, 4, { inferenceRps: 2 });
  toy.add("Z", 4, 6, { inferenceRps: 2 });
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  assertEquals(names(chain.hops), "A 0:2, B 2:6, C 6:8");
  for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(8)[i]);
  assertEquals(names(chain.hops), "A 0:2, Y 2:4, Z 4:6, C 6:8");
});

Deno.test("a liar is replaced, and the session it could push to is opened anew", async () => {
  const toy = new ToySwarm(fakeWorld(), 6);
  const liar = toy.add("A", 0, 3);
  const b = toy.add("B", 3, 6);
  toy.add("Z", 0, 3, { inferenceRps: 1 });
  liar.fault = ({ request, output }) =>
    request === 2 ? liar.reply({ ...output, data: output.data.map(() => NaN) }) : undefined;
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(6)[i]);
  assertEquals(names(chain.hops), "Z 0:3, B 3:6");
  assertEquals(new Set(b.seen.map(({ session }) => session)).size, 2);
  assertEquals(b.seen.map(({ tokens }) => tokens), [5, 1, 6, 1, 1, 1, 1]);
  assertEquals(toy.swarm.bans.kindOf("A"), "unfit");
  assertEquals(toy.swarm.bans.kindOf("B"), undefined);
});

Deno.test("a replacement that fails as well is replaced in turn", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2).fault = ({ request }) => request === 2 ? "close" : undefined;
  toy.add("B", 0, 2, { inferenceRps: 20 }).fault = ({ request }) =>
    request === 1 ? new Error("no") : undefined;
  toy.add("C", 0, 2, { inferenceRps: 10 });
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(2)[i]);
  assertEquals(names(chain.hops), "C 0:2");
});

Deno.test("a server that cannot be reached at the first step is passed over", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2);
  toy.add("B", 0, 2, { inferenceRps: 10 });
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  toy.network.remove("A");
  assertEquals(names(chain.hops), "A 0:2");
  assertEquals(await chain.step(STEPS[0]!, never), expected(2)[0]);
  assertEquals(names(chain.hops), "B 0:2");
});

Deno.test("a server that does not answer a ping is not chosen while another is there", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2);
  toy.add("B", 0, 2, { inferenceRps: 10 });
  toy.network.remove("A");
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  assertEquals(names(chain.hops), "B 0:2");
});

Deno.test("twenty peers that announce blocks and do not speak Petals are passed over, and not asked again", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 2);
  for (let i = 0; i < 20; i++) {
    toy.network.join(`P${i}`);
    toy.dht.announce(`P${i}`, { start: 0, end: 2 }, { inferenceRps: 1e6 }, world.clock.now() + 240_000);
  }
  toy.add("Real", 0, 2, { inferenceRps: 1 });
  for (let session = 0; session < 2; session++) {
    await using chain = await openSwarmChain(world, toy.swarm, size, never);
    assertEquals(await chain.step(STEPS[0]!, never), expected(2)[0]);
    assertEquals(names(chain.hops), "Real 0:2");
  }
  const streams = toy.network.calls.filter((call) => call.endsWith("rpc_inference"));
  assert(streams.length <= 22);
});

Deno.test("the only server is asked again after a pause, with a new session", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 2);
  const only = toy.add("A", 0, 2);
  only.fault = ({ request }) => request === 1 ? "close" : undefined;
  await using chain = await openSwarmChain(world, toy.swarm, size, never);
  await chain.step(STEPS[0]!, never);
  const answer = chain.step(STEPS[1]!, never);
  await settle();
  assertEquals(only.seen.length, 2);
  await world.clock.advance(1000);
  assertEquals(await answer, expected(2)[1]);
  assertEquals(only.seen.map(({ tokens }) => tokens), [5, 1, 5, 1]);
  assertEquals(toy.swarm.bans.kindOf("A"), undefined);
});

Deno.test("a server that came after the route was made takes over before the failed one is asked again", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2).fault = ({ request }) => request === 1 ? "close" : undefined;
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  await chain.step(STEPS[0]!, never);
  toy.add("B", 0, 2);
  assertEquals(await chain.step(STEPS[1]!, never), expected(2)[1]);
  assertEquals(names(chain.hops), "B 0:2");
});

Deno.test("the only server is asked again also while the DHT is away", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 2);
  toy.add("A", 0, 2).fault = ({ request }) => request === 1 ? "close" : undefined;
  await using chain = await openSwarmChain(world, toy.swarm, size, never);
  await chain.step(STEPS[0]!, never);
  toy.dht.get = () => Promise.reject(new NodeError("unreachable", "no peers"));
  const answer = chain.step(STEPS[1]!, never);
  await settle();
  await world.clock.advance(1000);
  assertEquals(await answer, expected(2)[1]);
});

Deno.test("after three other tries of one step the last server's words are told", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 2);
  const only = toy.add("A", 0, 2);
  only.fault = () => new Error("Cannot allocate KV cache");
  await using chain = await openSwarmChain(world, toy.swarm, size, never);
  const failed = assertRejects(() => chain.step(STEPS[0]!, never), NodeError);
  for (let i = 0; i < 4; i++) {
    await settle();
    await world.clock.advance(5000);
  }
  const error = await failed;
  assertEquals(error.code, "remote");
  assertEquals(
    error.message,
    "Cannot compute blocks 0:2 at A: Cannot allocate KV cache (after 3 other tries)",
  );
  assertEquals(only.seen.length, 4);
  await assertRejects(() => chain.step(STEPS[0]!, never), RangeError, "an earlier step");
});

Deno.test("a liar without an alternative ends the session at once", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2).fault = () => encodeExpertResponse({ tensors: [] });
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  const error = await assertRejects(() => chain.step(STEPS[0]!, never), NodeError);
  assertEquals(error.code, "malformed");
  assertMatch(error.message, /^Cannot compute blocks 0:2 at A: .*; nobody else serves them$/);
});

Deno.test("blocks that nobody serves are named, also when a server is only joining", async () => {
  const toy = new ToySwarm(fakeWorld(), 24);
  toy.add("A", 0, 12);
  toy.add("B", 12, 18, { state: "joining" });
  toy.add("C", 18, 24);
  const error = await assertRejects(() => openSwarmChain(toy.world, toy.swarm, size, never), NodeError);
  assertEquals(error.code, "not_found");
  assertEquals(
    error.message,
    "Cannot generate: blocks 12:18 of toy are served by nobody, " +
      "wanted a server for each: B is loading 12:18, try again soon",
  );
});

Deno.test("a view that lacks a server is read anew before giving up", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  toy.add("A", 0, 2);
  await toy.swarm.directory.view(0, never);
  toy.add("B", 2, 4);
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  assertEquals(names(chain.hops), "A 0:2, B 2:4");
});

Deno.test("servers are avoided by the caller's own weight", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2);
  toy.add("B", 0, 2);
  const swarm = toy.swarmWith({ extraSeconds: ({ peerId }) => peerId === "A" ? Infinity : 0 });
  await using chain = await openSwarmChain(toy.world, swarm, size, never);
  assertEquals(names(chain.hops), "B 0:2");
});

Deno.test("a long prompt goes in messages below 2 MiB, and is replayed so", async () => {
  const toy = new ToySwarm(fakeWorld(), 1);
  const a = toy.add("A", 0, 1);
  const b = toy.add("B", 0, 1, { inferenceRps: 10 });
  a.fault = ({ request }) => request === 3 ? "close" : undefined;
  const tokens = 300_000;
  const long = { batch: 2, tokens, hidden: HIDDEN, data: new Float32Array(2 * tokens * HIDDEN).fill(1) };
  const twoRows = { batch: 2, maxLength: tokens };
  await using chain = await openSwarmChain(toy.world, toy.swarm, twoRows, never);
  const whole = new ToyBlocks({ start: 0, end: 1 }, 2);
  assertEquals((await chain.step(long, never)).data, whole.step(long).data);
  assertEquals(chain.position, tokens);
  assert([...a.seen, ...b.seen].every(({ bytes }) => bytes < 2 << 20));
  assertEquals(b.seen.reduce((sum, seen) => sum + seen.tokens, 0), tokens);
  assert(b.seen.length > 4);
});

Deno.test("a chain takes no more positions than it was opened for, and no other batch", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2);
  await using chain = await openSwarmChain(toy.world, toy.swarm, { batch: 1, maxLength: 5 }, never);
  await chain.step(toyInput(4), never);
  await assertRejects(() => chain.step(toyInput(2), never), RangeError, "position 4");
  await assertRejects(() => chain.step(toyInput(1, 1, 2), never), RangeError, "2 rows");
  await chain.step(toyInput(1), never);
});

Deno.test("a caller that gives up is told its own reason; nobody is banned for it, all streams are closed", async () => {
  const toy = new ToySwarm(fakeWorld(), 4);
  const a = toy.add("A", 0, 2);
  const b = toy.add("B", 2, 4);
  b.fault = ({ request }) => request === 1 ? "silence" : undefined;
  const patience = new AbortController();
  const reason = new NodeError("aborted", "enough");
  {
    await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
    await chain.step(STEPS[0]!, patience.signal);
    const failed = chain.step(STEPS[1]!, patience.signal).catch((error) => error);
    await settle();
    patience.abort(reason);
    assertEquals(await failed, reason);
  }
  await settle();
  assertEquals([toy.swarm.bans.kindOf("A"), toy.swarm.bans.kindOf("B")], [undefined, undefined]);
  assertEquals([a.open, b.open, a.ended, b.ended], [0, 0, 1, 0]);
});

Deno.test("a node's own blocks are a part of its chain without the network, and nobody is told to push to them", async () => {
  const toy = new ToySwarm(fakeWorld(), 6);
  const a = toy.add("A", 0, 2);
  const b = toy.add("B", 4, 6);
  const local = loadedToy({ start: 2, end: 4 });
  toy.dht.announce("client", local.range, {}, toy.world.clock.now() + 240_000);
  {
    await using chain = await openSwarmChain(toy.world, toy.swarmWith({ local }), size, never);
    for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(6)[i]);
    assertEquals(names(chain.hops), "A 0:2, client 2:4, B 4:6");
    assertEquals(local.caches, 1);
  }
  assertEquals(local.caches, 0);
  assertEquals([...a.seen, ...b.seen].flatMap(({ next }) => next), []);
});

Deno.test("a node's own blocks stay in its chain while it announces OFFLINE, or nothing yet", async () => {
  const toy = new ToySwarm(fakeWorld(), 6);
  const b = toy.add("B", 4, 6);
  const local = loadedToy({ start: 0, end: 4 });
  const swarm = toy.swarmWith({ local });
  for (const says of ["nothing", "offline", "joining"] as const) {
    if (says !== "nothing") {
      toy.dht.announce("client", local.range, { state: says }, toy.world.clock.now() + 240_000);
    }
    await swarm.directory.view(0, never);
    await using chain = await openSwarmChain(toy.world, swarm, size, never);
    for (const [i, input] of STEPS.entries()) assertEquals(await chain.step(input, never), expected(6)[i]);
    assertEquals(names(chain.hops), "client 0:4, B 4:6");
  }
  toy.dht.entries.clear();
  await swarm.directory.view(0, never);
  await assertRejects(
    () => openSwarmChain(toy.world, swarm, size, never),
    NodeError,
    "blocks 4:6 of toy are",
  );
  assertEquals([local.caches, b.open], [0, 0]);
});

Deno.test("a server that takes this client's work without announcing it is a part of its chains, once", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 6);
  toy.add("A", 0, 4);
  const b = toy.add("B", 4, 6);
  const servers = (await toy.swarm.directory.view(0, never)).servers;
  const also = servers.filter(({ peerId }) => peerId === "B");
  toy.dht.announce("B", b.range, { state: "offline" }, world.clock.now() + 240_000);
  const swarm = toy.swarmWith({ also });
  await using chain = await openSwarmChain(world, swarm, size, never);
  assertEquals(names(chain.hops), "A 0:4, B 4:6");
  assertEquals(swarm.usable(servers).map(({ peerId }) => peerId), ["A", "B"]);
});

Deno.test("a session waits for blocks of its own whose engine died, and feeds them again; a new one waits as well", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 6);
  toy.add("B", 4, 6);
  const first = loadedToy({ start: 0, end: 4 });
  toy.dht.announce("client", first.range, {}, world.clock.now() + 240_000);
  let now: LoadedBlocks | undefined = first;
  const swarm = swarmOf(world, {
    ...{ rpc: toy.client, dht: toy.dht, prefix: PREFIX, blocks: 6 },
    get local() {
      return now;
    },
  });
  await using chain = await openSwarmChain(world, swarm, size, never);
  assertEquals(await chain.step(STEPS[0]!, never), expected(6)[0]);
  first.step = () => Promise.reject(new NodeError("unreachable", "Cannot compute: the engine process ended"));
  now = undefined;
  // what it told others meanwhile says nothing of whether it comes back
  toy.dht.announce("client", first.range, { state: "offline" }, world.clock.now() + 240_000);
  const answer = chain.step(STEPS[1]!, never);
  await passSeconds(world, 9);
  now = loadedToy({ start: 0, end: 4 });
  await passSeconds(world, 3);
  assertEquals(await answer, expected(6)[1]);
  now = undefined;
  const opening = openSwarmChain(world, swarm, size, never);
  await passSeconds(world, 9);
  now = loadedToy({ start: 0, end: 4 });
  await passSeconds(world, 1);
  await using later = await opening;
  assertEquals(names(later.hops), "client 0:4, B 4:6");
});

Deno.test("a session that has begun waits half a minute for blocks that another one loads", async () => {
  const world = fakeWorld();
  for (const comes of [true, false]) {
    const toy = new ToySwarm(world, 2);
    toy.add("A", 0, 2).fault = ({ request }) =>
      request > 0 ? encodeExpertResponse({ tensors: [] }) : undefined;
    await using chain = await openSwarmChain(world, toy.swarm, size, never);
    await chain.step(STEPS[0]!, never);
    const b = toy.add("B", 0, 2, { state: "joining" });
    const answer = chain.step(STEPS[1]!, never);
    const told = comes ? undefined : assertRejects(() => answer, NodeError, "nobody else serves them");
    await passSeconds(world, 10);
    assertEquals(b.seen.length, 0);
    if (comes) toy.dht.announce("B", b.range, {}, world.clock.now() + 240_000);
    await passSeconds(world, comes ? 2 : 100);
    if (comes) assertEquals(await answer, expected(2)[1]);
    await told;
  }
});

Deno.test("a node's own records are passed over where it does not hold the blocks at hand", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.dht.announce("client", { start: 0, end: 2 }, { inferenceRps: 1e6 }, toy.world.clock.now() + 240_000);
  toy.add("Z", 0, 2);
  await using chain = await openSwarmChain(toy.world, toy.swarm, size, never);
  assertEquals(names(chain.hops), "Z 0:2");
});

Deno.test("whatever servers do, a session gives the right answers or an error, and leaves no stream open", async () => {
  const faults = fc.constantFrom("close", "error", "nan", "shape", ...Array(12).fill(undefined));
  const plans = fc.array(fc.array(faults, { maxLength: 8 }), { minLength: 4, maxLength: 4 });
  let finished = 0;
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const world = fakeWorld();
      const toy = new ToySwarm(world, 6);
      const servers = [toy.add("A", 0, 4), toy.add("B", 4, 6), toy.add("C", 0, 2), toy.add("D", 2, 6)];
      servers.forEach((server, i) => {
        server.fault = ({ request, output }) => {
          const fault = plan[i]![request];
          if (fault === "nan") return server.reply({ ...output, data: output.data.map(() => NaN) });
          if (fault === "shape") {
            return server.reply({ ...output, batch: output.tokens, tokens: 1, hidden: 4 });
          }
          return fault === "error" ? new Error("engine gone") : fault;
        };
      });
      const work = (async () => {
        await using chain = await openSwarmChain(world, toy.swarm, size, never);
        for (const [i, input] of STEPS.entries()) {
          assertEquals(await chain.step(input, never), expected(6)[i]);
        }
      })();
      let ended = false;
      const watched = work.then(() => void finished++, (error) => {
        if (!(error instanceof NodeError)) throw error;
      }).finally(() => ended = true);
      while (!ended) {
        await settle();
        await world.clock.advance(1000);
      }
      await watched;
      await settle();
      assertEquals([servers.map(({ open }) => open), world.clock.sleepers], [[0, 0, 0, 0], 0]);
    }),
    { numRuns: 150 },
  );
  assert(finished > 75, `only ${finished} of 150 sessions came to their end`);
});
