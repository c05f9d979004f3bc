/**
 * Answers over HTTP from whom nobody vouches for.
 *
 * @module
 */

/** Text of an answer; `undefined` where it is longer than `maxBytes`, of which no more is kept. */
export async function readTextWithin(answer: Response, maxBytes: number): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of answer.body ?? []) {
    bytes += piece.length;
    if (bytes > maxBytes) return undefined;
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

/**
 * Milliseconds that `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3). At most `mostMs`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(retryAfterMs("120", 0, 60_000), 60_000);
 * assertEquals(retryAfterMs("Thu, 01 Jan 1970 00:00:30 GMT", 10_000, 60_000), 20_000);
 * assertEquals(retryAfterMs("soon", 0, 60_000), undefined);
 * ```
 */
export function retryAfterMs(value: string | null, nowMs: number, mostMs: number): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, mostMs) : undefined;
}
