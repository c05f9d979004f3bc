/**
 * Cutting hidden states along their tokens.
 *
 * @module
 */
import type { Activations } from "../../base/tensor.ts";

/** Values of one request: a message of float32 values stays below 2 MiB, half of what any peer takes. */
export const MAX_REQUEST_ELEMENTS = ((2 << 20) - (64 << 10)) / 4;

/**
 * Parts of at most `maxElements` values, at least one token each, in order; one part when there are no tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const three = { batch: 1, tokens: 3, hidden: 2, data: Float32Array.of(1, 2, 3, 4, 5, 6) };
 * const parts = splitTokens(three, 4);
 * assertEquals(parts.map((part) => part.tokens), [2, 1]);
 * assertEquals(joinTokens(parts), three);
 * ```
 */
export function splitTokens(whole: Activations, maxElements: number): readonly Activations[] {
  const { batch, tokens, hidden } = whole;
  const tokensPerPart = Math.max(1, Math.floor(maxElements / (batch * hidden)));
  if (tokens <= tokensPerPart) return [whole];
  const parts: Activations[] = [];
  for (let start = 0; start < tokens; start += tokensPerPart) {
    const length = Math.min(tokensPerPart, tokens - start);
    const data = new Float32Array(batch * length * hidden);
    for (let row = 0; row < batch; row++) {
      const from = (row * tokens + start) * hidden;
      data.set(whole.data.subarray(from, from + length * hidden), row * length * hidden);
    }
    parts.push({ batch, tokens: length, hidden, data });
  }
  return parts;
}

/** The first `tokens` tokens of parts that follow one another; parts in the middle are cut. */
export function firstTokens(parts: readonly Activations[], tokens: number): Activations[] {
  const kept: Activations[] = [];
  let left = tokens;
  for (const part of parts) {
    if (left <= 0) break;
    if (part.tokens <= left) kept.push(part);
    else kept.push(splitTokens(part, left * part.batch * part.hidden)[0]!);
    left -= part.tokens;
  }
  return kept;
}

/** The last `count` tokens of each row. Throws `RangeError` where there are fewer. */
export function lastTokens({ batch, tokens, hidden, data }: Activations, count: number): Activations {
  if (count > tokens) throw new RangeError(`Cannot take the last ${count} tokens of ${tokens}`);
  const last = new Float32Array(batch * count * hidden);
  for (let row = 0; row < batch; row++) {
    const end = (row + 1) * tokens * hidden;
    last.set(data.subarray(end - count * hidden, end), row * count * hidden);
  }
  return { batch, tokens: count, hidden, data: last };
}

/**
 * The same tokens in fewer parts: neighbours are joined up to `maxTokens` tokens and `maxElements` values, longer parts stay.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const part = (tokens: number) => ({ batch: 1, tokens, hidden: 1, data: new Float32Array(tokens) });
 * const joined = joinShort([part(8), part(1), part(2), part(1), part(1)], 4, 100);
 * assertEquals(joined.map(({ tokens }) => tokens), [8, 4, 1]);
 * ```
 */
export function joinShort(
  parts: readonly Activations[],
  maxTokens: number,
  maxElements: number,
): readonly Activations[] {
  const runs: Activations[][] = [];
  let tokens = 0;
  for (const part of parts) {
    tokens += part.tokens;
    const run = runs.at(-1);
    if (run !== undefined && tokens <= maxTokens && tokens * part.batch * part.hidden <= maxElements) {
      run.push(part);
    } else {
      runs.push([part]);
      tokens = part.tokens;
    }
  }
  return runs.map(joinTokens);
}

/** Inverse of {@linkcode splitTokens}. `parts` are at least one, of equal batch and hidden size. */
export function joinTokens(parts: readonly Activations[]): Activations {
  const [first] = parts;
  if (first === undefined) throw new RangeError("Cannot join hidden states: there are no parts");
  if (parts.length === 1) return first;
  const { batch, hidden } = first;
  const tokens = parts.reduce((sum, part) => sum + part.tokens, 0);
  const data = new Float32Array(batch * tokens * hidden);
  for (let row = 0; row < batch; row++) {
    let at = row * tokens * hidden;
    for (const part of parts) {
      const length = part.tokens * hidden;
      data.set(part.data.subarray(row * length, (row + 1) * length), at);
      at += length;
    }
  }
  return { batch, tokens, hidden, data };
}
