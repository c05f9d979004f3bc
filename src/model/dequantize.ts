/**
 * Stored weights to single precision, bit for bit what ggml's `dequantize_row_*` give.
 *
 * @module
 */
import { bfloat16ToFloat32, float16ToFloat32 } from "../base/tensor.ts";
import { dequantizeQ4K, dequantizeQ5K, dequantizeQ6K } from "./dequantize_k.ts";
import { halfTable } from "./half_table.ts";
import type { WeightFormat } from "./source.ts";

/** Elements and bytes of one block of each format (ggml-common.h, `block_q4_0` and the others). */
export const WEIGHT_BLOCK: Readonly<
  Record<WeightFormat, { readonly elements: number; readonly bytes: number }>
> = {
  F32: { elements: 1, bytes: 4 },
  F16: { elements: 1, bytes: 2 },
  BF16: { elements: 1, bytes: 2 },
  Q4_0: { elements: 32, bytes: 18 },
  Q4_1: { elements: 32, bytes: 20 },
  Q5_0: { elements: 32, bytes: 22 },
  Q5_1: { elements: 32, bytes: 24 },
  Q8_0: { elements: 32, bytes: 34 },
  Q4_K: { elements: 256, bytes: 144 },
  Q5_K: { elements: 256, bytes: 176 },
  Q6_K: { elements: 256, bytes: 210 },
};

/**
 * Bytes that `elements` weights take in `format`. Throws `RangeError` when they are no whole number of blocks.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(bytesOf("Q4_0", 64), 36);
 * ```
 */
export function bytesOf(format: WeightFormat, elements: number): number {
  const block = WEIGHT_BLOCK[format];
  if (elements % block.elements !== 0) {
    throw new RangeError(
      `Cannot store ${elements} weights as ${format}: wanted a multiple of ${block.elements}`,
    );
  }
  return (elements / block.elements) * block.bytes;
}

/**
 * The weights in `bytes`, which hold whole blocks of `format`. For F32 the result may share their memory.
 * Throws `RangeError` for a length that is no whole number of blocks.
 */
export function dequantize(format: WeightFormat, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const block = WEIGHT_BLOCK[format];
  if (bytes.length % block.bytes !== 0) {
    throw new RangeError(
      `Cannot expand ${bytes.length} bytes of ${format}: wanted a multiple of ${block.bytes}`,
    );
  }
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  switch (format) {
    case "F32":
      return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
    case "F16":
      return float16ToFloat32(new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2));
    case "BF16":
      return bfloat16ToFloat32(new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2));
  }
  const out = new Float32Array((bytes.length / block.bytes) * block.elements);
  EXPAND[format](bytes, out);
  return out;
}

type Expand = (bytes: Uint8Array, out: Float32Array) => void;

const EXPAND: Readonly<Record<Exclude<WeightFormat, "F32" | "F16" | "BF16">, Expand>> = {
  Q4_0: dequantizeQ40,
  Q4_1: dequantizeQ41,
  Q5_0: dequantizeQ50,
  Q5_1: dequantizeQ51,
  Q8_0: dequantizeQ80,
  Q4_K: dequantizeQ4K,
  Q5_K: dequantizeQ5K,
  Q6_K: dequantizeQ6K,
};

// A half (11 bits) times a code of up to 8 bits is exact in single precision, so the one rounding of the store into
// Float32Array is the one that ggml makes.

function dequantizeQ40(bytes: Uint8Array, out: Float32Array): void {
  const halves = halfTable();
  for (let at = 0, to = 0; at < bytes.length; at += 18, to += 32) {
    const scale = halves[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 2 + i]!;
      out[to + i] = ((pair & 15) - 8) * scale;
      out[to + 16 + i] = ((pair >> 4) - 8) * scale;
    }
  }
}

function dequantizeQ41(bytes: Uint8Array, out: Float32Array): void {
  const halves = halfTable();
  for (let at = 0, to = 0; at < bytes.length; at += 20, to += 32) {
    const scale = halves[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const min = halves[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 4 + i]!;
      out[to + i] = (pair & 15) * scale + min;
      out[to + 16 + i] = (pair >> 4) * scale + min;
    }
  }
}

function dequantizeQ50(bytes: Uint8Array, out: Float32Array): void {
  const halves = halfTable();
  for (let at = 0, to = 0; at < bytes.length; at += 22, to += 32) {
    const scale = halves[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const fifth = fifthBits(bytes, at + 2);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 6 + i]!;
      out[to + i] = ((pair & 15 | (fifth >>> i & 1) << 4) - 16) * scale;
      out[to + 16 + i] = ((pair >> 4 | (fifth >>> (i + 16) & 1) << 4) - 16) * scale;
    }
  }
}

function dequantizeQ51(bytes: Uint8Array, out: Float32Array): void {
  const halves = halfTable();
  for (let at = 0, to = 0; at < bytes.length; at += 24, to += 32) {
    const scale = halves[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const min = halves[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    const fifth = fifthBits(bytes, at + 4);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 8 + i]!;
      out[to + i] = (pair & 15 | (fifth >>> i & 1) << 4) * scale + min;
      out[to + 16 + i] = (pair >> 4 | (fifth >>> (i + 16) & 1) << 4) * scale + min;
    }
  }
}

const fifthBits = (bytes: Uint8Array, at: number) =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);

function dequantizeQ80(bytes: Uint8Array, out: Float32Array): void {
  const halves = halfTable();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0, to = 0; at < bytes.length; at += 34, to += 32) {
    const scale = halves[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let i = 0; i < 32; i++) out[to + i] = signed[at + 2 + i]! * scale;
  }
}
