/**
 * From scores to a token.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";

/** How the next token is chosen. */
export interface Sampling {
  /** 0 = greedy: the highest score, the lowest id among equals. */
  readonly temperature: number;
  /** Only that many of the best tokens; unset = all. */
  readonly topK?: number;
  /** Only the best tokens that together have this probability, above 0 to 1; unset = all. */
  readonly topP?: number;
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
 * assertEquals(sampleToken(scores, { temperature: 1 }, () => 0.99), 0);
 * ```
 */
export function sampleToken(scores: Float32Array, sampling: Sampling, draw: Draw): number {
  const best = greedyToken(scores);
  if (sampling.temperature === 0) return best;
  const { topK = scores.length, topP = 1, temperature } = sampling;
  const weighed: { readonly id: number; readonly weight: number }[] = [];
  scores.forEach((score, id) => {
    const weight = Math.exp((score - scores[best]!) / temperature);
    if (Number.isFinite(score) && weight > 0) weighed.push({ id, weight });
  });
  // best first; the sort is stable, so that equal weights stay in the order of their ids
  weighed.sort((a, b) => b.weight - a.weight);
  const kept = nucleus(weighed.slice(0, topK), topP);
  let left = draw() * kept.reduce((sum, { weight }) => sum + weight, 0);
  for (const { id, weight } of kept) {
    left -= weight;
    if (left < 0) return id;
  }
  return kept.at(-1)!.id;
}

/** The shortest beginning of `weighed` that holds `share` of the whole weight; at least one. */
function nucleus<T extends { readonly weight: number }>(weighed: readonly T[], share: number): readonly T[] {
  if (share >= 1) return weighed;
  const wanted = share * weighed.reduce((sum, { weight }) => sum + weight, 0);
  let held = 0;
  const end = weighed.findIndex(({ weight }) => (held += weight) >= wanted);
  return weighed.slice(0, end < 0 ? weighed.length : end + 1);
}

function greedyToken(scores: Float32Array): number {
  let best = -1;
  scores.forEach((score, id) => {
    if (Number.isFinite(score) && (best < 0 || score > scores[best]!)) best = id;
  });
  if (best < 0) throw new NodeError("corrupt", "Cannot choose a token: no score is finite, wanted one");
  return best;
}

/** Throws `NodeError` `usage` for figures that cannot be sampled with. */
export function checkSampling({ temperature, topK, topP }: Sampling): void {
  const wrong = (name: string, value: number, wanted: string) =>
    new NodeError("usage", `Cannot sample: ${name} is ${value}, wanted ${wanted}`);
  if (!Number.isFinite(temperature) || temperature < 0) {
    throw wrong("temperature", temperature, "0 (greedy) or above");
  }
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) throw wrong("topK", topK, "1 or above");
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw wrong("topP", topP, "above 0, at most 1");
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
