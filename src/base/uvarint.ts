/**
 * Unsigned LEB128 integers ("uvarint"), the length prefix of frames and the integers of protobuf.
 *
 * @module
 */
import { NodeError } from "./errors.ts";

/** Longest encoding of a 64-bit integer (protobuf encoding, "Base 128 Varints"). */
const MAX_BYTES = 10;

/**
 * Encodes a non-negative integer below 2^53.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(encodeUvarint(300), Uint8Array.of(0xac, 0x02));
 * ```
 */
export function encodeUvarint(value: number): Uint8Array<ArrayBuffer> {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`Cannot encode uvarint: got ${value}, wanted 0 to 2^53 - 1`);
  }
  const out: number[] = [];
  while (value >= 0x80) {
    out.push((value % 0x80) | 0x80);
    value = Math.floor(value / 0x80);
  }
  out.push(value);
  return Uint8Array.from(out);
}

/**
 * Reads one uvarint at `offset`; `undefined` when `bytes` ends before the integer does.
 * Values above 2^53 (negative numbers of protobuf) lose their low bits. Throws `NodeError` `malformed` past 10 bytes.
 */
export function decodeUvarint(
  bytes: Uint8Array,
  offset = 0,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < MAX_BYTES; i++) {
    const byte = bytes[offset + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next: offset + i + 1 };
    scale *= 0x80;
  }
  throw new NodeError("malformed", "Cannot decode uvarint: it goes on after 10 bytes, wanted an end");
}
