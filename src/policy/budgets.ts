/**
 * What was used this month and today, over restarts and over clocks that jump.
 *
 * @module
 */

/** What was used in a month or on a day; `name` is a local date: `2026-11`, `2026-11-26`. */
export interface Period {
  readonly name: string;
  readonly bytes: number;
}

/** Bytes that were served by month, and bytes that were written to disk by day; the one that is now comes first. */
export interface Budgets {
  readonly months: readonly Period[];
  readonly days: readonly Period[];
}

/** Nothing was used yet. */
export const NO_BUDGETS: Budgets = { months: [], days: [] };

/** What was used since the last time. */
export interface Used {
  readonly bytes: number;
  readonly writeBytes: number;
}

/** So many are kept of each: the clock may be set wrong and right again. */
const KEPT = 4;

/**
 * Adds what was used at the local `date`. Each period has its own count, to which a clock comes back that had been set
 * wrong: a board without a clock of its own begins in 1970, and one that was in the year 2099 is not held to its count.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const first = addUsed(NO_BUDGETS, "2026-11-30", { bytes: 5, writeBytes: 1 });
 * const next = addUsed(first, "2026-12-01", { bytes: 2, writeBytes: 1 });
 * assertEquals([monthBytes(next), dayWriteBytes(next)], [2, 1]);
 * assertEquals(monthBytes(addUsed(next, "2026-11-30", { bytes: 1, writeBytes: 0 })), 6);
 * ```
 */
export const addUsed = ({ months, days }: Budgets, date: string, { bytes, writeBytes }: Used): Budgets => ({
  months: addTo(months, date.slice(0, 7), bytes),
  days: addTo(days, date, writeBytes),
});

/** Bytes served in the month that was added to last. */
export const monthBytes = ({ months }: Budgets): number => months[0]?.bytes ?? 0;

/** Bytes written on the day that was added to last. */
export const dayWriteBytes = ({ days }: Budgets): number => days[0]?.bytes ?? 0;

function addTo(periods: readonly Period[], name: string, bytes: number): Period[] {
  const before = periods.find((period) => period.name === name)?.bytes ?? 0;
  const others = periods.filter((period) => period.name !== name);
  return [{ name, bytes: before + Math.max(0, bytes) }, ...others].slice(0, KEPT);
}

/** Reads what an earlier run kept; anything else is a fresh start. */
export function readBudgets(value: unknown): Budgets {
  if (typeof value !== "object" || value === null) return NO_BUDGETS;
  const { months, days } = value as Record<string, unknown>;
  const [ofMonths, ofDays] = [periodsOf(months, /^\d{4}-\d{2}$/), periodsOf(days, /^\d{4}-\d{2}-\d{2}$/)];
  return ofMonths === undefined || ofDays === undefined ? NO_BUDGETS : { months: ofMonths, days: ofDays };
}

function periodsOf(value: unknown, form: RegExp): Period[] | undefined {
  if (!Array.isArray(value) || value.length > KEPT) return undefined;
  const periods = value.filter((period): period is Period =>
    typeof period === "object" && period !== null && typeof period.name === "string" &&
    form.test(period.name) && typeof period.bytes === "number" && period.bytes >= 0 &&
    Number.isFinite(period.bytes)
  );
  return periods.length < value.length ? undefined : periods.map(({ name, bytes }) => ({ name, bytes }));
}
