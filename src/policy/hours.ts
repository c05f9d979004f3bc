/**
 * Times of the week: `22:00-06:00`, `sat,sun 00:00-24:00`, `mon-fri 18:00-08:00`.
 *
 * @module
 */

/** A time that comes every week. */
interface WeekTime {
  /** Days on which it begins, 0 is Sunday. */
  readonly days: ReadonlySet<number>;
  /** Minutes since midnight; an end at or before the start is on the next day. */
  readonly start: number;
  readonly end: number;
}

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const DAY = `(?:${DAYS.join("|")})`;
/** What a time of the week looks like. */
export const WEEK_TIME: RegExp = new RegExp(
  `^(?:(${DAY}(?:-${DAY})?(?:,${DAY}(?:-${DAY})?)*) )?([01]\\d|2[0-4]):([0-5]\\d)-([01]\\d|2[0-4]):([0-5]\\d)$`,
);

/**
 * Whether a moment lies in one of `times`. What is no time of the week is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const night = ["fri 22:00-06:00"];
 * assertEquals([isWithin(night, 5, 23 * 60), isWithin(night, 6, 5 * 60), isWithin(night, 5, 5 * 60)], [true, true, false]);
 * ```
 */
export function isWithin(times: readonly string[], weekday: number, minute: number): boolean {
  const yesterday = (weekday + 6) % 7;
  return times.some((text) => {
    const time = parseWeekTime(text);
    if (time === undefined) return false;
    const { days, start, end } = time;
    if (end > start) return days.has(weekday) && minute >= start && minute < end;
    return (days.has(weekday) && minute >= start) || (days.has(yesterday) && minute < end);
  });
}

function parseWeekTime(text: string): WeekTime | undefined {
  const match = WEEK_TIME.exec(text.trim().toLowerCase());
  if (match === null) return undefined;
  const [, days, ...numbers] = match;
  const [startHour = 0, startMinute = 0, endHour = 0, endMinute = 0] = numbers.map(Number);
  return {
    days: days === undefined ? new Set([0, 1, 2, 3, 4, 5, 6]) : daysOf(days),
    start: startHour * 60 + startMinute,
    end: endHour * 60 + endMinute,
  };
}

function daysOf(text: string): Set<number> {
  const days = new Set<number>();
  for (const part of text.split(",")) {
    const [first = "", last = first] = part.split("-");
    for (let day = DAYS.indexOf(first);; day = (day + 1) % 7) {
      days.add(day);
      if (day === DAYS.indexOf(last)) break;
    }
  }
  return days;
}
