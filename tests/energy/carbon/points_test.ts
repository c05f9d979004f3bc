import { assertEquals, assertThrows } from "@std/assert";
import * as v from "valibot";
import { NodeError } from "../../../src/base/errors.ts";
import { asForecast, asLatest, ofPoundsPerMwh, time } from "../../../src/energy/carbon/points.ts";

const NOW = Date.UTC(2026, 10, 20, 18);
const HOUR = 3_600_000;

Deno.test("ofPoundsPerMwh uses the exact pound", () => {
  assertEquals([0, 1, 1e8].map(ofPoundsPerMwh), [0, 0.45359237, 45_359_237]);
});

Deno.test("time takes times with their zone and no others", () => {
  const read = (text: unknown) => {
    const result = v.safeParse(time, text);
    return result.success ? result.output : undefined;
  };
  for (
    const text of [
      "2026-11-20T18:00Z",
      "2026-11-20T18:00:00.000Z",
      "2026-11-20T19:00:00+01:00",
      "2026-11-20T13:00-05:00",
    ]
  ) {
    assertEquals(read(text), NOW, text);
  }
  for (
    const text of [
      "2026-11-20T18:00",
      "2026-11-20",
      "20 Nov 2026",
      "2026-13-20T18:00Z",
      "2026-11-20T25:00Z",
      "",
      1,
      null,
      "x".repeat(1e6),
    ]
  ) {
    assertEquals(read(text), undefined, String(text).slice(0, 40));
  }
});

Deno.test("asLatest allows one period ahead and one day of age, both ends", () => {
  const at = (atMs: number, ...[gramsPerKwh]: (number | null | undefined)[]) =>
    asLatest("X", { atMs, gramsPerKwh }, { nowMs: NOW, periodMs: HOUR });
  assertEquals(at(NOW + HOUR, 1).atMs, NOW + HOUR);
  assertThrows(() => at(NOW + HOUR + 1, 1), NodeError, "clocks");
  assertEquals(at(NOW - 24 * HOUR + 1, 1).gramsPerKwh, 1);
  assertThrows(() => at(NOW - 24 * HOUR, 1), NodeError, "day old");
  assertThrows(() => at(NOW, null), NodeError, "no value");
  assertThrows(() => at(NOW, undefined), NodeError, "no value");
  for (const grams of [-0.001, 2000.1, NaN, Infinity]) assertThrows(() => at(NOW, grams), NodeError, "g/kWh");
  assertEquals([at(NOW, 0).gramsPerKwh, at(NOW, 2000).gramsPerKwh], [0, 2000]);
});

Deno.test("asForecast puts points in order, each time once, and is bounded", () => {
  const many = Array.from({ length: 5000 }, (_, i) => ({ atMs: NOW + i * HOUR, gramsPerKwh: 1 }));
  assertEquals(asForecast(many, { nowMs: NOW, periodMs: HOUR }).length, 1000);
  const mixed = [
    { atMs: NOW + HOUR, gramsPerKwh: 2 },
    { atMs: NOW, gramsPerKwh: 1 },
    { atMs: NOW + HOUR, gramsPerKwh: 3 },
    { atMs: NOW - HOUR, gramsPerKwh: 9 },
  ];
  assertEquals(asForecast(mixed, { nowMs: NOW, periodMs: HOUR }), [
    { atMs: NOW, gramsPerKwh: 1 },
    { atMs: NOW + HOUR, gramsPerKwh: 3 },
  ]);
});
