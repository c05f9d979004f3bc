/**
 * MessagePack (msgpack.org specification) with the extension types of hivemind's `MSGPackSerializer`: tuples travel as
 * extension 0x40, Python floats always as float 64.
 *
 * @module
 */
import { type Bytes, concatBytes, decodeUtf8, encodeUtf8, viewOf } from "./bytes.ts";
import { NodeError } from "./errors.ts";

/** Extension code of a Python tuple; its body is a packed array. */
export const TUPLE_CODE = 0x40;
/** Deepest nesting read; hivemind's records need 6. */
const MAX_DEPTH = 32;

/** A Python float: packed as float 64 also when it is whole. */
export class Float {
  constructor(readonly value: number) {}
}
/** A Python tuple. */
export class Tuple {
  constructor(readonly items: readonly Packable[]) {}
}
/** Any other extension value, body undecoded. */
export class Extension {
  constructor(readonly code: number, readonly body: Uint8Array) {}
}
/** Bytes that are packed already and go out as they are. */
export class Packed {
  constructor(readonly bytes: Uint8Array) {}
}

/** What can be packed. Plain numbers must be integers: wrap floats. Objects and maps keep their order. */
export type Packable =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Float
  | Tuple
  | Extension
  | Packed
  | readonly Packable[]
  | ReadonlyMap<Packable, Packable>
  | { readonly [key: string]: Packable };

/** `new Tuple(items)`, short. */
export const tuple = (...items: readonly Packable[]): Tuple => new Tuple(items);

/**
 * Packs a value as hivemind does.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { toHex } from "./bytes.ts";
 *
 * assertEquals(toHex(pack("a")), "a161");
 * assertEquals(toHex(pack(tuple("a", 1))), "d64092a16101"); // golden vector of hivemind 1.1.12
 * assertEquals(toHex(pack(new Float(10))), "cb4024000000000000");
 * ```
 */
export function pack(value: Packable): Bytes {
  const parts: Uint8Array[] = [];
  write(value, parts);
  return concatBytes(...parts);
}

function write(value: Packable, out: Uint8Array[]): void {
  if (value === null || value === undefined) out.push(Uint8Array.of(0xc0));
  else if (typeof value === "boolean") out.push(Uint8Array.of(value ? 0xc3 : 0xc2));
  else if (typeof value === "number" || typeof value === "bigint") out.push(packInteger(value));
  else if (typeof value === "string") writeSized(encodeUtf8(value), out, 0xa0, 32, [0xd9, 0xda, 0xdb]);
  else if (value instanceof Uint8Array) writeSized(value, out, 0, 0, [0xc4, 0xc5, 0xc6]);
  else if (value instanceof Float) out.push(number(0xcb, 8, (view) => view.setFloat64(1, value.value)));
  else if (value instanceof Packed) out.push(value.bytes);
  else if (value instanceof Tuple) writeExtension(new Extension(TUPLE_CODE, pack(value.items)), out);
  else if (value instanceof Extension) writeExtension(value, out);
  else if (Array.isArray(value)) {
    out.push(header(value.length, 0x90, 16, [undefined, 0xdc, 0xdd]));
    for (const item of value) write(item, out);
  } else {
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    out.push(header(entries.length, 0x80, 16, [undefined, 0xde, 0xdf]));
    for (const [key, item] of entries) {
      write(key, out);
      write(item, out);
    }
  }
}

function writeSized(
  body: Uint8Array,
  out: Uint8Array[],
  fix: number,
  fixLimit: number,
  tags: SizeTags,
): void {
  out.push(header(body.length, fix, fixLimit, tags), body);
}

function writeExtension({ code, body }: Extension, out: Uint8Array[]): void {
  const fixed = [1, 2, 4, 8, 16].indexOf(body.length);
  if (fixed >= 0) out.push(Uint8Array.of(0xd4 + fixed, code), body);
  else out.push(header(body.length, 0, 0, [0xc7, 0xc8, 0xc9]), Uint8Array.of(code), body);
}

/** Tags for lengths of one, two and four bytes; arrays and maps have none of one byte. */
type SizeTags = readonly [number | undefined, number, number];

function header(length: number, fix: number, fixLimit: number, [tag8, tag16, tag32]: SizeTags): Uint8Array {
  if (length < fixLimit) return Uint8Array.of(fix | length);
  if (tag8 !== undefined && length < 0x100) return Uint8Array.of(tag8, length);
  if (length < 0x10000) return number(tag16, 2, (view) => view.setUint16(1, length));
  return number(tag32, 4, (view) => view.setUint32(1, length));
}

function number(tag: number, size: number, set: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(1 + size);
  bytes[0] = tag;
  set(viewOf(bytes));
  return bytes;
}

