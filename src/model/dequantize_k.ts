/**
 * The K formats of ggml: super-blocks of 256 weights whose sub-blocks have scales of 6 or 8 bits (ggml-quants.c).
 *
 * @module
 */
import { halfTable } from "./half_table.ts";

/** Scale or minimum `sub` (0 to 7) of the 12 packed bytes at `at`: 6 bits, of which the upper four share bytes. */
function sixBits(bytes: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return bytes[at + sub]! & 63;
  return (bytes[at + 4 + sub]! & 15) | ((bytes[at + sub - 4]! >> 6) << 4);
}

function sixBitsMin(bytes: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return bytes[at + 4 + sub]! & 63;
  return (bytes[at + 4 + sub]! >> 4) | ((bytes[at + sub]! >> 6) << 4);
}

/** Q4_K: d, dmin, 12 bytes of scales and minima, 128 bytes of codes; sub-blocks 2j and 2j + 1 share 32 bytes. */
export function dequantizeQ4K(bytes: Uint8Array, out: Float32Array): void {
  const halves = halfTable();
  for (let at = 0, to = 0; at < bytes.length; at += 144) {
    const d = halves[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const dmin = halves[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let sub = 0; sub < 8; sub++, to += 32) {
      const scale = d * sixBits(bytes, at + 4, sub);
      const min = dmin * sixBitsMin(bytes, at + 4, sub);
      const codes = at + 16 + 32 * (sub >> 1), shift = 4 * (sub & 1);
      for (let i = 0; i < 32; i++) out[to + i] = scale * (bytes[codes + i]! >> shift & 15) - min;
    }
  }
}

/** Q5_K: as Q4_K, with 32 bytes of fifth bits before the codes; bit `sub` of byte i belongs to weight i. */
export function dequantizeQ5K(bytes: Uint8Array, out: Float32Array): void {
  const halves = halfTable();
  for (let at = 0, to = 0; at < bytes.length; at += 176) {
    const d = halves[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const dmin = halves[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let sub = 0; sub < 8; sub++, to += 32) {
      const scale = d * sixBits(bytes, at + 4, sub);
      const min = dmin * sixBitsMin(bytes, at + 4, sub);
      const codes = at + 48 + 32 * (sub >> 1), shift = 4 * (sub & 1);
      for (let i = 0; i < 32; i++) {
        const code = bytes[codes + i]! >> shift & 15 | (bytes[at + 16 + i]! >> sub & 1) << 4;
        out[to + i] = scale * code - min;
      }
    }
  }
}

/** Q6_K: 128 bytes of low bits, 64 of high bits, 16 signed scales, d. Each half of 128 weights is coded alike. */
export function dequantizeQ6K(bytes: Uint8Array, out: Float32Array): void {
  const halves = halfTable();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0, to = 0; at < bytes.length; at += 210) {
    const d = halves[bytes[at + 208]! | (bytes[at + 209]! << 8)]!;
    for (let quarter = 0; quarter < 8; quarter++) {
      const half = quarter >> 2, row = quarter & 3;
      const low = at + 64 * half + 32 * (row & 1), lowShift = 4 * (row >> 1);
      const high = at + 128 + 32 * half, highShift = 2 * row;
      for (let group = 0; group < 2; group++, to += 16) {
        const scale = d * signed[at + 192 + 2 * quarter + group]!;
        for (let i = 0; i < 16; i++) {
          const column = 16 * group + i;
          const code = bytes[low + column]! >> lowShift & 15 | (bytes[high + column]! >> highShift & 3) << 4;
          out[to + i] = scale * (code - 32);
        }
      }
    }
  }
}
