/**
 * In which type weights are held, attention memory is kept and answers are given.
 *
 * @module
 */
import { float32ToBfloat16, float32ToFloat16, type FloatDType } from "../base/tensor.ts";
import { dequantize } from "../model/dequantize.ts";
import type { TensorInfo, WeightFormat } from "../model/source.ts";
import type { LoadOptions } from "./backend.ts";

type DTypeChoice = LoadOptions["dtype"];

const HELD_AS = { f32: "F32", f16: "F16", bf16: "BF16" } as const;

/** Whether a format stores each weight by itself, unquantised. */
export const isPlain = (format: WeightFormat): format is "F32" | "F16" | "BF16" =>
  format === "F32" || format === "F16" || format === "BF16";

/** The format a tensor is held in. Vectors (norms) are always single precision, quantised matrices stay as they are. */
export function heldFormat({ format, shape }: TensorInfo, dtype: DTypeChoice): WeightFormat {
  if (shape.length === 1) return "F32";
  return dtype === "auto" || !isPlain(format) ? format : HELD_AS[dtype];
}

/** Bytes of a tensor as it is held. */
export function heldBytes(info: TensorInfo, dtype: DTypeChoice): number {
  const held = heldFormat(info, dtype);
  if (held === info.format) return info.bytes;
  return info.shape.reduce((product, size) => product * size, 1) * (held === "F32" ? 4 : 2);
}

/** Stored bytes of a tensor in the format it is held in. */
export function holdAs(
  held: WeightFormat,
  stored: WeightFormat,
  bytes: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (held === stored) return bytes;
  const values = dequantize(stored, bytes);
  const out = held === "F32" ? values : held === "F16" ? float32ToFloat16(values) : float32ToBfloat16(values);
  return new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
}

/**
 * Whether everything is to be computed in single precision: asked for, or `auto` over a model stored in it. `formats`
 * are those of the matrices.
 */
export const isExact = (formats: Iterable<WeightFormat>, dtype: DTypeChoice): boolean =>
  dtype === "f32" || (dtype === "auto" && [...formats].every((format) => format === "F32"));

/** Type of answers on the wire: as chosen, else that of the stored weights, else half precision as Petals does. */
export function answerDType(formats: Iterable<WeightFormat>, dtype: DTypeChoice): FloatDType {
  const all = [...formats];
  if (isExact(all, dtype)) return "float32";
  if (dtype === "bf16" || (dtype === "auto" && all.every((format) => format === "BF16"))) return "bfloat16";
  return "float16";
}
