/**
 * Hivemind's tensor compressions (hivemind 1.1.12 `hivemind/compression`): element bytes of a tensor to the bytes of
 * its `buffer` field and back. Everything is little-endian and row-major.
 *
 * @module
 */
import { viewOf } from "../../base/bytes.ts";
import { NodeError } from "../../base/errors.ts";
import {
  DTYPE_BYTES,
  elementsOf,
  float16ToFloat32,
  float32ToFloat16,
  type FloatDType,
  fromFloat32,
  type Tensor,
  toFloat32,
} from "../../base/tensor.ts";
import { dequantizeBlockwise, quantizeBlockwise } from "./blockwise.ts";
import { type Codebook, lookUp, quantileCodebook, uniformCodebook } from "./codebook.ts";

/** `CompressionType` of hivemind's `runtime.proto`, by number. */
export const COMPRESSIONS = [
  "NONE",
  "MEANSTD_16BIT",
  "FLOAT16",
  "QUANTILE_8BIT",
  "UNIFORM_8BIT",
  "BLOCKWISE_8BIT",
] as const;

/** A way to write the elements of a tensor. */
export type Compression = (typeof COMPRESSIONS)[number];

/** Hivemind's classes, as its errors name them. */
const PYTHON_CLASS: Readonly<Record<Compression, string>> = {
  NONE: "NoCompression",
  MEANSTD_16BIT: "ScaledFloat16Compression",
  FLOAT16: "Float16Compression",
  QUANTILE_8BIT: "Quantile8BitQuantization",
  UNIFORM_8BIT: "Uniform8BitQuantization",
  BLOCKWISE_8BIT: "BlockwiseQuantization",
};
/** Largest finite half: `FLOAT16` and `MEANSTD_16BIT` clamp to it. */
const FLOAT16_MAX = 65504;
/** Smallest deviation of `MEANSTD_16BIT`: torch's float32 epsilon. */
const FLOAT32_EPSILON = 2 ** -23;

/** What is known of a tensor before its elements are read. */
export interface TensorHeader {
  readonly dtype: Tensor["dtype"];
  readonly shape: readonly number[];
}

/** The compression of a number on the wire. Throws `NodeError` `unsupported`. */
export function compressionOf(number: number): Compression {
  const compression = COMPRESSIONS[number];
  if (compression === undefined) {
    throw new NodeError("unsupported", `Cannot read tensor: compression ${number}, wanted 0 to 5`);
  }
  return compression;
}

/**
 * The `buffer` of a tensor. Throws `NodeError` `unsupported` for what hivemind refuses too: bfloat16 for the two
 * half-precision ones, and anything but floats for all but `NONE`.
 */
export function compress(tensor: Tensor, compression: Compression): Uint8Array {
  if (compression === "NONE") return tensor.data;
  requireSupported(tensor, compression);
  switch (compression) {
    case "MEANSTD_16BIT":
      return compressMeanStd(toFloat32(tensor), tensor.shape);
    case "FLOAT16":
      return bytesOf(float32ToFloat16(clamped(toFloat32(tensor))));
    case "QUANTILE_8BIT":
      return writeCodebook(quantileCodebook(toFloat32(tensor)));
    case "UNIFORM_8BIT":
      return writeCodebook(uniformCodebook(toFloat32(tensor)));
    case "BLOCKWISE_8BIT":
      return quantizeBlockwise(toFloat32(tensor));
  }
}

/**
 * The elements that `buffer` holds, in memory of their own. Throws `NodeError` `malformed` when the buffer does not
 * have the length that shape, type and compression ask for, `unsupported` as {@linkcode compress} does.
 */
export function decompress(buffer: Uint8Array, header: TensorHeader, compression: Compression): Tensor {
  if (compression === "NONE") return readPlain(buffer, header);
  requireSupported(header, compression);
  const { shape } = header;
  const dtype = header.dtype as FloatDType;
  const count = elementsOf(shape);
  switch (compression) {
    case "MEANSTD_16BIT":
      return decompressMeanStd(buffer, shape, dtype);
    case "FLOAT16":
      requireLength(buffer, 2 * count);
      return cast(float16ToFloat32(new Uint16Array(owned(buffer))), shape, dtype);
    case "QUANTILE_8BIT":
    case "UNIFORM_8BIT": {
      const { entries, indices } = readCodebook(buffer, count);
      // hivemind casts the codebook, not the values: the same, since casting goes element by element
      return cast(lookUp(entries, indices), shape, dtype);
    }
    case "BLOCKWISE_8BIT":
      return cast(dequantizeBlockwise(buffer, count), shape, dtype);
  }
}

/** Plain elements. Old peers write bfloat16 as float32 (`USE_LEGACY_BFLOAT16`): four bytes an element say so. */
function readPlain(buffer: Uint8Array, { dtype, shape }: TensorHeader): Tensor {
  const count = elementsOf(shape);
  if (dtype === "bfloat16" && count > 0 && buffer.length === 4 * count) {
    return fromFloat32(new Float32Array(owned(buffer)), shape, dtype);
  }
  requireLength(buffer, count * DTYPE_BYTES[dtype]);
  return { dtype, shape, data: new Uint8Array(buffer) };
}

