/**
 * What was used this month and today, over restarts and over clocks that jump.
 *
 * @module
 */

/** Sums of a month and of a day. Keys are local dates: `2026-11`, `2026-11-26`. */
export interface Budgets {
  readonly month: string;
  readonly monthBytes: number;
  readonly day: string;
  readonly dayWriteBytes: number;
}

/** Nothing was used yet. */
export const NO_BUDGETS: Budgets = { month: "", monthBytes: 0, day: "", dayWriteBytes: 0 };

/** What was used since the last time. */
export interface Used {
  readonly bytes: number;
  readonly writeBytes: number;
}

/**
 * Adds what was used. A new month or day begins at 0; one that is past comes when a clock is set back, and is no new one:
 * what was used still counts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const first = addUsed(NO_BUDGETS, "2026-11-30", { bytes: 5, writeBytes: 1 });
 * assertEquals(addUsed(first, "2026-12-01", { bytes: 2, writeBytes: 1 }).monthBytes, 2);
 * assertEquals(addUsed(first, "2026-11-29", { bytes: 2, writeBytes: 1 }).dayWriteBytes, 2);
 * ```
 */
export function addUsed(budgets: Budgets, date: string, { bytes, writeBytes }: Used): Budgets {
  const month = date.slice(0, 7);
  const isNewMonth = month > budgets.month, isNewDay = date > budgets.day;
  return {
    month: isNewMonth ? month : budgets.month,
    monthBytes: (isNewMonth ? 0 : budgets.monthBytes) + Math.max(0, bytes),
    day: isNewDay ? date : budgets.day,
    dayWriteBytes: (isNewDay ? 0 : budgets.dayWriteBytes) + Math.max(0, writeBytes),
  };
}

/** Reads what an earlier run kept; anything else is a fresh start. */
export function readBudgets(value: unknown): Budgets {
  if (typeof value !== "object" || value === null) return NO_BUDGETS;
  const { month, monthBytes, day, dayWriteBytes } = value as Record<string, unknown>;
  const isGood = typeof month === "string" && /^\d{4}-\d{2}$/.test(month) && typeof day === "string" &&
    /^\d{4}-\d{2}-\d{2}$/.test(day) && isCount(monthBytes) && isCount(dayWriteBytes);
  return isGood ? { month, monthBytes, day, dayWriteBytes } : NO_BUDGETS;
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && Number.isFinite(value);
