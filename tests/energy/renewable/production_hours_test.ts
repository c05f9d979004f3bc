import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ProductionHours } from "../../../src/energy/renewable/production_hours.ts";

const HOUR = 3_600_000;
const START = Date.UTC(2026, 5, 1, 10);
const after = (hours: number) => START + hours * HOUR;

/** A counter that makes `watts` steadily, asked every `stepMs`. */
function follow(hours: ProductionHours, fromMs: number, toMs: number, watts: number, stepMs = 5000): void {
  for (let wallMs = fromMs; wallMs <= toMs; wallMs += stepMs) {
    hours.add(wallMs, BigInt(Math.floor(watts * (wallMs - START) / 3600)) + 5_000_000n);
  }
}

Deno.test("A whole hour holds what the counter made in it, to the milliwatt-hour, and comes once", () => {
  const hours = new ProductionHours();
  follow(hours, after(-0.5), after(2.5), 1000);
  const taken = hours.take(after(2.5));
  assertEquals(
    taken.map(({ startMs, endMs, milliwattHours, coverage }) => [startMs, endMs, milliwattHours, coverage]),
    [
      [after(-1), after(0), 500_000n, 0.5],
      [after(0), after(1), 1_000_000n, 1],
      [after(1), after(2), 1_000_000n, 1],
    ],
  );
  assertEquals(hours.take(after(2.5)), []);
});

Deno.test("Hours add up to the counter, however the answers lie", () => {
  const step = fc.record({
    ms: fc.integer({ min: 1, max: 500_000 }),
    made: fc.bigInt({ min: 0n, max: 100_000n }),
  });
  fc.assert(fc.property(fc.array(step, { minLength: 2, maxLength: 200 }), (steps) => {
    const hours = new ProductionHours();
    let wallMs = START, counter = 7n, sum = 0n;
    hours.add(wallMs, counter);
    for (const { ms, made } of steps) {
      const most = 1_000_000n * 1000n * BigInt(ms) / BigInt(HOUR);
      wallMs += ms;
      counter += made > most ? 0n : made;
      hours.add(wallMs, counter);
    }
    for (const { milliwattHours } of hours.take(wallMs + 2 * HOUR)) sum += milliwattHours;
    assertEquals(sum, counter - 7n);
  }));
});

Deno.test("Within an hour a time without answers loses nothing; across hours it is nobody's", () => {
  const within = new ProductionHours();
  follow(within, after(0), after(0.2), 1000);
  follow(within, after(0.8), after(1.2), 1000);
  assertEquals(within.take(after(2))[0]?.milliwattHours, 1_000_000n);
  const across = new ProductionHours();
  follow(across, after(0), after(0.5), 1000);
  follow(across, after(1.5), after(2.2), 1000);
  assertEquals(across.take(after(2.5)).map(({ milliwattHours, coverage }) => [milliwattHours, coverage]), [
    [500_000n, 0.5],
    [500_000n, 0.5],
  ]);
});

Deno.test("A counter that is set anew, a jump and a clock that is set back make nothing", () => {
  const hours = new ProductionHours();
  hours.add(after(0.1), 9_000_000n);
  hours.add(after(0.2), 100n);
  hours.add(after(0.3), 900_000_000_000n);
  hours.add(after(0.4), 900_000_050_000n);
  hours.add(after(0.35), 900_000_060_000n);
  hours.add(after(-3), 900_000_070_000n);
  hours.add(after(-2.9), 900_000_080_000n);
  assertEquals(hours.take(after(3)).map(({ startMs, milliwattHours }) => [startMs, milliwattHours]), [
    [after(0), 50_000n],
    [after(-3), 10_000n],
  ]);
});

Deno.test("What the site used is told for hours that were measured nearly whole, rounded up", () => {
  const hours = new ProductionHours();
  follow(hours, after(0), after(2.2), 1000);
  for (let wallMs = after(0); wallMs <= after(1.5); wallMs += 5000) hours.addSite(wallMs, 400.0001);
  assertEquals(hours.take(after(3)).map(({ siteMilliwattHours }) => siteMilliwattHours), [
    400_001n,
    undefined,
  ]);
});

Deno.test("Hours that nobody takes are at most two days'", () => {
  const hours = new ProductionHours();
  follow(hours, after(0), after(100), 1000, 300_000);
  const taken = hours.take(after(200));
  assert(taken.length <= 48 && taken.at(-1)!.startMs >= after(99), `${taken.length}`);
});
