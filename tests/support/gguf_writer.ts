/** Writes GGUF files (ggml's specification, version 3) for tests. */
import { concatBytes, encodeUtf8, viewOf } from "../../src/base/bytes.ts";
import type { WeightFormat } from "../../src/model/source.ts";

/** Numbers of the types in a file, by ggml's `enum ggml_type`. */
export const GGML_TYPE: Readonly<Record<WeightFormat, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  BF16: 30,
};

/** A metadata value with the type it is stored in. */
export type GgufValue =
  | { readonly type: "u32" | "i32" | "f32" | "u64"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "i32s" | "f32s"; readonly value: readonly number[] };

/** A tensor as it goes into the file. */
export interface GgufTensor {
  readonly name: string;
  /** Number of the type: one of `GGML_TYPE`, or any other to try the reader. */
  readonly type: number;
  /** Outermost first. */
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const VALUE_TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10 } as const;

export const u32 = (value: number): GgufValue => ({ type: "u32", value });
export const f32 = (value: number): GgufValue => ({ type: "f32", value });
export const text = (value: string): GgufValue => ({ type: "string", value });

/** A whole file. Tensors lie in the order given, each at a multiple of `alignment`. */
export function ggufBytes(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
  alignment = 32,
): Uint8Array<ArrayBuffer> {
  const entries = Object.entries(metadata);
  const parts: Uint8Array[] = [
    encodeUtf8("GGUF"),
    u32Bytes(3),
    u64Bytes(tensors.length),
    u64Bytes(entries.length),
  ];
  for (const [key, value] of entries) parts.push(stringBytes(key), ...valueBytes(value));
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(
      stringBytes(tensor.name),
      u32Bytes(tensor.shape.length),
      ...tensor.shape.toReversed().map(u64Bytes),
      u32Bytes(tensor.type),
      u64Bytes(offset),
    );
    offset += padded(tensor.data.length, alignment);
  }
  const header = concatBytes(...parts);
  const start = padded(header.length, alignment);
  const out = new Uint8Array(start + offset);
  out.set(header);
  let at = start;
  for (const tensor of tensors) {
    out.set(tensor.data, at);
    at += padded(tensor.data.length, alignment);
  }
  return out;
}

const padded = (length: number, alignment: number) => Math.ceil(length / alignment) * alignment;

function valueBytes(value: GgufValue): Uint8Array[] {
  switch (value.type) {
    case "u32":
    case "i32":
    case "f32":
    case "u64":
      return [u32Bytes(VALUE_TYPE[value.type]), numberBytes(value.type, value.value)];
    case "bool":
      return [u32Bytes(VALUE_TYPE.bool), Uint8Array.of(Number(value.value))];
    case "string":
      return [u32Bytes(VALUE_TYPE.string), stringBytes(value.value)];
    case "strings":
      return [...arrayHead("string", value.value.length), ...value.value.map(stringBytes)];
    case "i32s":
    case "f32s": {
      const element = value.type === "i32s" ? "i32" : "f32";
      return [...arrayHead(element, value.value.length), ...value.value.map((n) => numberBytes(element, n))];
    }
  }
}

const arrayHead = (element: keyof typeof VALUE_TYPE, count: number) => [
  u32Bytes(VALUE_TYPE.array),
  u32Bytes(VALUE_TYPE[element]),
  u64Bytes(count),
];

function numberBytes(type: "u32" | "i32" | "f32" | "u64", value: number): Uint8Array {
  if (type === "u64") return u64Bytes(value);
  const bytes = new Uint8Array(4);
  if (type === "f32") viewOf(bytes).setFloat32(0, value, true);
  else viewOf(bytes).setUint32(0, value, true);
  return bytes;
}

const u32Bytes = (value: number) => numberBytes("u32", value);

function u64Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt(value), true);
  return bytes;
}

function stringBytes(value: string): Uint8Array {
  const bytes = encodeUtf8(value);
  return concatBytes(u64Bytes(bytes.length), bytes);
}
