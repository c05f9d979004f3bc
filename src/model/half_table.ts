/**
 * Half precision by table: the scales of quantised blocks lie at odd offsets, one at a time.
 *
 * @module
 */
import { float16ToFloat32 } from "../base/tensor.ts";

let table: Float32Array<ArrayBuffer> | undefined;

/** The value of every IEEE 754 binary16 bit pattern: 256 KiB, made when first asked for. */
export function halfTable(): Float32Array<ArrayBuffer> {
  table ??= float16ToFloat32(Uint16Array.from({ length: 1 << 16 }, (_, pattern) => pattern));
  return table;
}
