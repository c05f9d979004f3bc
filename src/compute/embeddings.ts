/**
 * Embeddings of tokens, read from the model's file row by row: they take no memory of their own.
 *
 * @module
 */
import { dequantize } from "../model/dequantize.ts";
import type { ModelSource } from "../model/source.ts";

const TENSOR = "token_embd.weight";

/** `[ids.length, hidden]`. Throws `RangeError` for an id outside the vocabulary, else as `ModelSource.readRows`. */
export async function readEmbeddings(
  model: ModelSource,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const { hiddenSize, vocabularySize } = model.architecture;
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (wrong !== undefined) {
    throw new RangeError(`Cannot embed token ${wrong}: the vocabulary has ${vocabularySize}`);
  }
  const { format } = model.tensors.get(TENSOR)!;
  const rows = new Map<number, Float32Array>();
  for (const id of new Set(ids)) {
    rows.set(id, dequantize(format, await model.readRows(TENSOR, id, id + 1, signal)));
  }
  const out = new Float32Array(ids.length * hiddenSize);
  ids.forEach((id, i) => out.set(rows.get(id)!, i * hiddenSize));
  return out;
}