function packInteger(value: number | bigint): Uint8Array {
  if (typeof value === "number" && !Number.isInteger(value)) {
    throw new TypeError(`Cannot pack ${value}: plain numbers are integers, wrap floats in Float`);
  }
  const big = BigInt(value);
  const small = Number(big);
  if (big >= 0n) {
    if (big < 0x80n) return Uint8Array.of(small);
    if (big < 0x100n) return Uint8Array.of(0xcc, small);
    if (big < 0x10000n) return number(0xcd, 2, (view) => view.setUint16(1, small));
    if (big < 0x100000000n) return number(0xce, 4, (view) => view.setUint32(1, small));
    return number(0xcf, 8, (view) => view.setBigUint64(1, big));
  }
  if (big >= -0x20n) return Uint8Array.of(small & 0xff);
  if (big >= -0x80n) return number(0xd0, 1, (view) => view.setInt8(1, small));
  if (big >= -0x8000n) return number(0xd1, 2, (view) => view.setInt16(1, small));
  if (big >= -0x80000000n) return number(0xd2, 4, (view) => view.setInt32(1, small));
  return number(0xd3, 8, (view) => view.setBigInt64(1, big));
}

/** How {@linkcode unpack} gives floats: as plain numbers, or wrapped so that packing again gives the same bytes. */
export interface UnpackOptions {
  readonly floats?: "plain" | "wrapped";
}

/**
 * Reads exactly one value. Maps come as `Map`, tuples as {@linkcode Tuple}, bytes as views.
 * Throws `NodeError` `malformed` for what is cut off, nested deeper than 32 or followed by more bytes.
 */
export function unpack(bytes: Uint8Array, options: UnpackOptions = {}): Packable {
  const reader = new MsgpackReader(bytes, options);
  const value = reader.value();
  if (reader.offset !== bytes.length) {
    throw malformed(`${bytes.length - reader.offset} bytes follow the value`);
  }
  return value;
}

/** Reads values one after another; for bodies whose parts are kept packed (DHT dictionaries). */
export class MsgpackReader {
  offset = 0;
  #depth = 0;
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array, readonly options: UnpackOptions = {}, depth = 0) {
    this.#view = viewOf(bytes);
    this.#depth = depth;
  }

  /** The next value. Throws `NodeError` `malformed`. */
  value(): Packable {
    if (++this.#depth > MAX_DEPTH) throw malformed(`it is nested deeper than ${MAX_DEPTH}`);
    const value = this.#read();
    this.#depth--;
    return value;
  }

  /** The bytes of the next value, packed. */
  packed(): Uint8Array {
    const start = this.offset;
    this.value();
    return this.bytes.subarray(start, this.offset);
  }

  /** The number of items of an array whose header comes next; its items follow. Throws `malformed` for another kind. */
  arrayLength(): number {
    const tag = this.#uint(1);
    if ((tag & 0xf0) === 0x90) return tag & 15;
    if (tag === 0xdc) return this.#uint(2);
    if (tag === 0xdd) return this.#uint(4);
    throw malformed(`tag ${tag.toString(16)} where an array should begin`);
  }

  #read(): Packable {
    const tag = this.#uint(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.#map(tag & 15);
    if (tag < 0xa0) return this.#list(tag & 15);
    if (tag < 0xc0) return decodeUtf8(this.#take(tag & 31));
    if (tag >= 0xe0) return tag - 0x100;
    return this.#tagged(tag);
  }

  #tagged(tag: number): Packable {
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#uint(1 << (tag - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (tag - 0xc7)));
      case 0xca:
        return this.#float(this.#view.getFloat32(this.#skip(4)));
      case 0xcb:
        return this.#float(this.#view.getFloat64(this.#skip(8)));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (tag - 0xcc));
      case 0xcf:
        return narrow(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return narrow(this.#view.getBigInt64(this.#skip(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (tag - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return decodeUtf8(this.#take(this.#uint(1 << (tag - 0xd9))));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#uint(2 << (tag - 0xdc)));
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (tag - 0xde)));
      default:
        throw malformed(`tag ${tag.toString(16)}`);
    }
  }

  #skip(length: number): number {
    if (length > this.bytes.length - this.offset) throw malformed("it is cut off");
    this.offset += length;
    return this.offset - length;
  }

  #take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.bytes.subarray(start, start + length);
  }

  #uint(size: number): number {
    const at = this.#skip(size);
    return size === 1
      ? this.#view.getUint8(at)
      : size === 2
      ? this.#view.getUint16(at)
      : this.#view.getUint32(at);
  }

  #float(value: number): Packable {
    return this.options.floats === "wrapped" ? new Float(value) : value;
  }

  #list(length: number): Packable[] {
    if (length > this.bytes.length - this.offset) throw malformed(`an array of ${length} in fewer bytes`);
    const items: Packable[] = [];
    for (let i = 0; i < length; i++) items.push(this.value());
    return items;
  }

  #map(length: number): Map<Packable, Packable> {
    if (2 * length > this.bytes.length - this.offset) throw malformed(`a map of ${length} in fewer bytes`);
    const map = new Map<Packable, Packable>();
    for (let i = 0; i < length; i++) {
      const key = this.value();
      map.set(key, this.value());
    }
    return map;
  }

  #extension(length: number): Packable {
    const code = this.#view.getInt8(this.#skip(1));
    const body = this.#take(length);
    if (code !== TUPLE_CODE) return new Extension(code, body);
    const inner = new MsgpackReader(body, this.options, this.#depth);
    const items = inner.value();
    if (!Array.isArray(items) || inner.offset !== body.length) {
      throw malformed("a tuple that is not one array");
    }
    return new Tuple(items);
  }
}

const narrow = (value: bigint): Packable => {
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
};
const malformed = (what: string) =>
  new NodeError("malformed", `Cannot unpack value: ${what}, wanted valid msgpack`);
