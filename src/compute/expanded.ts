/**
 * A model with every weight in single precision, for engines that compute in nothing else.
 *
 * @module
 */
import type { BlockRange } from "../base/tensor.ts";
import { dequantize } from "../model/dequantize.ts";
import { blockTensors } from "../model/slice.ts";
import type { ModelSource, TensorInfo, WeightFormat } from "../model/source.ts";
import type { LoadOptions } from "./backend.ts";
import { heldFormat, holdAs } from "./precision.ts";

/**
 * `model` as a source of F32 tensors. Values are those that an engine computes with which holds weights as `dtype`
 * says: `f16` rounds single precision to half. Reads through `model` and does not own it.
 */
export function expandModel(model: ModelSource, dtype: LoadOptions["dtype"]): ModelSource {
  const tensors = new Map<string, TensorInfo>();
  for (const [name, info] of model.tensors) {
    const elements = info.shape.reduce((product, size) => product * size, 1);
    tensors.set(name, { ...info, format: "F32", bytes: 4 * elements });
  }
  const expand = (name: string, stored: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
    const info = model.tensors.get(name)!;
    const held = heldFormat(info, dtype);
    const values = dequantize(held, holdAs(held, info.format, stored));
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  };
  return {
    id: model.id,
    path: model.path,
    architecture: model.architecture,
    tensors,
    ...(model.unreadable && { unreadable: model.unreadable }),
    read: async (name, signal) => expand(name, await model.read(name, signal)),
    readRows: async (name, start, end, signal) =>
      expand(name, await model.readRows(name, start, end, signal)),
    tokenizer: (signal) => model.tokenizer(signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Values of a tensor of an expanded model. */
export async function readValues(
  expanded: ModelSource,
  name: string,
  signal: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  return dequantize("F32", await expanded.read(name, signal));
}

/** Stored formats of the matrices of blocks `range`. The model must have them (`requireBlocks`). */
export function matrixFormats(model: ModelSource, { start, end }: BlockRange): Set<WeightFormat> {
  const formats = new Set<WeightFormat>();
  for (let block = start; block < end; block++) {
    for (const { name, shape } of blockTensors(model.architecture, block)) {
      if (shape.length > 1) formats.add(model.tensors.get(name)!.format);
    }
  }
  return formats;
}
