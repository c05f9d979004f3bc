/**
 * Tensors, element types and ranges of blocks, as every room speaks of them.
 *
 * @module
 */
import { NodeError } from "./errors.ts";

/** Element types that travel between peers, with the names of torch. */
export type DType = "float32" | "float16" | "bfloat16" | "int64" | "bool";
/** Element types of hidden states. */
export type FloatDType = "float32" | "float16" | "bfloat16";

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  bool: 1,
};

/** Row-major, contiguous, little-endian. `data.byteLength` = product of `shape` × bytes of `dtype`; aligned to 8. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Hidden states `[batch, tokens, hidden]` as the engines take them. */
export interface Activations {
  readonly batch: number;
  readonly tokens: number;
  readonly hidden: number;
  /** `batch × tokens × hidden` values, row-major. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** Transformer blocks `start` to `end - 1`, counted from 0 as in the full model. */
export interface BlockRange {
  readonly start: number;
  readonly end: number;
}

/** Base58 text of a libp2p peer id, such as `12D3Koo…` or `Qm…`. */
export type PeerId = string & { readonly __brand?: "PeerId" };

/** Number of elements of a shape. */
export const elementsOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/** Whether every block of `inner` is in `outer`. */
export const containsRange = (outer: BlockRange, inner: BlockRange): boolean =>
  inner.start >= outer.start && inner.end <= outer.end && inner.start < inner.end;

/** Number of blocks. */
export const lengthOf = (range: BlockRange): number => range.end - range.start;

/** Half precision to single. `halves` are IEEE 754 binary16 bit patterns. */
export function float16ToFloat32(halves: Uint16Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(new Float16Array(halves.buffer, halves.byteOffset, halves.length));
}

/** Single precision to half, rounded to nearest even; what is above 65504 becomes infinite, as IEEE 754 says. */
export function float32ToFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return new Uint16Array(new Float16Array(values).buffer);
}

/** bfloat16 bit patterns to single precision: exact. */
export function bfloat16ToFloat32(patterns: Uint16Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(patterns.length);
  for (let i = 0; i < patterns.length; i++) words[i] = patterns[i]! << 16;
  return new Float32Array(words.buffer);
}

/** Single precision to bfloat16, rounded to nearest even as torch does; NaN stays NaN. */
export function float32ToBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const isNan = (word & 0x7fffffff) > 0x7f800000;
    out[i] = isNan ? 0x7fc0 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** A tensor of a floating type as single precision values. Throws `NodeError` `unsupported` for other types. */
export function toFloat32(tensor: Tensor): Float32Array<ArrayBuffer> {
  const { dtype, data } = tensor;
  const count = elementsOf(tensor.shape);
  switch (dtype) {
    case "float32":
      return new Float32Array(data.buffer, data.byteOffset, count);
    case "float16":
      return float16ToFloat32(new Uint16Array(data.buffer, data.byteOffset, count));
    case "bfloat16":
      return bfloat16ToFloat32(new Uint16Array(data.buffer, data.byteOffset, count));
    case "int64":
    case "bool":
      throw new NodeError("unsupported", `Cannot compute with a tensor of ${dtype}, wanted floating point`);
  }
}

/** A tensor of `dtype` with these values. `float16` is clamped to ±65504, as hivemind's Float16Compression does. */
export function fromFloat32(
  values: Float32Array<ArrayBuffer>,
  shape: readonly number[],
  dtype: FloatDType,
): Tensor {
  const bytes = (array: Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer>) =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  switch (dtype) {
    case "float32":
      return { dtype, shape, data: bytes(values) };
    case "float16":
      return {
        dtype,
        shape,
        data: bytes(float32ToFloat16(values.map((v) => Math.max(-65504, Math.min(65504, v))))),
      };
    case "bfloat16":
      return { dtype, shape, data: bytes(float32ToBfloat16(values)) };
  }
}
