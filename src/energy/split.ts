/**
 * Sharing whole microjoules so that nothing is lost.
 *
 * @module
 */

/**
 * Parts of `total` in proportion to `weights`, in whole units: each is rounded down, and what is left goes to the
 * largest remainders. They add up to `total` exactly. Without any weight all goes to the last part.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(splitWhole(10n, [1, 1, 1]), [4n, 3n, 3n]);
 * ```
 */
export function splitWhole(total: bigint, weights: readonly number[]): bigint[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const parts = weights.map(() => 0n);
  if (parts.length === 0 || total <= 0n) return parts;
  if (!(sum > 0)) {
    parts[parts.length - 1] = total;
    return parts;
  }
  const exact = weights.map((weight) => Number(total) * (weight / sum));
  let left = total;
  exact.forEach((value, i) => {
    // a rounding of the product must not give away more than there is
    const whole = BigInt(Math.floor(value));
    parts[i] = whole < left ? whole : left;
    left -= parts[i]!;
  });
  const order = exact.map((value, i) => [value - Math.floor(value), i] as const).sort(([a], [b]) => b - a);
  for (let turn = 0; left > 0n; turn++) {
    const share = turn < order.length ? 1n : left;
    parts[order[turn % order.length]![1]]! += share;
    left -= share;
  }
  return parts;
}

/** Who may have a part of an energy: microjoules of the idle machine, and times of steps and of everything else. */
export interface Claims {
  readonly idle: number;
  readonly steps: readonly number[];
  readonly others: number;
}

/** One energy as it was shared; everything adds up to it. */
export interface Shares {
  readonly idle: bigint;
  readonly other: bigint;
  readonly steps: readonly bigint[];
}

/** Idle takes its microjoules, as far as there are so many; the rest goes by time. */
export function splitByClaims(
  microjoules: bigint,
  { idle, steps, others }: Claims,
): Shares {
  const wanted = BigInt(Math.round(idle));
  const toIdle = wanted < microjoules ? wanted : microjoules;
  const parts = splitWhole(microjoules - toIdle, [...steps, others]);
  return { idle: toIdle, other: parts[steps.length]!, steps: parts.slice(0, steps.length) };
}
