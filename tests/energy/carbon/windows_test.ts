import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { EnergyWindow } from "../../../src/energy/carbon/hour_book.ts";
import { splitAtHours, windowOf } from "../../../src/energy/carbon/windows.ts";
import type { MeterSums } from "../../../src/energy/meter.ts";

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 10, 20, 12);

const windowAt = (endMs: number, elapsedMs: number, serve = 0n): EnergyWindow => ({
  endMs,
  elapsedMs,
  coveredMs: elapsedMs,
  microjoules: { serve, idle: 0n, other: 0n },
  tokens: 0,
  blockTokens: 0,
  kind: "measured",
  uncertainty: 0.05,
});

const energy = fc.bigInt({ min: 0n, max: 10n ** 15n });
const anyWindow = fc.record({
  endMs: fc.integer({ min: NOON, max: NOON + 3 * HOUR }),
  elapsedMs: fc.integer({ min: 0, max: 5 * HOUR }),
  covered: fc.integer({ min: 0, max: 100 }),
  serve: energy,
  idle: energy,
  other: energy,
  local: fc.integer({ min: 0, max: 100 }),
  tokens: fc.nat(),
  blockTokens: fc.nat(),
}).map(({ covered, serve, idle, other, local, ...rest }): EnergyWindow => ({
  ...rest,
  coveredMs: rest.elapsedMs * covered / 100,
  microjoules: { serve, idle, other },
  kind: "measured",
  uncertainty: null,
  local: { microjoules: (serve + idle + other) * BigInt(local) / 100n, evidence: "A" },
}));

Deno.test("splitAtHours loses and makes no microjoule and no token, and each part lies in its hour", () => {
  fc.assert(
    fc.property(anyWindow, (window) => {
      const parts = splitAtHours(window);
      const sum = <T extends bigint | number>(pick: (part: EnergyWindow) => T, zero: T) =>
        parts.reduce((total, { part }) => (total as number) + (pick(part) as number) as T, zero);
      for (const account of ["serve", "idle", "other"] as const) {
        assertEquals(sum((part) => part.microjoules[account], 0n), window.microjoules[account]);
      }
      assertEquals(sum((part) => part.local!.microjoules, 0n), window.local!.microjoules);
      assertEquals(sum((part) => part.tokens, 0), window.tokens);
      assertEquals(sum((part) => part.blockTokens, 0), window.blockTokens);
      assert(Math.abs(sum((part) => part.elapsedMs, 0) - window.elapsedMs) < 1e-3);
      for (const { startMs, part } of parts) {
        assertEquals(startMs % HOUR, 0);
        assert(part.endMs > startMs || window.elapsedMs === 0);
        assert(part.endMs <= startMs + HOUR);
        assert(part.tokens >= 0 && part.microjoules.serve >= 0n && part.elapsedMs >= 0);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("splitAtHours cuts by time, and a window that ends on the hour lies before it", () => {
  const hoursOf = (window: EnergyWindow) =>
    splitAtHours(window).map(({ startMs, part }) => [(startMs - NOON) / HOUR, part.microjoules.serve]);
  assertEquals(hoursOf(windowAt(NOON + 45_000, 60_000, 60n)), [[-1, 15n], [0, 45n]]);
  assertEquals(hoursOf(windowAt(NOON, 60_000, 60n)), [[-1, 60n]]);
  assertEquals(hoursOf(windowAt(NOON + 1, 0, 60n)), [[0, 60n]]);
  assertEquals(hoursOf(windowAt(NOON + 30 * 60_000, 2 * HOUR, 8n)), [[-2, 2n], [-1, 4n], [0, 2n]]);
});

Deno.test("splitAtHours is bounded for clocks and lengths that cannot be", () => {
  assertEquals(
    splitAtHours(windowAt(-5, 60_000, 7n)).map(({ startMs, part }) => [startMs, part.microjoules.serve]),
    [[0, 7n]],
  );
  const far = splitAtHours(windowAt(1e15, 60_000, 7n));
  assertEquals(far.length, 1);
  assert(far[0]!.startMs < Date.UTC(2200, 0, 1));
  const long = splitAtHours(windowAt(NOON, 365 * 24 * HOUR, 10n ** 12n));
  assertEquals(long.length, 31 * 24);
  assertEquals(long.reduce((sum, { part }) => sum + part.microjoules.serve, 0n), 10n ** 12n);
});

Deno.test("windowOf is what a meter gained, never less than nothing", () => {
  const sums = (n: number): MeterSums => ({
    accounts: { serve: BigInt(n), idle: BigInt(2 * n), other: 0n },
    overhead: 0n,
    tokens: n,
    blockTokens: 3 * n,
    measuredMs: 900 * n,
    elapsedMs: 1000 * n,
    kind: "measured",
    uncertainty: 0.05,
  });
  assertEquals(windowOf(sums(3), sums(5), NOON), {
    endMs: NOON,
    elapsedMs: 2000,
    coveredMs: 1800,
    microjoules: { serve: 2n, idle: 4n, other: 0n },
    tokens: 2,
    blockTokens: 6,
    kind: "measured",
    uncertainty: 0.05,
  });
  const back = windowOf(sums(5), sums(3), NOON);
  assertEquals([back.elapsedMs, back.microjoules.serve, back.tokens], [0, 0n, 0]);
});
