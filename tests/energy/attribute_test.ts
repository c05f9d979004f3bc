import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Attribution } from "../../src/energy/attribute.ts";
import { IdleBaseline } from "../../src/energy/baseline.ts";
import { splitWhole } from "../../src/energy/split.ts";

const spent = (cpuMs: number, tokens = 1, session = "s") => ({
  cpuMs,
  tokens,
  blockTokens: tokens * 2,
  session,
  peerClass: "swarm",
});
const total = ({ serve, idle, other }: Attribution["settled"]) => serve + idle + other;

/** Windows of 100 ms at `watts`; the machine is idle at 2 W for the first `quiet` of them. */
function idleFirst(attribution: Attribution, quiet: number): number {
  let ms = 0;
  for (let i = 0; i < quiet; i++, ms += 100) {
    attribution.mark({ atMs: ms, busyMs: 0, totalMs: 4 * ms });
    attribution.add({ startMs: ms, endMs: ms + 100, microjoules: 200_000n, choice: "a" });
  }
  attribution.mark({ atMs: ms, busyMs: 0, totalMs: 4 * ms });
  return ms;
}

Deno.test("splitWhole gives away every unit, in proportion, to nobody when there is nobody", () => {
  assertEquals(splitWhole(7n, [1, 0, 1]), [4n, 0n, 3n]);
  assertEquals(splitWhole(7n, [0, 0]), [0n, 7n]);
  assertEquals(splitWhole(7n, []), []);
  fc.assert(fc.property(
    fc.bigInt(0n, 2n ** 62n),
    fc.array(fc.double({ min: 0, max: 1e12, noNaN: true }), { minLength: 1, maxLength: 20 }),
    (all, weights) => {
      const parts = splitWhole(all, weights);
      return parts.every((part) => part >= 0n) && parts.reduce((sum, part) => sum + part, 0n) === all;
    },
  ));
});

Deno.test("IdleBaseline is the 5th percentile of a day, moves both ways, and is absent before 30 moments", () => {
  const baseline = new IdleBaseline();
  for (let i = 0; i < 29; i++) baseline.add(i * 1000, 2e6);
  assertEquals(baseline.microwatts(), undefined);
  baseline.add(29_000, 2e6);
  assertAlmostEquals(baseline.microwatts()! / 2e6, 1, 0.004);
  // one freak reading changes nothing
  for (let i = 30; i < 100; i++) baseline.add(i * 1000, 2e6);
  baseline.add(101_000, 1e3);
  assertAlmostEquals(baseline.microwatts()! / 2e6, 1, 0.004);
  const day = 24 * 3_600_000;
  for (let i = 0; i < 100; i++) baseline.add(day + 3_600_000 + i * 1000, 3e6);
  assertAlmostEquals(baseline.microwatts()! / 3e6, 1, 0.004);
});

Deno.test("Attribution gives idle its baseline and the rest to the step that used the processor", () => {
  const attribution = new Attribution();
  const ms = idleFirst(attribution, 40);
  const step = attribution.begin(ms);
  attribution.add({ startMs: ms, endMs: ms + 100, microjoules: 900_000n, choice: "a" });
  assertEquals(attribution.session("s"), undefined);
  attribution.end(step, ms + 100, spent(300));
  attribution.mark({ atMs: ms + 100, busyMs: 300, totalMs: 4 * (ms + 100) });
  attribution.mark({ atMs: ms + 1000, busyMs: 300, totalMs: 4 * (ms + 1000) });
  attribution.settle(ms + 1000);
  assertAlmostEquals(Number(attribution.session("s")!.microjoules), 700_000, 2_000);
  assertEquals(attribution.session("s")!.tokens, 1);
  assertEquals(attribution.classes.get("swarm"), attribution.session("s"));
  assertEquals(total(attribution.settled), 8_900_000n);
  assertEquals([attribution.tokens, attribution.blockTokens], [1, 2]);
});

Deno.test("Attribution shares with whatever else uses the processor", () => {
  const attribution = new Attribution();
  const ms = idleFirst(attribution, 40);
  const step = attribution.begin(ms);
  attribution.end(step, ms + 1000, spent(1000));
  attribution.mark({ atMs: ms + 1000, busyMs: 4000, totalMs: 4 * (ms + 1000) });
  attribution.add({ startMs: ms, endMs: ms + 1000, microjoules: 10_000_000n, choice: "a" });
  attribution.settle(ms + 5000, { all: true });
  const { serve, other } = attribution.settled;
  assertAlmostEquals(Number(serve) / Number(other), 1 / 3, 0.001);
});

Deno.test("Attribution tells what of other work is the node's own", () => {
  const attribution = new Attribution();
  const ms = idleFirst(attribution, 40);
  attribution.mark({ atMs: ms, busyMs: 0, totalMs: 4 * ms, ownMs: 0 });
  attribution.mark({ atMs: ms + 1000, busyMs: 2000, totalMs: 4 * (ms + 1000), ownMs: 500 });
  attribution.add({ startMs: ms, endMs: ms + 1000, microjoules: 10_000_000n, choice: "a" });
  attribution.settle(ms + 5000, { all: true });
  const { other } = attribution.settled;
  assertAlmostEquals(Number(attribution.overhead) / Number(other), 0.25, 0.001);
});

