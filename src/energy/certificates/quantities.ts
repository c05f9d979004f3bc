/**
 * Integers of energy and whole hours of UTC. Energy is rounded down whenever a unit grows: nobody is given a watt-hour
 * that was not there.
 *
 * @module
 */

/** One hour in milliseconds: the longest interval of a granular certificate. */
export const HOUR_MS = 3_600_000;
/** Microjoules of a watt-hour and of a milliwatt-hour. */
export const MICROJOULES_PER_WH = 3_600_000_000n;
const MICROJOULES_PER_MWH = 3_600_000n;

/** Dates outside these years are no dates of energy: 2000 to 2100, Unix milliseconds, half-open. */
export const FIRST_DATE_MS = Date.UTC(2000, 0, 1);
/** End of {@linkcode FIRST_DATE_MS}'s range. */
export const LAST_DATE_MS = Date.UTC(2101, 0, 1);

/**
 * Whole watt-hours in `microjoules`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(toWattHours(3_599_999_999n), 0n);
 * assertEquals(toWattHours(7_200_000_000n), 2n);
 * ```
 */
export const toWattHours = (microjoules: bigint): bigint => microjoules / MICROJOULES_PER_WH;

/** Whole milliwatt-hours in `microjoules`. */
export const toMilliwattHours = (microjoules: bigint): bigint => microjoules / MICROJOULES_PER_MWH;

/** Microjoules of watt-hours, exact. */
export const ofWattHours = (wattHours: bigint): bigint => wattHours * MICROJOULES_PER_WH;

/** Microjoules of milliwatt-hours, exact. */
export const ofMilliwattHours = (milliwattHours: bigint): bigint => milliwattHours * MICROJOULES_PER_MWH;

/** Start of the UTC hour that `atMs` lies in. */
export const hourOf = (atMs: number): number => Math.floor(atMs / HOUR_MS) * HOUR_MS;

/** Whether `startMs` to `endMs` is exactly one UTC hour of the years that are taken. */
export const isWholeHour = (startMs: number, endMs: number): boolean =>
  Number.isSafeInteger(startMs) && startMs % HOUR_MS === 0 && endMs === startMs + HOUR_MS &&
  startMs >= FIRST_DATE_MS && endMs <= LAST_DATE_MS;

/** A time as certificates write it: UTC, whole seconds. */
export const toIsoSeconds = (atMs: number): string => new Date(atMs).toISOString().replace(/\.\d{3}Z$/, "Z");

const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Unix milliseconds of a time as registries write it; `undefined` for anything else. Without a zone it
 * is UTC: EnergyTag says so of every time. A date alone is its first moment.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readTime("2026-11-20T10:00:00"), Date.UTC(2026, 10, 20, 10));
 * assertEquals(readTime("2026-11-20 11:00:00.5+01:00"), Date.UTC(2026, 10, 20, 10, 0, 0, 500));
 * assertEquals(readTime("2026-02-30"), undefined);
 * ```
 */
export function readTime(text: string): number | undefined {
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", zone = "Z"] =
    DATE.exec(text) ?? [];
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, "0")}Z`;
  const atMs = Date.parse(local);
  // Date.parse takes the 30th of February for the 2nd of March
  if (Number.isNaN(atMs) || new Date(atMs).toISOString() !== local) return undefined;
  const utcMs = atMs - zoneMs(zone);
  return utcMs >= FIRST_DATE_MS && utcMs < LAST_DATE_MS ? utcMs : undefined;
}

function zoneMs(zone: string): number {
  if (zone === "Z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return (zone.startsWith("-") ? -minutes : minutes) * 60_000;
}
