/**
 * What callers may ask of the choice of a token: figures, penalties, seeds.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { Draw, TokenChoice } from "../compute/sample_token.ts";

/** How the next token is chosen from scores, and what changes these first. What is absent changes nothing. */
export interface Sampling extends TokenChoice {
  /** Scores of tokens in prompt or answer are divided by it, those below 0 multiplied (Keskar et al., 2019); 1 = off. */
  readonly repetitionPenalty?: number;
  /** Taken off the score of each token of the answer, times how often it came; -2 to 2 (OpenAI). */
  readonly frequencyPenalty?: number;
  /** Taken off the score of each token of the answer; -2 to 2 (OpenAI). */
  readonly presencePenalty?: number;
  /** Added to scores by id (OpenAI's `logit_bias`). */
  readonly bias?: ReadonlyMap<number, number>;
}

/** Tokens so far, as penalties count them. */
export interface TokensSoFar {
  readonly prompt: ReadonlySet<number>;
  /** How often each token came in the answer. */
  readonly answer: ReadonlyMap<number, number>;
}

/** Whether `sampling` leaves scores as they are. */
export const leavesScores = (
  { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, bias }: Sampling,
): boolean =>
  repetitionPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0 && (bias?.size ?? 0) === 0;

/**
 * Scores with penalties and bias, in place.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const scores = Float32Array.of(2, 2, -2, 0);
 * const soFar = { prompt: new Set([0, 2]), answer: new Map([[1, 2]]) };
 * adjustScores(scores, { temperature: 0, repetitionPenalty: 2, frequencyPenalty: 0.25 }, soFar);
 * assertEquals([...scores], [1, 0.5, -4, 0]);
 * ```
 */
export function adjustScores(scores: Float32Array, sampling: Sampling, soFar: TokensSoFar): void {
  const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, bias } = sampling;
  if (repetitionPenalty !== 1) {
    for (const id of new Set([...soFar.prompt, ...soFar.answer.keys()])) {
      const score = scores[id];
      if (score !== undefined) scores[id] = score > 0 ? score / repetitionPenalty : score * repetitionPenalty;
    }
  }
  if (frequencyPenalty !== 0 || presencePenalty !== 0) {
    for (const [id, count] of soFar.answer) {
      if (id < scores.length) scores[id]! -= frequencyPenalty * count + presencePenalty;
    }
  }
  for (const [id, added] of bias ?? []) if (id >= 0 && id < scores.length) scores[id]! += added;
}

/** Range of each figure, and how a message names it. */
const FIGURES = [
  ["temperature", "0 (greedy) or above", (n) => n >= 0],
  ["topK", "1 or above", (n) => Number.isInteger(n) && n >= 1],
  ["topP", "above 0, at most 1", (n) => n > 0 && n <= 1],
  ["minP", "0 to 1", (n) => n >= 0 && n <= 1],
  ["repetitionPenalty", "above 0", (n) => n > 0],
  ["frequencyPenalty", "-2 to 2", (n) => n >= -2 && n <= 2],
  ["presencePenalty", "-2 to 2", (n) => n >= -2 && n <= 2],
] as const satisfies readonly (readonly [keyof Sampling, string, (value: number) => boolean])[];

/** Throws `NodeError` `usage` for figures that cannot be sampled with. */
export function checkSampling(sampling: Sampling): void {
  for (const [name, wanted, fits] of FIGURES) {
    const value = sampling[name];
    if (value === undefined || (Number.isFinite(value) && fits(value))) continue;
    throw new NodeError("usage", `Cannot sample: ${name} is ${value}, wanted ${wanted}`);
  }
  for (const [id, added] of sampling.bias ?? []) {
    if (Number.isInteger(id) && id >= 0 && Number.isFinite(added)) continue;
    throw new NodeError("usage", `Cannot sample: the bias of token ${id} is ${added}, wanted a number`);
  }
}

/**
 * Numbers that repeat for the same seed, on every machine: xoshiro128** (Blackman and Vigna, 2018), its state filled from
 * the 64 bits of `seed` by splitmix32. Good for sampling, not for secrets.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = [seededDraw(7), seededDraw(7)];
 * assertEquals([a(), a()], [b(), b()]);
 * ```
 */
export function seededDraw(seed: number): Draw {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new NodeError("usage", `Cannot seed: got ${seed}, wanted a whole number from 0 to 2^53 - 1`);
  }
  const mix = splitmix32((seed % 0x100000000) ^ Math.imul(Math.floor(seed / 0x100000000), 0x9e3779b1));
  const state = Uint32Array.of(mix(), mix(), mix(), mix() | 1);
  const next = (): number => {
    const [a, b, c, d] = state as unknown as readonly [number, number, number, number];
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const mixed = c ^ a;
    const last = d ^ b;
    state.set([a ^ last, b ^ mixed, mixed ^ (b << 9), rotate(last, 11)]);
    return result;
  };
  // 53 bits, as Math.random has
  return () => ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 0x20000000000000;
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

function splitmix32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
}