Deno.test("Attribution shares a window between steps by their processor time, also where they overlap it in part", () => {
  const attribution = new Attribution();
  const ms = idleFirst(attribution, 40);
  const long = attribution.begin(ms - 100), short = attribution.begin(ms);
  attribution.end(long, ms + 300, spent(400, 1, "long"));
  attribution.end(short, ms + 100, spent(300, 1, "short"));
  attribution.add({ startMs: ms, endMs: ms + 100, microjoules: 4_200_000n, choice: "a" });
  attribution.settle(ms + 10_000, { all: true });
  const [a, b] = ["long", "short"].map((id) => Number(attribution.session(id)!.microjoules));
  assertAlmostEquals(b! / a!, 3, 0.01);
});

Deno.test("Attribution keeps a card's energy from steps on the processor, and gives it to steps on the card", () => {
  for (const onAccelerator of [false, true]) {
    const attribution = new Attribution();
    let ms = 0;
    const window = (host: bigint, card: bigint) =>
      attribution.add({
        startMs: ms,
        endMs: ms += 100,
        microjoules: host + card,
        acceleratorMicrojoules: card,
        choice: "a",
      });
    for (let i = 0; i < 40; i++) window(200_000n, 1_000_000n);
    const step = attribution.begin(ms);
    attribution.end(step, ms + 100, { ...spent(100), onAccelerator });
    window(800_000n, 9_000_000n);
    attribution.settle(ms + 1000, { all: true });
    const expected = onAccelerator ? 8_600_000 : 600_000;
    assertAlmostEquals(Number(attribution.settled.serve) / expected, 1, 0.01);
    assertEquals(total(attribution.settled), 40n * 1_200_000n + 9_800_000n);
  }
});

Deno.test("Attribution waits for a step that runs, and for the baseline, but not for ever", () => {
  const attribution = new Attribution();
  const step = attribution.begin(0);
  for (let ms = 0; ms < 1000; ms += 100) {
    attribution.add({ startMs: ms, endMs: ms + 100, microjoules: 500_000n, choice: "a" });
  }
  assertEquals(total(attribution.settled), 0n);
  assertEquals(total(attribution.provisional()), 5_000_000n);
  attribution.settle(2_000_000);
  assertEquals(total(attribution.settled), 5_000_000n);
  assertEquals(attribution.dynamic, { microjoules: 0n, tokens: 0 });
  attribution.end(step, 1000, spent(10));
});

Deno.test("Attribution keeps a bounded number of everything, and its accounts add up exactly whatever comes", () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant("begin" as const) }),
    fc.record({ kind: fc.constant("end" as const), cpu: fc.nat(5000), which: fc.nat(5) }),
    fc.record({
      kind: fc.constant("window" as const),
      uj: fc.bigInt(0n, 10n ** 9n),
      ms: fc.integer({ min: 1, max: 3000 }),
      choice: fc.constantFrom("a", "b"),
    }),
    fc.record({ kind: fc.constant("mark" as const), busy: fc.nat(4000) }),
  );
  fc.assert(fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
    const attribution = new Attribution();
    let ms = 0, busyMs = 0, sum = 0n;
    const open: number[] = [];
    for (const act of actions) {
      if (act.kind === "begin") open.push(attribution.begin(ms));
      else if (act.kind === "mark") {
        attribution.mark({ atMs: ms, busyMs: busyMs += act.busy, totalMs: 4 * ms });
      } else if (act.kind === "end") {
        const [step] = open.splice(act.which % Math.max(1, open.length), 1);
        if (step !== undefined) attribution.end(step, ms, spent(act.cpu));
      } else {
        attribution.add({ startMs: ms, endMs: ms += act.ms, microjoules: act.uj, choice: act.choice });
        sum += act.uj;
      }
      assertEquals(total(attribution.provisional()), sum);
    }
    attribution.settle(ms, { all: true });
    assertEquals(total(attribution.settled), sum);
    const ofSessions = attribution.session("s")?.microjoules ?? 0n;
    assert(attribution.settled.serve >= ofSessions);
  }));
});

Deno.test("Attribution keeps what ran in a window that is still open, however long that takes", () => {
  const attribution = new Attribution();
  let ms = idleFirst(attribution, 40);
  const from = ms;
  for (let i = 0; i < 100; i++, ms += 300) {
    const step = attribution.begin(ms);
    attribution.end(step, ms + 100, spent(100));
    attribution.mark({ atMs: ms + 100, busyMs: 100 * (i + 1), totalMs: 4 * (ms + 100) });
    attribution.settle(ms + 100, { openSinceMs: from });
  }
  attribution.add({ startMs: from, endMs: ms, microjoules: 90_000_000n, choice: "a" });
  attribution.settle(ms + 1000, { openSinceMs: ms });
  assertEquals(attribution.session("s")!.tokens, 100);
  assertAlmostEquals(Number(attribution.settled.serve) / 30e6, 1, 0.01);
});

Deno.test("Attribution loses no step of a window that waits, however many there are", () => {
  const attribution = new Attribution();
  const steps = 40_000;
  for (let i = 0, ms = 0; i < steps; i++, ms += 5) {
    attribution.end(attribution.begin(ms), ms + 4, spent(4));
    if (i % 10 === 9) {
      attribution.add({ startMs: ms - 45, endMs: ms + 5, microjoules: 100_000n, choice: "a" });
    }
  }
  attribution.settle(1e6, { all: true });
  assertEquals(attribution.session("s")!.tokens, steps);
  assertEquals(attribution.settled, { serve: 400_000_000n, idle: 0n, other: 0n });
});
