/**
 * The header of a GGUF file: metadata and the directory of tensors (ggml's specification, docs/gguf.md, versions 2 and 3).
 * Pure: bytes in, header out. Everything in it is a stranger's word until checked here.
 *
 * @module
 */
import { decodeUtf8, viewOf } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import { bytesOf, WEIGHT_BLOCK } from "./dequantize.ts";
import { GGML_FORMATS, isWeightFormat } from "./ggml_formats.ts";

/** What we allow a header to hold; Llama 3.1 405B has 1 138 tensors, 8 MB of header, names below 40 letters. */
const MAX_TENSORS = 100_000;
const MAX_KEYS = 10_000;
const MAX_NAME_BYTES = 1024;
/** Dimensions of a tensor: GGML_MAX_DIMS. */
const MAX_DIMENSIONS = 4;
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 1 << 20;
/** Shortest possible entries, so that a count can be held against the file's size before anything is read. */
const LEAST_KEY_BYTES = 13;
const LEAST_TENSOR_BYTES = 24;

/** Types of metadata by number; `array` has elements of one other type. */
const VALUE_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;
type ValueType = (typeof VALUE_TYPES)[number];
type NumberType = Exclude<ValueType, "string" | "array" | "bool">;

const NUMBER_BYTES: Readonly<Record<NumberType | "bool", number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** A list in the metadata, left where it is in the file: vocabularies take megabytes and few callers want them. */
export interface GgufArray {
  readonly element: Exclude<ValueType, "array">;
  readonly count: number;
  /** Bytes `start` to `end - 1` of the file. */
  readonly start: number;
  readonly end: number;
}

/** A metadata value. 64-bit integers above 2^53 lose their low bits. */
export type GgufValue = number | boolean | string | GgufArray;

/** One entry of the directory. */
export interface GgufTensor {
  readonly name: string;
  /** By ggml's name, or `type N` for one newer than our list. */
  readonly format: string;
  /** Outermost first. */
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offset: number;
  /** `undefined` for formats we cannot read. */
  readonly bytes: number | undefined;
}

/** All that stands before the weights. */
export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** The prefix ends before the header does. */
class TooShort extends Error {}

/**
 * The header at the start of `prefix`, or `undefined` when more bytes of the file are needed. `fileBytes` is the whole
 * file's size, `path` only for messages. Throws `NodeError` `corrupt` for what contradicts itself or the size,
 * `unsupported` for versions and byte orders that are not ours.
 */
export function parseGgufHeader(prefix: Uint8Array, fileBytes: number, path: string): GgufHeader | undefined {
  const cursor = new Cursor(prefix, fileBytes, path);
  try {
    return readHeader(cursor);
  } catch (error) {
    if (error instanceof TooShort) return undefined;
    throw error;
  }
}

/** The elements of an array, from its bytes. Throws `NodeError` `corrupt`. */
export function parseGgufArray(
  array: GgufArray,
  bytes: Uint8Array,
  path: string,
): (number | boolean | string)[] {
  const cursor = new Cursor(bytes, bytes.length, path);
  return Array.from({ length: array.count }, () => cursor.scalar(array.element));
}

function readHeader(cursor: Cursor): GgufHeader {
  checkMagic(cursor);
  const tensorCount = cursor.count("tensors", MAX_TENSORS, LEAST_TENSOR_BYTES);
  const keyCount = cursor.count("keys", MAX_KEYS, LEAST_KEY_BYTES);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.name();
    if (metadata.has(key)) throw cursor.corrupt(`the key "${key}" stands twice`);
    metadata.set(key, cursor.value());
  }
  const entries = Array.from({ length: tensorCount }, () => readEntry(cursor));
  const alignment = alignmentOf(metadata, cursor);
  const dataStart = Math.ceil(cursor.at / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const { name, format, shape, offset } of entries) {
    if (tensors.has(name)) throw cursor.corrupt(`the tensor "${name}" stands twice`);
    if (offset % alignment !== 0) {
      throw cursor.corrupt(`the tensor "${name}" is not aligned to ${alignment} bytes`);
    }
    tensors.set(name, {
      name,
      format,
      shape,
      offset: dataStart + offset,
      bytes: bytesOfTensor(name, format, shape, cursor),
    });
  }
  checkPlaces([...tensors.values()], cursor);
  return { metadata, tensors };
}

function checkMagic(cursor: Cursor): void {
  // "GGUF" read as a little-endian number
  if (cursor.u32() !== 0x46554747) {
    throw new NodeError("corrupt", `Cannot read "${cursor.path}": it is no GGUF file, wanted one`);
  }
  const version = cursor.u32();
  if (version === 2 || version === 3) return;
  const swapped = (version & 0xffff) === 0 && version !== 0;
  const what = swapped ? "it is big-endian" : `its version is ${version}`;
  throw new NodeError(
    "unsupported",
    `Cannot read "${cursor.path}": ${what}, wanted little-endian GGUF of version 2 or 3`,
  );
}

