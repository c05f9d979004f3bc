/**
 * Letters that a class stands for, as xgrammar can keep them.
 *
 * @module
 */

/** Code points, both ends included. */
export type LetterRange = readonly [first: number, last: number];

/**
 * Letters of ASCII, and which of the others. xgrammar 0.1.27 takes the lowest byte of a code point for the letter in classes,
 * so that `[ä-ü]` lets other letters through: there it may be asked for ASCII, and for all letters beyond it.
 */
export interface LetterSet {
  /** Ranges within 1 to 127, in order. */
  readonly ascii: readonly LetterRange[];
  /** Every letter beyond ASCII, or these. */
  readonly others: "all" | readonly number[];
}

const LAST_ASCII = 0x7f;
/** The last code point there is. */
export const LAST_LETTER = 0x10ffff;
/** Letters beyond ASCII that are told one by one. */
const MAX_OTHERS = 512;
const SURROGATES: LetterRange = [0xd800, 0xdfff];

/**
 * The letters of `ranges`, or all but them. `undefined` for more than 512 letters beyond ASCII that are not all of them:
 * they cannot be kept.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(letterSet([[0x61, 0x63], [0xe4, 0xe4]], false), { ascii: [[0x61, 0x63]], others: [0xe4] });
 * assertEquals(letterSet([[0xe4, 0xe4]], true), undefined);
 * ```
 */
export function letterSet(ranges: readonly LetterRange[], isNegated: boolean): LetterSet | undefined {
  const wanted = isNegated ? otherLetters(ranges) : merged(ranges);
  const ascii = within(wanted, 1, LAST_ASCII);
  const others = within(wanted, LAST_ASCII + 1, LAST_LETTER);
  const missing = otherLetters([...others, [0, LAST_ASCII], SURROGATES]);
  if (missing.length === 0) return { ascii, others: "all" };
  const count = others.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  if (count > MAX_OTHERS) return undefined;
  const each = others.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i)
  );
  return { ascii, others: each.filter((code) => code < SURROGATES[0] || code > SURROGATES[1]) };
}

/** All letters outside of `ranges`. */
export function otherLetters(ranges: readonly LetterRange[]): LetterRange[] {
  const others: LetterRange[] = [];
  let next = 1;
  for (const [first, last] of merged(ranges)) {
    if (first > next) others.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  if (next <= LAST_LETTER) others.push([next, LAST_LETTER]);
  return others;
}

function merged(ranges: readonly LetterRange[]): LetterRange[] {
  const whole: [number, number][] = [];
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const before = whole.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else whole.push([first, last]);
  }
  return whole;
}

function within(ranges: readonly LetterRange[], least: number, most: number): LetterRange[] {
  return ranges.filter(([first, last]) => first <= most && last >= least)
    .map(([first, last]): LetterRange => [Math.max(first, least), Math.min(last, most)]);
}
