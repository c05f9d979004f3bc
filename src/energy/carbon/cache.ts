/**
 * What a service told, kept over a restart: so that a node that starts again asks nothing it knows, and knows something
 * while the service is away.
 *
 * @module
 */
import * as v from "valibot";
import { decodeUtf8, encodeUtf8 } from "../../base/bytes.ts";
import type { Table } from "../../base/database.ts";
import { isIntensity } from "./points.ts";
import { type Forecast, type IntensityProvider, type LatestReading, MAX_STALE_MS } from "./types.ts";

/** Everything a service told that is still of use. */
export interface Told {
  readonly latest: LatestReading | undefined;
  readonly forecast: Forecast | undefined;
  /** What was the newest value, over the last day, in order of time. */
  readonly observed: readonly LatestReading[];
}

/** Nothing. */
export const NOTHING_TOLD: Told = { latest: undefined, forecast: undefined, observed: [] };

/** Most values kept of the last day: one each five minutes. */
const MAX_OBSERVED = 300;
/** Most points of a forecast kept. */
const MAX_KEPT = 400;
const KEY = "intensity";

const instant = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(8.64e15));
const grams = v.pipe(v.number(), v.check(isIntensity));
const reading = v.pipe(
  v.strictTuple([
    instant,
    grams,
    v.picklist([0, 1]),
    v.nullable(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  ]),
  v.transform(([atMs, gramsPerKwh, estimated, renewableRatio]): LatestReading => ({
    point: { atMs, gramsPerKwh },
    estimated: estimated === 1,
    renewableRatio,
  })),
);
const shape = v.object({
  provider: v.string(),
  zone: v.string(),
  method: v.string(),
  observed: v.pipe(v.array(reading), v.maxLength(MAX_OBSERVED)),
  forecast: v.nullable(v.object({
    generatedAtMs: instant,
    periodMs: v.pipe(v.number(), v.minValue(60_000), v.maxValue(86_400_000)),
    points: v.pipe(v.array(v.strictTuple([instant, grams])), v.maxLength(MAX_KEPT)),
  })),
});

/** What an earlier run kept of this very service and zone; a damaged note is none. */
export function loadTold(table: Table, provider: IntensityProvider, nowMs: number): Told {
  const bytes = table.get(KEY);
  if (bytes === undefined) return NOTHING_TOLD;
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(bytes));
  } catch {
    return NOTHING_TOLD;
  }
  const result = v.safeParse(shape, value);
  if (!result.success) return NOTHING_TOLD;
  const { observed, forecast, ...of } = result.output;
  if (of.provider !== provider.id || of.zone !== provider.zone || of.method !== provider.method) {
    return NOTHING_TOLD;
  }
  const kept = observed.filter(({ point }) => isOfToday(point.atMs, nowMs));
  return {
    latest: kept.at(-1),
    observed: kept,
    forecast: forecast === null
      ? undefined
      : { ...forecast, points: forecast.points.map(([atMs, gramsPerKwh]) => ({ atMs, gramsPerKwh })) },
  };
}

/** Hands what was told to the table. */
export function keepTold(table: Table, provider: IntensityProvider, { observed, forecast }: Told): void {
  const value: v.InferInput<typeof shape> = {
    provider: provider.id,
    zone: provider.zone,
    method: provider.method,
    observed: observed.map(({ point, estimated, renewableRatio }) => [
      point.atMs,
      tenth(point.gramsPerKwh),
      estimated ? 1 : 0,
      renewableRatio,
    ]),
    forecast: forecast === undefined ? null : {
      generatedAtMs: forecast.generatedAtMs,
      periodMs: forecast.periodMs,
      points: forecast.points.slice(0, MAX_KEPT).map(({ atMs, gramsPerKwh }) => [atMs, tenth(gramsPerKwh)]),
    },
  };
  table.put(KEY, encodeUtf8(JSON.stringify(value)));
}

/** `observed` with one more: what is over a day old leaves, a value for the same time is replaced. */
export function withReading(
  observed: readonly LatestReading[],
  reading: LatestReading,
  nowMs: number,
): LatestReading[] {
  const others = observed.filter(({ point }) =>
    isOfToday(point.atMs, nowMs) && point.atMs !== reading.point.atMs
  );
  return [...others, reading].sort((a, b) => a.point.atMs - b.point.atMs).slice(-MAX_OBSERVED);
}

/** No older than a day and no further ahead than a service may be. */
const isOfToday = (atMs: number, nowMs: number): boolean =>
  atMs > nowMs - MAX_STALE_MS && atMs <= nowMs + 3_600_000;

const tenth = (grams: number): number => Math.round(grams * 10) / 10;
