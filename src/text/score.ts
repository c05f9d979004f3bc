/**
 * How likely tokens were.
 *
 * @module
 */
import { bestIndices } from "../compute/best_scores.ts";
import type { ScoredToken } from "./types.ts";

/** Text of one token by its id. */
export type TextOf = (id: number) => string;

/**
 * The token `id` with its probability and its `top` likeliest rivals. `scores` are logits, one a token of the vocabulary;
 * what is no number has no probability.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 *
 * const { logprob, top } = scoreToken(Float32Array.of(0, Math.log(3), Number.NaN), 0, { top: 1, textOf: String });
 * assertAlmostEquals(Math.exp(logprob!), 1 / 4, 1e-6);
 * assertEquals(top.map(({ id, text }) => [id, text]), [[1, "1"]]);
 * ```
 */
export function scoreToken(
  scores: Float32Array,
  id: number,
  { top, textOf }: { readonly top: number; readonly textOf: TextOf },
): ScoredToken {
  const total = logSumExp(scores);
  const entry = (id: number) => ({ id, text: textOf(id), logprob: scores[id]! - total });
  return { ...entry(id), top: bestIndices(scores, top).map(entry) };
}

/** Logarithm of the sum of all weights, scaled so that none overflows. */
function logSumExp(scores: Float32Array): number {
  let highest = -Infinity;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (score > highest) highest = score;
  }
  let sum = 0;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (!Number.isNaN(score)) sum += Math.exp(score - highest);
  }
  return highest + Math.log(sum);
}

/**
 * How much higher the best score is than the second: 0 for equals, `Infinity` where there is no second. The best token is
 * `exp(margin)` times as likely as the next.
 */
export function marginOf(scores: Float32Array): number {
  let best = -Infinity;
  let second = -Infinity;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (score > best) {
      second = best;
      best = score;
    } else if (score > second) second = score;
  }
  return best - second;
}
