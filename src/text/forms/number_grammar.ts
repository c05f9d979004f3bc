/**
 * The grammar of numbers within bounds, digit by digit.
 *
 * @module
 */
import { choice, DIGIT, type Expression, letter, repeat, rule, sequence, text } from "./grammar_rules.ts";
import type { LetterRange } from "./letter_set.ts";

/** A number as its digits say it. */
export interface Decimal {
  readonly isNegative: boolean;
  /** Digits before the point, without leading zeros; "0" at least. */
  readonly whole: string;
  /** Digits behind it, without trailing zeros. */
  readonly fraction: string;
}

/** An end of a range. */
export interface Bound {
  readonly at: Decimal;
  readonly isExclusive: boolean;
}

/** Numbers from one bound to the other. */
export interface NumberRange {
  readonly isWhole: boolean;
  readonly least?: Bound;
  readonly most?: Bound;
  /** Whole numbers are multiples of it. */
  readonly step?: bigint;
}

/** Digits that doubles tell apart. */
const MAX_DIGITS = 15;
/** The largest number without an exponent where no bound says so. */
const LARGEST = 10n ** BigInt(MAX_DIGITS) - 1n;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

const digit = (first: string | number, last: string | number): Expression =>
  letter([48 + Number(first), 48 + Number(last)]);
const anyOf = (options: readonly Expression[]): Expression | undefined =>
  options.length <= 1 ? options[0] : choice(...options);
const zeros = (count: number) => "0".repeat(count);

/** The digits of a number; `undefined` where it is written with an exponent, or has more than doubles tell apart. */
export function decimalOf(value: number): Decimal | undefined {
  const isWhole = Number.isSafeInteger(value);
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value));
  if (found === null) return undefined;
  const [, sign = "", whole = "0", fraction = ""] = found;
  if (!isWhole && (fraction === "" || whole.length + fraction.length > MAX_DIGITS)) return undefined;
  return { isNegative: sign !== "", whole, fraction };
}

/** Whole numbers that a range holds, both ends included. */
export function wholeEnds({ least, most }: NumberRange): { readonly first: bigint; readonly last: bigint } {
  const low = least && wholeEnd(least, 1n);
  const high = most && wholeEnd(most, -1n);
  const largest = [low, high].some((end) => end !== undefined && (end > LARGEST || end < -LARGEST))
    ? SAFE
    : LARGEST;
  return { first: low ?? -largest, last: high ?? largest };
}

/** The whole number that is next to a bound, on the side that `inward` leads to. */
function wholeEnd({ at: { isNegative, whole, fraction }, isExclusive }: Bound, inward: bigint): bigint {
  const value = isNegative ? -BigInt(whole) : BigInt(whole);
  if (fraction === "") return isExclusive ? value + inward : value;
  // towards zero is inward already where the number lies on the other side of it
  return isNegative === inward > 0n ? value : value + inward;
}

/** The grammar of a range; `undefined` where no number lies in it. Rules that it needs are put into `rules`. */
export function numbersWithin(range: NumberRange, rules: Map<string, Expression>): Expression | undefined {
  if (!range.isWhole) return decimals(range);
  const { first, last } = wholeEnds(range);
  return wholes(first, last, { step: range.step ?? 1n, rules });
}

interface Steps {
  readonly step: bigint;
  readonly rules: Map<string, Expression>;
}

function wholes(first: bigint, last: bigint, steps: Steps): Expression | undefined {
  const options: Expression[] = [];
  if (last >= 0n) push(options, magnitudes(first > 0n ? first : 0n, last, steps));
  if (first < 0n) {
    push(options, magnitudes(last < 0n ? -last : 1n, -first, steps), (one) => sequence(text("-"), one));
  }
  return anyOf(options);
}

function push(
  options: Expression[],
  one: Expression | undefined,
  as: (one: Expression) => Expression = (one) => one,
): void {
  if (one !== undefined) options.push(as(one));
}

