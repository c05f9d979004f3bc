/**
 * Quantisers for tests: layouts are ggml's (ggml-common.h), the choice of scales is the plain one, not the best fit.
 * Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 give the bytes of the Python package `gguf`.
 */
import { float32ToBfloat16, float32ToFloat16 } from "../../src/base/tensor.ts";
import type { WeightFormat } from "../../src/model/source.ts";

/** Elements and bytes of one block of a format. */
const BLOCK: Readonly<Record<WeightFormat, readonly [elements: number, bytes: number]>> = {
  F32: [1, 4],
  F16: [1, 2],
  BF16: [1, 2],
  Q4_0: [32, 18],
  Q4_1: [32, 20],
  Q5_0: [32, 22],
  Q5_1: [32, 24],
  Q8_0: [32, 34],
  Q4_K: [256, 144],
  Q5_K: [256, 176],
  Q6_K: [256, 210],
};

type BlockQuantizer = (values: Float32Array, out: Uint8Array) => void;

/** Values in `format`. Rows must be multiples of its block: 32, or 256 for the K formats. */
export function quantize(values: Float32Array<ArrayBuffer>, format: WeightFormat): Uint8Array<ArrayBuffer> {
  const bytes = (array: Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer>) =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  if (format === "F32") return bytes(values.slice());
  if (format === "F16") return bytes(float32ToFloat16(values));
  if (format === "BF16") return bytes(float32ToBfloat16(values));
  const [elements, size] = BLOCK[format];
  if (values.length % elements !== 0) {
    throw new RangeError(
      `Cannot quantise ${values.length} values to ${format}: wanted a multiple of ${elements}`,
    );
  }
  const blocks = values.length / elements;
  const out = new Uint8Array(blocks * size);
  for (let block = 0; block < blocks; block++) {
    QUANTIZERS[format](
      values.subarray(block * elements, (block + 1) * elements),
      out.subarray(block * size, (block + 1) * size),
    );
  }
  return out;
}

const QUANTIZERS: Readonly<Record<Exclude<WeightFormat, "F32" | "F16" | "BF16">, BlockQuantizer>> = {
  Q8_0: (values, out) => {
    const scale = f32(amax(values) / 127);
    const inverse = scale === 0 ? 0 : f32(1 / scale);
    putHalf(out, 0, scale);
    for (let i = 0; i < 32; i++) out[2 + i] = roundAway(f32(values[i]! * inverse)) & 0xff;
  },
  Q4_0: (values, out) => symmetric(values, out, 8),
  Q5_0: (values, out) => symmetric(values, out, 16),
  Q4_1: (values, out) => affine(values, out, 15),
  Q5_1: (values, out) => affine(values, out, 31),
  Q4_K: (values, out) => superBlock(values, out, 15),
  Q5_K: (values, out) => superBlock(values, out, 31),
  Q6_K: quantizeQ6K,
};

const f32 = Math.fround;
const amax = (values: Float32Array) => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
const roundAway = (value: number) => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value));

function putHalf(out: Uint8Array, at: number, value: number): number {
  const [half] = float32ToFloat16(Float32Array.of(value));
  out[at] = half! & 0xff;
  out[at + 1] = half! >> 8;
  return new Float16Array([value])[0]!;
}

/** Q4_0 and Q5_0: d, then codes around `zero`. */
function symmetric(values: Float32Array, out: Uint8Array, zero: 8 | 16): void {
  const top = values.reduce((max, value) => Math.abs(value) > Math.abs(max) ? value : max, 0);
  const scale = f32(top / -zero);
  const inverse = scale === 0 ? 0 : f32(1 / scale);
  putHalf(out, 0, scale);
  const codes = Array.from(
    values,
    (value) => clamp(Math.trunc(f32(f32(value * inverse) + zero + 0.5)), 0, 2 * zero - 1),
  );
  putCodes(out, 2, codes, zero === 16);
}

