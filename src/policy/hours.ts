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
const CLOCK = "((?:[01]\\d|2[0-3]):[0-5]\\d|24:00)";
const WEEK_TIME = new RegExp(`^(?:(${DAY}(?:-${DAY})?(?:,${DAY}(?:-${DAY})?)*) )?${CLOCK}-${CLOCK}$`);
const DAY_MINUTES = 1440;
const WEEK_MINUTES = 7 * DAY_MINUTES;

/** Whether a text is a time of the week. */
export const isWeekTime = (text: string): boolean => parseWeekTime(text) !== undefined;

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
export const isWithin = (times: readonly string[], weekday: number, minute: number): boolean =>
  isIn(timesOf(times), weekday, minute);

/**
 * Minutes until {@linkcode isWithin} changes, by the clock on the wall; `undefined` where it never does.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(minutesToChange(["22:00-06:00"], 1, 21 * 60), 60);
 * assertEquals(minutesToChange(["00:00-24:00"], 1, 21 * 60), undefined);
 * ```
 */
export function minutesToChange(
  texts: readonly string[],
  weekday: number,
  minute: number,
): number | undefined {
  const times = timesOf(texts);
  const now = weekday * DAY_MINUTES + minute;
  const isInside = isIn(times, weekday, minute);
  const edges = times.flatMap(({ days, start, end }) =>
    [...days].flatMap((day) =>
      [start, end > start ? end : end + DAY_MINUTES].map((at) => day * DAY_MINUTES + at)
    )
  );
  const waits = edges.map((edge) => (edge - now + 2 * WEEK_MINUTES) % WEEK_MINUTES).sort((a, b) => a - b);
  return waits.find((wait) => {
    const at = (now + wait) % WEEK_MINUTES;
    return isIn(times, Math.floor(at / DAY_MINUTES), at % DAY_MINUTES) !== isInside;
  });
}

const timesOf = (texts: readonly string[]): WeekTime[] =>
  texts.map(parseWeekTime).filter((time) => time !== undefined);

function isIn(times: readonly WeekTime[], weekday: number, minute: number): boolean {
  const yesterday = (weekday + 6) % 7;
  return times.some(({ days, start, end }) => {
    if (end > start) return days.has(weekday) && minute >= start && minute < end;
    return (days.has(weekday) && minute >= start) || (days.has(yesterday) && minute < end);
  });
}

function parseWeekTime(text: string): WeekTime | undefined {
  const match = WEEK_TIME.exec(text.toLowerCase());
  if (match === null) return undefined;
  const [, days, start = "", end = ""] = match;
  return {
    days: days === undefined ? new Set(DAYS.keys()) : daysOf(days),
    start: minutesOf(start),
    end: minutesOf(end),
  };
}

const minutesOf = (clock: string): number => 60 * Number(clock.slice(0, 2)) + Number(clock.slice(3));

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
