/**
 * From scores to a token.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { bestIndices, MAX_BEST } from "./best_scores.ts";

/** How the next token is chosen by its scores alone. What is absent changes nothing. */
export interface TokenChoice {
  /** 0 = greedy: the highest score, the lowest id among equals. */
  readonly temperature: number;
  /** Only that many of the best tokens; unset = all. */
  readonly topK?: number | undefined;
  /** Only the best tokens that together have this probability, above 0 to 1; unset = all. */
  readonly topP?: number | undefined;
  /** Only tokens at least so likely, as a share of the likeliest one, 0 to 1 (Nguyen et al., 2024). */
  readonly minP?: number | undefined;
}

/** A source of numbers in [0, 1). */
export type Draw = () => number;

/**
 * The id of the next token. `scores` are logits, one a token of the vocabulary; those that are not numbers never win.
 * `draw` is called once, and not at all when greedy. Throws `NodeError` `corrupt` when no score is finite.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const scores = Float32Array.of(1, 3, 3, Number.NaN);
 * assertEquals(sampleToken(scores, { temperature: 0 }, () => 0), 1);
 * assertEquals(sampleToken(scores, { temperature: 1 }, () => 0.01), 0);
 * ```
 */
export function sampleToken(scores: Float32Array, choice: TokenChoice, draw: Draw): number {
  const best = greedyToken(scores);
  if (choice.temperature === 0) return best;
  const highest = scores[best]!;
  const weights = new Float64Array(scores.length);
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (Number.isFinite(score)) weights[id] = Math.exp((score - highest) / choice.temperature);
  }
  keepBest(weights, choice);
  let left = draw() * sumOf(weights);
  let last = best;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue;
    left -= weights[id]!;
    if (left < 0) return id;
    last = id;
  }
  return last;
}

/** Sets all but the best weights to 0. The likeliest token has weight 1. */
function keepBest(weights: Float64Array, { topK = Infinity, topP = 1, minP = 0 }: TokenChoice): void {
  if (minP > 0) { for (let id = 0; id < weights.length; id++) if (weights[id]! < minP) weights[id] = 0; }
  if (topK >= weights.length && topP >= 1) return;
  const { sorted, wanted } = bestWeights(weights, topK, topP);
  let count = topP >= 1 ? sorted.length : 0;
  for (let held = 0; count < sorted.length && held < wanted; count++) held += sorted[count]!;
  const least = sorted[count - 1]!;
  // among equals at the border the lowest ids stay
  let equals = count - sorted.indexOf(least);
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id]!;
    if (weight < least || (weight === least && equals-- <= 0)) weights[id] = 0;
  }
}

/**
 * The `topK` best weights, highest first, as far as they are needed to hold the share `topP` of their sum, and what that
 * share is. Sorting 150 000 numbers takes longer than computing them, and a few hundred are nearly always enough.
 */
function bestWeights(
  weights: Float64Array,
  topK: number,
  topP: number,
): { readonly sorted: Float64Array; readonly wanted: number } {
  if (topK < weights.length) {
    const sorted = topK <= MAX_BEST
      ? Float64Array.from(bestIndices(weights, topK), (id) => weights[id]!).filter((weight) => weight > 0)
      : atLeast(weights, Number.MIN_VALUE).subarray(0, topK);
    return { sorted, wanted: topP * sumOf(sorted) };
  }
  const wanted = topP * sumOf(weights);
  for (let bound = 1 / BOUND_STEP; bound > LEAST_BOUND; bound /= BOUND_STEP) {
    let held = 0;
    for (let id = 0; id < weights.length; id++) if (weights[id]! >= bound) held += weights[id]!;
    if (held >= wanted) return { sorted: atLeast(weights, bound), wanted };
  }
  return { sorted: atLeast(weights, Number.MIN_VALUE), wanted };
}

/** Between bounds of weights that are tried one after another, and below which all are sorted. */
const BOUND_STEP = 64;
const LEAST_BOUND = 1e-12;

/** Weights from `bound` on, highest first. */
const atLeast = (weights: Float64Array, bound: number): Float64Array =>
  weights.filter((weight) => weight >= bound).sort().reverse();

function sumOf(weights: Float64Array): number {
  let sum = 0;
  for (let id = 0; id < weights.length; id++) sum += weights[id]!;
  return sum;
}

function greedyToken(scores: Float32Array): number {
  let best = -1;
  let highest = -Infinity;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (score > highest && score < Infinity) {
      highest = score;
      best = id;
    }
  }
  if (best < 0) throw new NodeError("corrupt", "Cannot choose a token: no score is finite, wanted one");
  return best;
}
