/**
 * Values of services, checked: each a number that a grid can have, at a time that can be.
 *
 * @module
 */
import * as v from "valibot";
import { type IntensityPoint, MAX_GRAMS_PER_KWH, MAX_POINTS, MAX_STALE_MS } from "./types.ts";
import { wrong } from "./http.ts";

/** Kilograms of one pound, exact since 1959. */
const KILOGRAMS_PER_POUND = 0.45359237;

/**
 * Grams for each kWh of pounds for each MWh.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ofPoundsPerMwh(1000), 453.59237);
 * ```
 */
export const ofPoundsPerMwh = (pounds: number): number => pounds * KILOGRAMS_PER_POUND;

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/** A time with its zone, as Unix ms. */
export const time = v.pipe(
  v.string("a time"),
  v.maxLength(40, "a time"),
  v.regex(TIME, "a time such as 2026-11-20T18:00:00Z"),
  v.transform((text) => Date.parse(text)),
  v.finite("a time"),
);

/** A value that a service leaves out by null. */
export const nullable = v.nullish(v.number("a number or null"));

/** Whether a grid can have this intensity: 0 to 2000 g/kWh. */
export const isIntensity = (grams: number): boolean => grams >= 0 && grams <= MAX_GRAMS_PER_KWH;

/**
 * `point` as what holds now. Throws `NodeError` `malformed` for none, for a value that no grid has, for a time more than
 * a period ahead (services name the hour that is about to begin) and for one older than a day.
 */
export function asLatest(
  service: string,
  point: { readonly atMs: number; readonly gramsPerKwh: number | null | undefined },
  { nowMs, periodMs }: { readonly nowMs: number; readonly periodMs: number },
): IntensityPoint {
  const { atMs, gramsPerKwh } = point;
  if (gramsPerKwh === null || gramsPerKwh === undefined) throw wrong(service, "it has no value now", "one");
  if (!isIntensity(gramsPerKwh)) {
    throw wrong(service, `it says ${gramsPerKwh.toPrecision(4)} g/kWh`, `0 to ${MAX_GRAMS_PER_KWH}`);
  }
  if (atMs > nowMs + periodMs) {
    throw wrong(service, "its time lies ahead of this machine's", "two clocks that agree");
  }
  if (atMs <= nowMs - MAX_STALE_MS) throw wrong(service, "its newest value is over a day old", "a newer one");
  return { atMs, gramsPerKwh };
}

/** Those of `points` that hold now or later and that a grid can have, in order, each time once. */
export function asForecast(
  points: readonly { readonly atMs: number; readonly gramsPerKwh: number | null | undefined }[],
  { nowMs, periodMs }: { readonly nowMs: number; readonly periodMs: number },
): IntensityPoint[] {
  const byTime = new Map<number, number>();
  for (const { atMs, gramsPerKwh } of points) {
    if (atMs > nowMs - periodMs && typeof gramsPerKwh === "number" && isIntensity(gramsPerKwh)) {
      byTime.set(atMs, gramsPerKwh);
    }
  }
  return [...byTime].sort(([a], [b]) => a - b).slice(0, MAX_POINTS)
    .map(([atMs, gramsPerKwh]) => ({ atMs, gramsPerKwh }));
}
