/**
 * Embeddings of texts by a model that was made to write.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { Activations } from "../base/tensor.ts";
import type { ModelSource } from "../model/source.ts";
import { dequantize } from "../model/dequantize.ts";

const NORM = "output_norm.weight";

/** Scale of the norm after the last block: `[hidden]`. Throws as `ModelSource.read`. */
export async function readFinalNorm(
  model: ModelSource,
  signal: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const bytes = await model.read(NORM, signal);
  return dequantize(model.tensors.get(NORM)!.format, bytes);
}

/**
 * The mean over all tokens of their states after the final norm (RMSNorm, Zhang and Sennrich 2019), scaled to length 1:
 * `[hidden]` from `[1, tokens, hidden]`. Throws `NodeError` `corrupt` where that has no direction.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const states = { batch: 1, tokens: 2, hidden: 2, data: Float32Array.of(3, 0, 5, 0) };
 * assertEquals([...meanState([states], Float32Array.of(1, 1), 0)], [1, 0]);
 * ```
 */
export function meanState(
  parts: readonly Activations[],
  scale: Float32Array,
  epsilon: number,
): Float32Array<ArrayBuffer> {
  const sum = new Float64Array(scale.length);
  for (const { data, tokens, hidden } of parts) {
    for (let token = 0; token < tokens; token++) {
      const state = data.subarray(token * hidden, (token + 1) * hidden);
      const factor = 1 / Math.sqrt(squareSum(state) / hidden + epsilon);
      for (let i = 0; i < hidden; i++) sum[i]! += state[i]! * factor * scale[i]!;
    }
  }
  const length = Math.sqrt(squareSum(sum));
  if (!(length > 0 && Number.isFinite(length))) {
    throw new NodeError("corrupt", "Cannot embed: the states of the text have no direction, wanted one");
  }
  return Float32Array.from(sum, (value) => value / length);
}

function squareSum(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}
