import { assert, assertEquals } from "@std/assert";
import { TrackedSource } from "../../src/energy/tracked_source.ts";
import type { EnergyChannel, EnergyReading } from "../../src/energy/types.ts";
import { sourceOf } from "../support/moving_sensor.ts";

/** A counter of 10 W in whose readings the test has a hand. */
function handMade(
  id: string,
  change: (reading: EnergyReading) => EnergyReading | undefined = (same) => same,
) {
  const at = { ms: 0, failure: undefined as string | undefined };
  const channel: EnergyChannel = {
    id,
    type: "counter",
    minPeriodMs: 1,
    relativeUncertainty: 0.05,
    get failure() {
      return at.failure;
    },
    read: () => change({ atMs: at.ms, value: BigInt(at.ms) * 10_000n }),
  };
  return { at, channel };
}

Deno.test("TrackedSource never goes back when it is replaced by one that has fewer channels", () => {
  const [a, b] = [handMade("a"), handMade("b")];
  const both = new TrackedSource(sourceOf([a.channel, b.channel]));
  for (a.at.ms = b.at.ms = 0; a.at.ms <= 1000; b.at.ms = a.at.ms += 100) both.sample(100);
  assertEquals(both.microjoules, 20_000_000n);
  const one = new TrackedSource(sourceOf([a.channel]), both);
  assertEquals(one.microjoules, 20_000_000n);
  for (; a.at.ms <= 2100; a.at.ms += 100) one.sample(100);
  assertEquals(one.microjoules, 30_000_000n);
  assertEquals(new TrackedSource(sourceOf([b.channel]), one).microjoules, 30_000_000n);
});

Deno.test("TrackedSource is in no trouble while it has nothing to say, as a battery that is charged", () => {
  const { at, channel } = handMade("a", () => undefined);
  const tracked = new TrackedSource(sourceOf([channel]));
  for (; at.ms < 5000; at.ms += 100) tracked.sample(100);
  assertEquals([tracked.trouble, tracked.failures, tracked.isCurrent(at.ms, 100)], [undefined, {}, false]);
  at.failure = "io";
  for (; at.ms < 6000; at.ms += 100) tracked.sample(100);
  assertEquals([tracked.trouble, tracked.failures], ["a gives nothing: io", { io: 10 }]);
});

Deno.test("TrackedSource counts a channel that throws as a fault, and reads the others", () => {
  const good = handMade("good");
  const bad = handMade("bad", () => {
    throw new RangeError("a mistake");
  });
  const tracked = new TrackedSource(sourceOf([bad.channel, good.channel]));
  for (let i = 0; i < 20; i++) {
    bad.at.ms = good.at.ms += 100;
    tracked.sample(100);
  }
  assertEquals(tracked.failures, { fault: 20 });
  assertEquals(tracked.trouble, "bad gives nothing: fault");
  assert(tracked.microjoules > 0n);
});

Deno.test("TrackedSource says why numbers that no machine shows are not believed", () => {
  const { at, channel } = handMade("a", ({ atMs }) => ({ atMs, value: 2n ** 63n }));
  const tracked = new TrackedSource(sourceOf([{ ...channel, type: "gauge", failure: undefined }]));
  for (; at.ms < 5000; at.ms += 100) tracked.sample(100);
  assertEquals([tracked.microjoules, tracked.microwatts], [0n, undefined]);
  assertEquals(tracked.trouble, "a gives nothing: implausible");
});

Deno.test("TrackedSource shows no more power because its counter was started anew", () => {
  let offset = 0n;
  const { at, channel } = handMade("a", ({ atMs, value }) => ({ atMs, value: value - offset }));
  const tracked = new TrackedSource(sourceOf([channel]));
  for (; at.ms < 30_000; at.ms += 500) {
    if (at.ms === 20_000) offset = 200_000_000n;
    tracked.sample(500);
    if (at.ms >= 1000) assertEquals(tracked.microwatts, 10e6);
  }
  assertEquals([tracked.microjoules, tracked.failures], [295_000_000n, { reset: 1 }]);
});