/** Multiples from `first` (0 or more) to `last`. */
function magnitudes(first: bigint, last: bigint, { step, rules }: Steps): Expression | undefined {
  let tens = 1n;
  while (step % (tens * 10n) === 0n) tens *= 10n;
  if (tens > 1n) {
    const options: Expression[] = first === 0n ? [text("0")] : [];
    const low = (first + tens - 1n) / tens;
    const more = magnitudes(low > 0n ? low : 1n, last / tens, { step: step / tens, rules });
    push(options, more, (one) => sequence(one, text(zeros(String(tens).length - 1))));
    return anyOf(options);
  }
  const options: Expression[] = [];
  const least = String(first).length, most = String(last).length;
  for (let length = least; length <= most && first <= last; length++) {
    const low = length === least ? String(first) : `1${zeros(length - 1)}`;
    const high = length === most ? String(last) : "9".repeat(length);
    push(options, digitsBetween(low, high, { step, rules, rest: 0n }));
  }
  return anyOf(options);
}

/** Digits as many as `low` and `high` have, from one to the other; what came before leaves `rest`. */
function digitsBetween(
  low: string,
  high: string,
  steps: Steps & { readonly rest: bigint },
): Expression | undefined {
  const { step, rules, rest } = steps;
  const count = low.length;
  if (count === 0) return rest === 0n ? text("") : undefined;
  const isFree = /^0+$/.test(low) && /^9+$/.test(high);
  if (isFree && step === 1n) return repeat(DIGIT, count, count);
  const name = `multiples of ${step}, ${count} digits, ${rest}`;
  if (isFree && rules.has(name)) return rule(name);
  // digits by what follows them
  const following = new Map<string, { readonly then: Expression; readonly digits: number[] }>();
  for (let one = Number(low[0]); one <= Number(high[0]); one++) {
    const restLow = String(one) === low[0] ? low.slice(1) : zeros(count - 1);
    const restHigh = String(one) === high[0] ? high.slice(1) : "9".repeat(count - 1);
    const left = (rest * 10n + BigInt(one)) % step;
    const then = digitsBetween(restLow, restHigh, { ...steps, rest: left });
    if (then === undefined) continue;
    const key = `${restLow} ${restHigh} ${left}`;
    const known = following.get(key);
    if (known === undefined) following.set(key, { then, digits: [one] });
    else known.digits.push(one);
  }
  const body = anyOf([...following.values()].map(({ then, digits }) => {
    const ranges = digits.map((one): LetterRange => [48 + one, 48 + one]);
    const one = letter(...ranges);
    return then.kind === "text" && then.text === "" ? one : sequence(one, then);
  }));
  if (!isFree || body === undefined) return body;
  rules.set(name, body);
  return rule(name);
}

const ZERO: Decimal = { isNegative: false, whole: "0", fraction: "" };

/** Numbers that need not be whole, without exponents. */
function decimals({ least, most }: NumberRange): Expression | undefined {
  const options: Expression[] = [];
  const isBelow = most?.at.isNegative === true;
  if (!isBelow) {
    const from = least === undefined || least.at.isNegative ? { at: ZERO, isExclusive: false } : least;
    push(options, decimalMagnitudes(from, most));
  }
  if (least === undefined || least.at.isNegative) {
    const from = isBelow ? most : { at: ZERO, isExclusive: true };
    push(options, decimalMagnitudes(from, least), (one) => sequence(text("-"), one));
  }
  return anyOf(options);
}

function decimalMagnitudes(from: Bound, to: Bound | undefined): Expression | undefined {
  const first = BigInt(from.at.whole), last = to === undefined ? LARGEST : BigInt(to.at.whole);
  const length = Math.max(from.at.whole.length, to?.at.whole.length ?? 1);
  // no more than what doubles tell apart, or a number beyond an end would be read as the end
  const most = Math.max(0, MAX_DIGITS - length);
  const low: End = { digits: from.at.fraction, isExclusive: from.isExclusive };
  const high: End | undefined = to && { digits: to.at.fraction, isExclusive: to.isExclusive };
  const options: Expression[] = [];
  if (first === last && high !== undefined) {
    push(options, withPoint(fractionsBetween(low, high, most)), (one) => sequence(text(String(first)), one));
    return anyOf(options);
  }
  if (first > last) return undefined;
  push(options, withPoint(fractionsFrom(low, most)), (one) => sequence(text(String(first)), one));
  const end = high === undefined ? last : last - 1n;
  push(
    options,
    magnitudes(first + 1n, end, { step: 1n, rules: new Map() }),
    (one) => sequence(one, withPoint(anyFraction(most))!),
  );
  if (high !== undefined) {
    push(options, withPoint(fractionsTo(high, most)), (one) => sequence(text(String(last)), one));
  }
  return anyOf(options);
}

