import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { FusedEnergy } from "../../src/energy/sources/fused_energy.ts";

/** Plays a device: true power in watts by seconds, a gauge that is off by a factor, a counter that moves in steps of joules. */
function play(options: {
  readonly seconds: number;
  readonly watts: (second: number) => number;
  readonly gaugeFactor: number;
  readonly stepJoules: number;
  readonly asked?: (second: number) => boolean;
  readonly startJoules?: number;
}): { readonly told: number; readonly exact: number; readonly values: readonly bigint[] } {
  const { seconds, watts, gaugeFactor, stepJoules, asked = () => true, startJoules = 1_234.5 } = options;
  const fused = new FusedEnergy(stepJoules * 1e6);
  const values: bigint[] = [];
  let exact = 0, first: number | undefined;
  for (let second = 0; second <= seconds; second++) {
    if (asked(second)) {
      first ??= exact;
      values.push(fused.add({
        atMs: second * 1000,
        microwatts: BigInt(Math.round(watts(second) * gaugeFactor * 1e6)),
        microjoules: BigInt(Math.floor((startJoules + exact) / stepJoules)) *
          BigInt(Math.round(stepJoules * 1e6)),
      }));
    }
    exact += (watts(second) + watts(second + 1)) / 2;
  }
  const past = exact - (watts(seconds) + watts(seconds + 1)) / 2;
  return { told: Number(values.at(-1)!) / 1e6, exact: past - first!, values };
}

const bursts = (second: number) => second % 40 < 12 ? 11 : 5;

Deno.test("A sum of power is led by the device's counter: a gauge 7 % off ends right to a step", () => {
  for (const gaugeFactor of [0.93, 1, 1.07, 1.3]) {
    for (const stepJoules of [3.6, 60, 3600]) {
      const { told, exact } = play({ seconds: 36_000, watts: bursts, gaugeFactor, stepJoules });
      // what the counter does not show yet, and what the gauge is off within two marks of it
      const step = Math.max(stepJoules, 7 * 60);
      const allowed = stepJoules + 2.5 * step * Math.abs(gaugeFactor - 1) + 20;
      assert(Math.abs(told - exact) <= allowed, `${gaugeFactor} ${stepJoules}: ${told} against ${exact}`);
    }
  }
});

Deno.test("Between steps of a watt-hour the energy follows the power, second by second", () => {
  const { values } = play({ seconds: 300, watts: bursts, gaugeFactor: 1, stepJoules: 3600 });
  const inBurst = Number(values[49]! - values[42]!) / 7e6, between = Number(values[75]! - values[60]!) / 15e6;
  assertEquals([Math.round(inBurst), Math.round(between)], [11, 5]);
});

Deno.test("A time without answers is filled from the counter, not from two powers at its ends", () => {
  // for ten minutes nobody asks: the machine works at 40 W, and is back at 5 W afterwards
  const watts = (second: number) => second >= 200 && second < 800 ? 40 : 5;
  const asked = (second: number) => second < 150 || second > 850;
  const { told, exact } = play({ seconds: 1200, watts, gaugeFactor: 1, stepJoules: 3.6, asked });
  assert(Math.abs(told - exact) < 10, `${told} against ${exact}`);
  const coarse = play({ seconds: 7200, watts, gaugeFactor: 1, stepJoules: 3600, asked });
  assert(Math.abs(coarse.told - coarse.exact) < 3700, `${coarse.told} against ${coarse.exact}`);
});

Deno.test("A counter that is set to 0, jumps or stands still does not take the sum with it", () => {
  const fused = new FusedEnergy();
  let sum = 0n;
  for (let second = 0; second <= 600; second++) {
    const counter = second < 200 ? 5_000n + BigInt(second) * 5n : second < 400 ? 3n : 9_000_000_000n;
    const before = sum;
    sum = fused.add({ atMs: second * 1000, microwatts: 5_000_000n, microjoules: counter * 1_000_000n });
    assert(sum - before <= 8_000_000n && sum >= before, `${second}: ${sum - before}`);
  }
  assert(Math.abs(Number(sum) / 1e6 - 3000) < 20, `${sum}`);
});

Deno.test("A device that shows 0 W and counts is counted", () => {
  const { told, exact } = play({ seconds: 36_000, watts: () => 0.4, gaugeFactor: 0, stepJoules: 3.6 });
  assert(exact - told < 60 && told <= exact, `${told} against ${exact}`);
});

Deno.test("Whatever a device tells, the sum never goes back", () => {
  const answer = fc.record({
    dtMs: fc.integer({ min: -1000, max: 100_000 }),
    watts: fc.integer({ min: 0, max: 100_000 }),
    joules: fc.bigInt({ min: 0n, max: 1n << 60n }),
  });
  fc.assert(fc.property(fc.array(answer, { maxLength: 60 }), (answers) => {
    const fused = new FusedEnergy();
    let atMs = 0, before = 0n;
    for (const { dtMs, watts, joules } of answers) {
      atMs += dtMs;
      const sum = fused.add({ atMs, microwatts: BigInt(watts) * 1_000_000n, microjoules: joules });
      assert(sum >= before);
      before = sum;
    }
  }));
});