/** Half-precision deviations from the mean of each row of the last axis, then all means, then all deviations. */
function compressMeanStd(values: Float32Array, shape: readonly number[]): Uint8Array {
  const width = shape.at(-1);
  if (width === undefined || width === 0) {
    throw new NodeError("unsupported", `Cannot write tensor as MEANSTD_16BIT: shape [${shape}] has no rows`);
  }
  const rows = values.length / width;
  const means = new Float32Array(rows);
  const deviations = new Float32Array(rows);
  const scaled = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const from = row * width;
    let sum = 0;
    for (let i = 0; i < width; i++) sum += values[from + i]!;
    const mean = means[row] = Math.fround(sum / width);
    let squares = 0;
    for (let i = 0; i < width; i++) squares += (values[from + i]! - mean) ** 2;
    const deviation = deviations[row] = Math.max(Math.sqrt(squares / width), FLOAT32_EPSILON);
    for (let i = 0; i < width; i++) scaled[from + i] = Math.fround(values[from + i]! - mean) / deviation;
  }
  const out = new Uint8Array(2 * values.length + 8 * rows);
  out.set(bytesOf(float32ToFloat16(clamped(scaled))), 0);
  out.set(bytesOf(means), 2 * values.length);
  out.set(bytesOf(deviations), 2 * values.length + 4 * rows);
  return out;
}

function decompressMeanStd(buffer: Uint8Array, shape: readonly number[], dtype: FloatDType): Tensor {
  const width = shape.at(-1);
  if (width === undefined) throw malformed("a scalar of MEANSTD_16BIT, wanted rows");
  const rows = elementsOf(shape.slice(0, -1));
  const count = rows * width;
  requireLength(buffer, 2 * count + 8 * rows);
  const own = owned(buffer);
  const values = float16ToFloat32(new Uint16Array(own, 0, count));
  const view = new DataView(own);
  for (let row = 0; row < rows; row++) {
    const mean = view.getFloat32(2 * count + 4 * row, true);
    const deviation = view.getFloat32(2 * count + 4 * (rows + row), true);
    for (let i = row * width; i < (row + 1) * width; i++) {
      // torch rounds to the tensor's own type after each of the two operations
      const product = rounded(values[i]! * deviation, dtype);
      values[i] = rounded(product + mean, dtype);
    }
  }
  return cast(values, shape, dtype);
}

const rounded = (value: number, dtype: FloatDType): number =>
  dtype === "float16" ? Math.f16round(Math.fround(value)) : Math.fround(value);

/** A tensor of `dtype`; unlike {@linkcode fromFloat32} nothing is clamped, since readers of hivemind do not either. */
function cast(values: Float32Array<ArrayBuffer>, shape: readonly number[], dtype: FloatDType): Tensor {
  return dtype === "float16"
    ? { dtype, shape, data: bytesOf(float32ToFloat16(values)) }
    : fromFloat32(values, shape, dtype);
}

/** Eight bytes of length, the entries as float32, one byte of index for each value. */
function writeCodebook({ entries, indices }: Codebook): Uint8Array {
  const out = new Uint8Array(8 + 4 * entries.length + indices.length);
  viewOf(out).setBigInt64(0, BigInt(entries.length), true);
  out.set(bytesOf(entries), 8);
  out.set(indices, 8 + 4 * entries.length);
  return out;
}

function readCodebook(buffer: Uint8Array, count: number): Codebook {
  if (buffer.length < 8) throw malformed(`${buffer.length} bytes, wanted a codebook`);
  const size = viewOf(buffer).getBigInt64(0, true);
  if (size < 0n || size > 256n) throw malformed(`a codebook of ${size} entries, wanted at most 256`);
  const indicesAt = 8 + 4 * Number(size);
  requireLength(buffer, indicesAt + count);
  return {
    entries: new Float32Array(owned(buffer.subarray(8, indicesAt))),
    indices: buffer.subarray(indicesAt),
  };
}

function requireSupported({ dtype }: TensorHeader, compression: Compression): void {
  const halves = compression === "FLOAT16" || compression === "MEANSTD_16BIT";
  if (dtype === "int64" || dtype === "bool" || (halves && dtype === "bfloat16")) {
    throw new NodeError(
      "unsupported",
      `${PYTHON_CLASS[compression]} does not support torch.${dtype} tensors`,
    );
  }
}

function requireLength(buffer: Uint8Array, wanted: number): void {
  if (buffer.length !== wanted) throw malformed(`${buffer.length} bytes of elements, wanted ${wanted}`);
}

const clamped = (values: Float32Array<ArrayBuffer> | Float32Array): Float32Array<ArrayBuffer> =>
  Float32Array.from(values, (value) => Math.max(-FLOAT16_MAX, Math.min(FLOAT16_MAX, value)));

const bytesOf = (array: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Memory of their own, aligned. What libp2p hands over may be a Node `Buffer`, whose `slice` is a view of a pool. */
const owned = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

const malformed = (what: string) => new NodeError("malformed", `Cannot read tensor: ${what}`);