function readEntry(cursor: Cursor) {
  const name = cursor.name();
  const dimensions = cursor.u32();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw cursor.corrupt(`the tensor "${name}" has ${dimensions} dimensions, wanted 1 to ${MAX_DIMENSIONS}`);
  }
  // The file has the innermost dimension first
  const shape = Array.from({ length: dimensions }, () => cursor.u64()).reverse();
  const elements = shape.reduce((product, size) => product * size, 1);
  if (elements < 1 || !Number.isSafeInteger(elements)) {
    throw cursor.corrupt(`the tensor "${name}" has the impossible shape [${shape.join(", ")}]`);
  }
  const type = cursor.u32();
  return { name, shape, format: GGML_FORMATS.get(type) ?? `type ${type}`, offset: cursor.u64() };
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>, cursor: Cursor): number {
  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  const fits = typeof alignment === "number" && Number.isInteger(Math.log2(alignment)) && alignment >= 1 &&
    alignment <= MAX_ALIGNMENT;
  if (!fits) throw cursor.corrupt(`its alignment is ${String(alignment)}, wanted a power of two`);
  return alignment;
}

function bytesOfTensor(
  name: string,
  format: string,
  shape: readonly number[],
  cursor: Cursor,
): number | undefined {
  if (!isWeightFormat(format)) return undefined;
  const columns = shape.at(-1)!;
  if (columns % WEIGHT_BLOCK[format].elements !== 0) {
    throw cursor.corrupt(
      `the tensor "${name}" has rows of ${columns}, wanted a multiple of ${
        WEIGHT_BLOCK[format].elements
      } for ${format}`,
    );
  }
  return bytesOf(format, shape.reduce((product, size) => product * size, 1));
}

/** Every tensor lies inside the file, and no two share bytes. */
function checkPlaces(tensors: GgufTensor[], cursor: Cursor): void {
  tensors.sort((a, b) => a.offset - b.offset);
  let end = 0, before = "";
  for (const { name, offset, bytes } of tensors) {
    const tensorEnd = offset + (bytes ?? 1);
    if (tensorEnd > cursor.fileBytes) {
      throw cursor.corrupt(
        `the file ends at byte ${cursor.fileBytes} inside the tensor "${name}", which ends at ${tensorEnd}; fetch it again`,
      );
    }
    if (offset < end) throw cursor.corrupt(`the tensors "${before}" and "${name}" overlap`);
    end = tensorEnd;
    before = name;
  }
}

/** Reads on from the start of some bytes; `TooShort` where they end. */
class Cursor {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, readonly fileBytes: number, readonly path: string) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }

  corrupt(what: string): NodeError {
    return new NodeError("corrupt", `Cannot read "${this.path}": ${what}`);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): number {
    const at = this.#take(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** A number of entries, each of at least `bytesEach` bytes. */
  count(what: string, most: number, bytesEach: number): number {
    const count = this.u64();
    if (count > most || count * bytesEach > this.fileBytes) {
      throw this.corrupt(`it claims ${count} ${what}, wanted at most ${most} and room for them in the file`);
    }
    return count;
  }

  /** A key or the name of a tensor. */
  name(): string {
    return this.#text(MAX_NAME_BYTES);
  }

  value(): GgufValue {
    const type = this.#type();
    return type === "array" ? this.#array() : this.scalar(type);
  }

  scalar(type: Exclude<ValueType, "array">): number | boolean | string {
    if (type === "string") return this.#text(this.fileBytes);
    const at = this.#take(NUMBER_BYTES[type]);
    return type === "bool" ? this.#bytes[at] !== 0 : NUMBER_READERS[type](this.#view, at);
  }

  #array(): GgufArray {
    const element = this.#type();
    if (element === "array") throw this.corrupt("it has a list of lists, wanted plain lists");
    const count = this.count(
      "list elements",
      Number.MAX_SAFE_INTEGER,
      element === "string" ? 8 : NUMBER_BYTES[element],
    );
    const start = this.at;
    if (element !== "string") this.#take(count * NUMBER_BYTES[element]);
    else for (let i = 0; i < count; i++) this.#take(this.#length(this.fileBytes));
    return { element, count, start, end: this.at };
  }

  #text(mostBytes: number): string {
    const length = this.#length(mostBytes);
    const at = this.#take(length);
    return decodeUtf8(this.#bytes.subarray(at, at + length));
  }

  #length(most: number): number {
    const length = this.u64();
    if (length > most) throw this.corrupt(`it has a text of ${length} bytes, wanted at most ${most}`);
    return length;
  }

  #type(): ValueType {
    const number = this.u32();
    const type = VALUE_TYPES[number];
    if (type === undefined) throw this.corrupt(`it has a value of the unknown type ${number}`);
    return type;
  }

  #take(length: number): number {
    const at = this.at;
    if (at + length > this.fileBytes) {
      throw this.corrupt(`the file ends at byte ${this.fileBytes} inside its header; fetch it again`);
    }
    if (at + length > this.#bytes.length) throw new TooShort();
    this.at += length;
    return at;
  }
}

const NUMBER_READERS: Readonly<Record<NumberType, (view: DataView, at: number) => number>> = {
  u8: (view, at) => view.getUint8(at),
  i8: (view, at) => view.getInt8(at),
  u16: (view, at) => view.getUint16(at, true),
  i16: (view, at) => view.getInt16(at, true),
  u32: (view, at) => view.getUint32(at, true),
  i32: (view, at) => view.getInt32(at, true),
  f32: (view, at) => view.getFloat32(at, true),
  u64: (view, at) => Number(view.getBigUint64(at, true)),
  i64: (view, at) => Number(view.getBigInt64(at, true)),
  f64: (view, at) => view.getFloat64(at, true),
};