/** An end of a range of fractions. */
interface End {
  readonly digits: string;
  readonly isExclusive: boolean;
}

/** Digits behind a point: none, or some. */
interface Fractions {
  readonly mayBeEmpty: boolean;
  readonly more?: Expression;
}

function withPoint({ mayBeEmpty, more }: Fractions): Expression | undefined {
  if (more === undefined) return mayBeEmpty ? text("") : undefined;
  const written = sequence(text("."), more);
  return mayBeEmpty ? repeat(written, 0, 1) : written;
}

/** A digit, and what may follow it. */
function digitThen(one: Expression, { mayBeEmpty, more }: Fractions): Expression[] {
  if (more === undefined) return mayBeEmpty ? [one] : [];
  return [sequence(one, mayBeEmpty ? repeat(more, 0, 1) : more)];
}

const anyFraction = (most: number): Fractions => ({
  mayBeEmpty: true,
  ...(most > 0 && { more: repeat(DIGIT, 1, most) }),
});
const fractions = (mayBeEmpty: boolean, options: readonly Expression[]): Fractions => {
  const more = anyOf(options);
  return { mayBeEmpty, ...(more && { more }) };
};
const below = (end: End): End => ({ ...end, digits: end.digits.slice(1) });
const firstOf = ({ digits }: End) => Number(digits[0] ?? 0);

/** Fractions of at most `most` digits that are `low` or more. */
function fractionsFrom(low: End, most: number): Fractions {
  if (low.digits === "" && !low.isExclusive) return anyFraction(most);
  if (most === 0) return { mayBeEmpty: false };
  const first = firstOf(low);
  const options = digitThen(digit(first, first), fractionsFrom(below(low), most - 1));
  if (first < 9) options.push(...digitThen(digit(first + 1, 9), anyFraction(most - 1)));
  return fractions(false, options);
}

/** Fractions of at most `most` digits that are `high` or less. */
function fractionsTo(high: End, most: number): Fractions {
  const isZero = high.digits === "";
  if (isZero && high.isExclusive) return { mayBeEmpty: false };
  if (most === 0) return { mayBeEmpty: true };
  const first = firstOf(high);
  const options = digitThen(digit(first, first), fractionsTo(below(high), most - 1));
  if (first > 0) options.push(...digitThen(digit(0, first - 1), anyFraction(most - 1)));
  return fractions(true, options);
}

function fractionsBetween(low: End, high: End, most: number): Fractions {
  const mayBeEmpty = low.digits === "" && !low.isExclusive && !(high.digits === "" && high.isExclusive);
  const first = firstOf(low), last = firstOf(high);
  if (most === 0 || first > last) return { mayBeEmpty };
  if (first === last) {
    const isOver = low.digits === "" && high.digits === "" && (low.isExclusive || high.isExclusive);
    if (isOver) return { mayBeEmpty };
    return fractions(
      mayBeEmpty,
      digitThen(digit(first, first), fractionsBetween(below(low), below(high), most - 1)),
    );
  }
  const options = [
    ...digitThen(digit(first, first), fractionsFrom(below(low), most - 1)),
    ...(last - first > 1 ? digitThen(digit(first + 1, last - 1), anyFraction(most - 1)) : []),
    ...digitThen(digit(last, last), fractionsTo(below(high), most - 1)),
  ];
  return fractions(mayBeEmpty, options);
}