/** Q4_1 and Q5_1: d, m, then codes from the minimum up. */
function affine(values: Float32Array, out: Uint8Array, top: 15 | 31): void {
  const min = values.reduce((a, b) => Math.min(a, b), Infinity);
  const max = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const scale = f32(f32(max - min) / top);
  const inverse = scale === 0 ? 0 : f32(1 / scale);
  putHalf(out, 0, scale);
  putHalf(out, 2, min);
  const codes = Array.from(
    values,
    (value) => clamp(Math.trunc(f32(f32(f32(value - min) * inverse) + 0.5)), 0, top),
  );
  putCodes(out, 4, codes, top === 31);
}

/** Codes of 32 values: the fifth bits first where there are any, then element j beside element j + 16. */
function putCodes(out: Uint8Array, at: number, codes: readonly number[], five: boolean): void {
  if (five) {
    codes.forEach((code, i) => out[at + (i >> 3)]! |= (code >> 4) << (i & 7));
    at += 4;
  }
  for (let i = 0; i < 16; i++) out[at + i] = (codes[i]! & 15) | ((codes[i + 16]! & 15) << 4);
}

/** Q4_K and Q5_K: d, dmin, eight 6-bit scales and minima, then (Q5_K: the fifth bits and) the codes. */
function superBlock(values: Float32Array, out: Uint8Array, top: 15 | 31): void {
  const minima: number[] = [], scales: number[] = [];
  for (let sub = 0; sub < 8; sub++) {
    const part = values.subarray(32 * sub, 32 * sub + 32);
    const min = Math.min(0, ...part);
    minima.push(-min);
    scales.push((Math.max(...part) - min) / top);
  }
  const d = putHalf(out, 0, Math.max(...scales) / 63);
  const dmin = putHalf(out, 2, Math.max(...minima) / 63);
  const units = (value: number, unit: number) => unit === 0 ? 0 : clamp(Math.round(value / unit), 0, 63);
  const sixBit = scales.map((scale) => units(scale, d));
  const sixBitMin = minima.map((min) => units(min, dmin));
  for (let i = 0; i < 4; i++) {
    out[4 + i] = sixBit[i]! | ((sixBit[i + 4]! >> 4) << 6);
    out[8 + i] = sixBitMin[i]! | ((sixBitMin[i + 4]! >> 4) << 6);
    out[12 + i] = (sixBit[i + 4]! & 15) | ((sixBitMin[i + 4]! & 15) << 4);
  }
  const codesAt = top === 31 ? 48 : 16;
  for (let i = 0; i < 256; i++) {
    const sub = i >> 5;
    const scale = d * sixBit[sub]!;
    const code = scale === 0 ? 0 : clamp(Math.round((values[i]! + dmin * sixBitMin[sub]!) / scale), 0, top);
    out[codesAt + 32 * (sub >> 1) + (i & 31)]! |= (code & 15) << (4 * (sub & 1));
    if (top === 31) out[16 + (i & 31)]! |= (code >> 4) << sub;
  }
}

/** Q6_K: 128 bytes of low bits, 64 of high bits, 16 signed scales, d. */
function quantizeQ6K(values: Float32Array, out: Uint8Array): void {
  const scales = Array.from({ length: 16 }, (_, i) => amax(values.subarray(16 * i, 16 * i + 16)) / 31);
  const d = putHalf(out, 208, Math.max(...scales) / 127);
  const signed = scales.map((scale) => d === 0 ? 0 : clamp(Math.round(scale / d), 0, 127));
  signed.forEach((scale, i) => out[192 + i] = scale);
  for (let i = 0; i < 256; i++) {
    const scale = d * signed[i >> 4]!;
    const code = (scale === 0 ? 0 : clamp(Math.round(values[i]! / scale), -32, 31)) + 32;
    const half = i >> 7, quarter = (i >> 5) & 3, column = i & 31;
    out[64 * half + 32 * (quarter & 1) + column]! |= (code & 15) << (4 * (quarter >> 1));
    out[128 + 32 * half + column]! |= (code >> 4) << (2 * quarter);
  }
}
