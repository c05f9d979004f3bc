/**
 * Numbers and times in words.
 *
 * @module
 */

/**
 * A number and what is counted, which has an s unless it is one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([counted(1, "peer"), counted(0, "peer"), counted(2, "address", "addresses")], [
 *   "1 peer",
 *   "0 peers",
 *   "2 addresses",
 * ]);
 * ```
 */
export const counted = (number: number, one: string, more = `${one}s`): string =>
  `${number} ${number === 1 ? one : more}`;

/**
 * A stretch of time that has passed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([12, 180, 7300].map(spanWords), ["12 s", "3 min", "2 h 2 min"]);
 * ```
 */
export function spanWords(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}
