/**
 * The best of many scores: what a choice of the likeliest tokens needs. A row of 49 152 scores is 196 kB on their way out of
 * the engine process with every token, its best 64 half of one.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

/** Most scores of a row that are packed. */
export const MAX_BEST = 1024;

/** Indices of the `count` highest scores, highest first, the lowest index among equals; what is no number never counts. */
export function bestIndices(scores: Float32Array | Float64Array, count: number): number[] {
  const kept: number[] = [];
  if (count === 0) return kept;
  let least = -Infinity;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!;
    if (!(score > least) && kept.length === count) continue;
    if (Number.isNaN(score)) continue;
    let at = kept.length;
    while (at > 0 && score > scores[kept[at - 1]!]!) at--;
    kept.splice(at, 0, i);
    if (kept.length > count) kept.pop();
    if (kept.length === count) least = scores[kept[count - 1]!]!;
  }
  return kept;
}

/**
 * The `best` highest scores of each row of `[rows, width]`, the lowest index among equals: for each its index and its value,
 * both as 32 bits. Rows that have fewer numbers are filled with index -1.
 */
export function packBest(scores: Float32Array, width: number, best: number): Float32Array<ArrayBuffer> {
  const rows = width === 0 ? 0 : scores.length / width;
  const packed = new Float32Array(rows * best * 2);
  const indices = new Int32Array(packed.buffer);
  for (let row = 0; row < rows; row++) {
    const scored = scores.subarray(row * width, (row + 1) * width);
    const kept = bestIndices(scored, best);
    for (let i = 0; i < best; i++) {
      const at = (row * best + i) * 2;
      indices[at] = kept[i] ?? -1;
      packed[at + 1] = kept[i] === undefined ? 0 : scored[kept[i]!]!;
    }
  }
  return packed;
}

/**
 * Rows of `width` scores, -Infinity where nothing was packed. Throws `NodeError` `malformed` for indices outside.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const packed = packBest(Float32Array.of(1, 3, 2, 9, 0, 9), 3, 2);
 * assertEquals([...unpackBest(packed, 3, 2)], [-Infinity, 3, 2, 9, -Infinity, 9]);
 * ```
 */
export function unpackBest(packed: Float32Array, width: number, best: number): Float32Array<ArrayBuffer> {
  const rows = packed.length / (2 * best);
  if (!Number.isInteger(rows)) throw malformed(`${packed.length} values for rows of ${best}`);
  const indices = new Int32Array(packed.buffer, packed.byteOffset, packed.length);
  const scores = new Float32Array(rows * width).fill(-Infinity);
  for (let at = 0; at < packed.length; at += 2) {
    const index = indices[at]!;
    if (index === -1) continue;
    if (index < 0 || index >= width) throw malformed(`index ${index} of ${width}`);
    scores[Math.floor(at / (2 * best)) * width + index] = packed[at + 1]!;
  }
  return scores;
}

const malformed = (what: string) =>
  new NodeError("malformed", `Cannot read scores of the engine process: ${what}, wanted pairs`);
