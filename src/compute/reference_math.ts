/**
 * The arithmetic of a block, one loop after another. Sums are taken in double precision, results are single.
 *
 * @module
 */
import type { Architecture, RopeParameters } from "../model/source.ts";
import type { Place } from "./host_blocks.ts";
import type { BlockMemory } from "./host_cache.ts";
import type { RopeAngles } from "./rope_angles.ts";

/** Root-mean-square norm (Zhang and Sennrich, 2019) of each row of `x`, `[rows, weight.length]`. A new array. */
export function rmsNorm(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array<ArrayBuffer> {
  const size = weight.length;
  const out = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += x[at + i]! * x[at + i]!;
    const scale = 1 / Math.sqrt(squares / size + epsilon);
    for (let i = 0; i < size; i++) out[at + i] = Math.fround(x[at + i]! * scale) * weight[i]!;
  }
  return out;
}

/** `x` `[rows, columns]` times the transpose of `matrix` `[outputs, columns]`: `[rows, outputs]`. */
export function multiply(
  x: Float32Array,
  matrix: Float32Array,
  columns: number,
): Float32Array<ArrayBuffer> {
  const rows = x.length / columns;
  const outputs = matrix.length / columns;
  const out = new Float32Array(rows * outputs);
  // Rows inside: each weight is fetched from memory once
  for (let output = 0; output < outputs; output++) {
    for (let row = 0; row < rows; row++) {
      out[row * outputs + output] = dot(x, row * columns, matrix, output * columns, columns);
    }
  }
  return out;
}

/** Four sums that do not wait for one another: three times as fast as one. */
function dot(a: Float32Array, atA: number, b: Float32Array, atB: number, length: number): number {
  let sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  let i = 0;
  for (; i + 3 < length; i += 4) {
    sum0 += a[atA + i]! * b[atB + i]!;
    sum1 += a[atA + i + 1]! * b[atB + i + 1]!;
    sum2 += a[atA + i + 2]! * b[atB + i + 2]!;
    sum3 += a[atA + i + 3]! * b[atB + i + 3]!;
  }
  for (; i < length; i++) sum0 += a[atA + i]! * b[atB + i]!;
  return sum0 + sum1 + sum2 + sum3;
}

/** Turns the pairs of every head of `x`, `[batch, tokens, heads, headDim]`, in place. */
export function rotate(
  x: Float32Array,
  shape: { readonly tokens: number; readonly heads: number; readonly headDim: number },
  { dims, pairs }: RopeParameters,
  { cos, sin }: RopeAngles,
): void {
  const half = dims / 2;
  const [next, apart] = pairs === "halves" ? [1, half] : [2, 1];
  for (let at = 0; at < x.length; at += shape.headDim) {
    const token = Math.floor(at / (shape.headDim * shape.heads)) % shape.tokens;
    for (let i = 0; i < half; i++) {
      const a = at + next * i, b = a + apart;
      const c = cos[token * half + i]!, s = sin[token * half + i]!;
      const first = x[a]!;
      x[a] = first * c - x[b]! * s;
      x[b] = first * s + x[b]! * c;
    }
  }
}

/**
 * Causal attention of `queries` `[batch, tokens, heads, headDim]` over `memory`, which already holds their own
 * positions too. Neighbouring heads share a head of keys and values (Ainslie et al., 2023). Same shape out.
 */
export function attend(
  queries: Float32Array,
  { batch, tokens, position }: Place,
  memory: BlockMemory,
  { heads, kvHeads, headDim }: Architecture,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(queries.length);
  const width = kvHeads * headDim;
  const scale = 1 / Math.sqrt(headDim);
  for (let row = 0; row < batch; row++) {
    for (let token = 0; token < tokens; token++) {
      const seen = position + token + 1;
      for (let head = 0; head < heads; head++) {
        const at = ((row * tokens + token) * heads + head) * headDim;
        const shared = row * width + Math.floor(head / (heads / kvHeads)) * headDim;
        const keyAt = (key: number) => key * batch * width + shared;
        const weights = softmax(
          Float64Array.from(
            { length: seen },
            (_, key) => scale * dot(queries, at, memory.keys, keyAt(key), headDim),
          ),
        );
        for (let i = 0; i < headDim; i++) {
          let sum = 0;
          for (let key = 0; key < seen; key++) sum += weights[key]! * memory.values[keyAt(key) + i]!;
          out[at + i] = sum;
        }
      }
    }
  }
  return out;
}

/** In place. */
function softmax(scores: Float64Array): Float64Array {
  const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += scores[i] = Math.exp(scores[i]! - top);
  for (let i = 0; i < scores.length; i++) scores[i]! /= sum;
  return scores;
}

/** `silu(gate) × up` (Shazeer, 2020), into `gate`. */
export function gateBySilu(gate: Float32Array, up: Float32Array): void {
  for (let i = 0; i < gate.length; i++) gate[i] = gate[i]! / (1 + Math.exp(-gate[i]!)) * up[i]!;
}

/** Adds `b` to `a`. */
export function addInto(a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < a.length; i++) a[i]! += b[i]!;
}

/** Adds `row` to each row of `x`, `[rows, row.length]`. */
export function addToRows(x: Float32Array, row: Float32Array): void {
  for (let at = 0; at < x.length; at += row.length) {
    for (let i = 0; i < row.length; i++) x[at + i]! += row[i]!;
  }
}
