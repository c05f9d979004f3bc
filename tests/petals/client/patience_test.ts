import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import type { SwarmServer } from "../../../src/petals/client/announced.ts";
import { Patience } from "../../../src/petals/client/patience.ts";
import { type FakeClock, fakeWorld } from "../../support/world.ts";

const never = new AbortController().signal;
const serverOf = (peerId: string, inferenceRps?: number) => ({ peerId, inferenceRps }) as SwarmServer;
const BLOCKS = { start: 0, end: 15 };

/** A step of some tokens at A, which others serve too. */
const stepOf = (tokens: number, more: object = {}) => ({
  server: serverOf("A", 30),
  blocks: BLOCKS,
  tokens,
  hasOthers: () => true,
  ...more,
});

/** Work that takes its time and ends with its signal. */
const taking = (clock: FakeClock, ms: number) => (signal: AbortSignal) => clock.sleep(ms, signal);

/** Runs the clock until `work` is done; how many seconds that were. */
async function secondsOf(clock: FakeClock, work: Promise<unknown>): Promise<number> {
  let done = false;
  work.then(() => done = true, () => done = true);
  const began = clock.monotonic();
  for (let i = 0; i < 2_000 && !done; i++) await clock.advance(500);
  return (clock.monotonic() - began) / 1000;
}

function open(isThere: () => boolean) {
  const world = fakeWorld();
  const asked: string[] = [];
  const patience = new Patience(world, async (peer, signal) => {
    asked.push(peer);
    await world.clock.sleep(100, signal);
    return isThere();
  });
  return { clock: world.clock, patience, asked };
}

Deno.test("what is usual is announced at first, then learnt: single steps as they are, long ones by their tokens", async () => {
  const { clock, patience } = open(() => true);
  assertEquals(patience.usualMs(stepOf(1)), 500);
  assertEquals(patience.usualMs(stepOf(1, { server: serverOf("B") })), 500);
  assertEquals(patience.usualMs(stepOf(256)), 128_000);
  await secondsOf(clock, patience.watch(stepOf(1), taking(clock, 100), never));
  await secondsOf(clock, patience.watch(stepOf(100), taking(clock, 1000), never));
  assertEquals([1, 16, 256].map((tokens) => patience.usualMs(stepOf(tokens))), [100, 100, 2560]);
  await secondsOf(clock, patience.watch(stepOf(1), taking(clock, 600), never));
  assertEquals(patience.usualMs(stepOf(1)), 200);
});

Deno.test("nobody is asked about a step in time, and no timer is left", async () => {
  const { clock, patience, asked } = open(() => false);
  assertEquals(await secondsOf(clock, patience.watch(stepOf(1), taking(clock, 2_000), never)), 2);
  assertEquals([asked, clock.sleepers], [[], 0]);
});

Deno.test("a server without a sign of life is given up at the second question; one lost answer is none", async () => {
  const gone = open(() => false);
  const work = gone.patience.watch(stepOf(1), taking(gone.clock, 99_000), never);
  const words = assertRejects(() => work, NodeError, "Cannot go on with A: it gave no sign of life for 3 s");
  assertEquals(Math.round(await secondsOf(gone.clock, work)), 3);
  await words;
  let asked = 0;
  const lossy = open(() => asked++ % 2 === 1);
  const slow = lossy.patience.watch(stepOf(1), taking(lossy.clock, 20_000), never);
  assertEquals(await secondsOf(lossy.clock, slow), 20);
  assertEquals([lossy.clock.sleepers, gone.clock.sleepers], [0, 0]);
});

Deno.test("one that is there has half a minute, or twenty times the usual; without others it has its time", async () => {
  const spent = async (step: ReturnType<typeof stepOf>) => {
    const { clock, patience } = open(() => true);
    const work = patience.watch(step, taking(clock, 300_000), never);
    work.catch(() => {});
    return Math.round(await secondsOf(clock, work));
  };
  assertEquals(await spent(stepOf(1)), 32);
  assertEquals(await spent(stepOf(4, { server: serverOf("A", 3) })), 300);
  assertEquals(await spent(stepOf(2, { server: serverOf("A", 15) })), 42);
  assertEquals(await spent(stepOf(1, { hasOthers: () => false })), 300);
});

Deno.test("a caller who leaves is told its own reason", async () => {
  const { clock, patience } = open(() => true);
  const left = new AbortController();
  const work = patience.watch(stepOf(1), taking(clock, 9_000), left.signal);
  const words = assertRejects(() => work, Error, "left");
  await clock.advance(5_000);
  left.abort(new Error("left"));
  await words;
  assertEquals(clock.sleepers, 0);
});
