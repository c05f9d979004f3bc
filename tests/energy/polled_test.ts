import { assert, assertEquals } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { openPolledChannel, type PolledOptions, PollFailure } from "../../src/energy/sources/polled.ts";
import { fakeWorld, settle } from "../support/world.ts";

const options = (read: PolledOptions["read"]): PolledOptions => ({
  id: "plug",
  type: "gauge",
  minPeriodMs: 1000,
  relativeUncertainty: 0.02,
  timeoutMs: 3000,
  read,
});

Deno.test("a polled channel is asked at its pace, and gives the newest answer with the middle of its question", async () => {
  const world = fakeWorld();
  let asked = 0;
  await using channel = openPolledChannel(
    world,
    options(async () => {
      await world.clock.sleep(200);
      return BigInt(++asked);
    }),
  );
  assertEquals([channel.read(), channel.failure], [undefined, "unasked"]);
  await world.clock.advance(200);
  assertEquals(channel.read(), { atMs: 100, value: 1n });
  await world.clock.advance(700);
  assertEquals(channel.read(), { atMs: 100, value: 1n });
  await world.clock.advance(400);
  assertEquals(channel.read(), { atMs: 1100, value: 2n });
  await world.clock.advance(10_000);
  assertEquals(asked, 12);
});

Deno.test("a polled channel backs off, keeps the word of its failure, and gives nothing that is old", async () => {
  const world = fakeWorld();
  const times: number[] = [];
  let fails = false;
  await using channel = openPolledChannel(
    world,
    options(() => {
      times.push(world.clock.monotonic());
      if (fails) return Promise.reject(new PollFailure("http_401", "Cannot ask plug: it wants a password"));
      return Promise.resolve(5n);
    }),
  );
  await settle();
  fails = true;
  await world.clock.advance(5_000);
  assertEquals(channel.read()?.value, 5n);
  await world.clock.advance(1_000);
  assertEquals([channel.read(), channel.failure], [undefined, "http_401"]);
  assertEquals(channel.trouble, "Cannot ask plug: it wants a password");
  await world.clock.advance(600_000);
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  assertEquals(gaps.slice(0, 7), [1000, 2000, 4000, 8000, 16000, 32000, 60000]);
  fails = false;
  await world.clock.advance(60_000);
  assertEquals([channel.read()?.value, channel.failure, channel.trouble], [5n, undefined, undefined]);
});

Deno.test("a polled channel leaves alone who asks for it, gives up on silence, and ends when disposed", async () => {
  const world = fakeWorld();
  const times: number[] = [];
  let aborted = 0;
  const channel = openPolledChannel(
    world,
    options((signal) => {
      times.push(world.clock.monotonic());
      signal.addEventListener("abort", () => aborted++);
      if (times.length === 1) return Promise.reject(new PollFailure("http_429", "busy", 30_000));
      return new Promise(() => {});
    }),
  );
  await settle();
  await world.clock.advance(30_000);
  assertEquals(times, [0, 30_000]);
  await world.clock.advance(3_000);
  assertEquals([channel.failure, aborted], ["timeout", 1]);
  await world.clock.advance(10_000);
  await channel[Symbol.asyncDispose]();
  const before = times.length;
  await world.clock.advance(100_000);
  assertEquals(times.length, before);
  assert(world.clock.sleepers === 0);
});

Deno.test("closing a polled channel waits for the program that its reader is about to end", async () => {
  const ended = Promise.withResolvers<bigint>();
  const read = () => ended.promise;
  const channel = openPolledChannel(fakeWorld(), { ...options(read), isObedient: true });
  let isClosed = false;
  const closed = channel[Symbol.asyncDispose]().then(() => isClosed = true);
  await settle();
  assertEquals(isClosed, false);
  ended.reject(new NodeError("aborted", "The program was killed"));
  await closed;
});

Deno.test("what a polled channel says of a failure names no more than our own words do", async () => {
  const world = fakeWorld();
  await using channel = openPolledChannel(
    world,
    options(() => Promise.reject(new Error("http://user:secret@host/"))),
  );
  await settle();
  assertEquals([channel.failure, channel.trouble], ["unreachable", "Cannot ask plug: it cannot be reached"]);
  await using other = openPolledChannel(
    world,
    options(() => Promise.reject(new NodeError("timeout", "late"))),
  );
  await settle();
  assertEquals([other.failure, other.trouble], ["timeout", "late"]);
});

Deno.test("a polled channel outlives a mistake of ours that an odd answer brings to light", async () => {
  const world = fakeWorld();
  let odd = true;
  await using channel = openPolledChannel(
    world,
    options(() => odd ? Promise.reject(new RangeError("not an integer")) : Promise.resolve(7n)),
  );
  await settle();
  assertEquals([channel.failure, channel.trouble], ["fault", "Cannot ask plug: a fault of the program"]);
  odd = false;
  await world.clock.advance(2_000);
  assertEquals([channel.read()?.value, channel.failure], [7n, undefined]);
});
