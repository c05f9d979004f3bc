/**
 * The protobuf wire format (protobuf.dev/programming-guides/encoding), bounded: every length is checked against what
 * is left. Why not a generated codec: docs/decisions/protobuf.md.
 *
 * @module
 */
import { concatBytes, decodeUtf8, encodeUtf8, viewOf } from "./bytes.ts";
import { NodeError } from "./errors.ts";
import { decodeUvarint, encodeUvarint } from "./uvarint.ts";

/** A field as it lay on the wire: a varint, the 8 or 4 bytes of a fixed number, or a length-delimited view. */
type Field =
  | { readonly wire: "varint"; readonly value: number }
  | { readonly wire: "fixed64" | "fixed32" | "bytes"; readonly value: Uint8Array };

/** A decoded message of no schema. Views into the message's bytes, not copies. Wrong wire types are `malformed`. */
export class ProtoMessage {
  readonly #fields: ReadonlyMap<number, readonly Field[]>;

  private constructor(fields: ReadonlyMap<number, readonly Field[]>) {
    this.#fields = fields;
  }

  /** Splits `bytes` into fields. At most `maxFields` of them. Throws `NodeError` `malformed`, `too_large`. */
  static decode(bytes: Uint8Array, maxFields = 200_000): ProtoMessage {
    const fields = new Map<number, Field[]>();
    let at = 0;
    let count = 0;
    const varint = (): number => {
      const read = decodeUvarint(bytes, at);
      if (read === undefined) throw cutOff();
      at = read.next;
      return read.value;
    };
    const take = (length: number): Uint8Array => {
      if (length > bytes.length - at) throw cutOff();
      at += length;
      return bytes.subarray(at - length, at);
    };
    while (at < bytes.length) {
      const tag = varint();
      const number = Math.floor(tag / 8);
      if (number < 1 || number > 0x1fffffff) throw malformed(`field number ${number}`);
      if (++count > maxFields) {
        throw new NodeError("too_large", `Cannot decode message: more than ${maxFields} fields`);
      }
      const field = readField(tag % 8, varint, take);
      const list = fields.get(number);
      if (list === undefined) fields.set(number, [field]);
      else list.push(field);
    }
    return new ProtoMessage(fields);
  }

  /** Whether the field was written at all. */
  has(number: number): boolean {
    return this.#fields.has(number);
  }

  /** The last value of a `bytes` field (also a nested message), empty when unset. */
  bytes(number: number): Uint8Array {
    return this.bytesOrUndefined(number) ?? new Uint8Array(0);
  }

  /** The last value of a `bytes` field. */
  bytesOrUndefined(number: number): Uint8Array | undefined {
    const field = this.#fields.get(number)?.at(-1);
    if (field === undefined) return undefined;
    if (field.wire !== "bytes") throw malformed(`field ${number} is not length-delimited`);
    return field.value;
  }

  /** Every value of a repeated `bytes` field. */
  repeatedBytes(number: number): readonly Uint8Array[] {
    return (this.#fields.get(number) ?? []).map((field) => {
      if (field.wire !== "bytes") throw malformed(`field ${number} is not length-delimited`);
      return field.value;
    });
  }

  /** A `string` field, empty when unset. */
  text(number: number): string {
    return decodeUtf8(this.bytes(number));
  }

  /** A nested message, empty when unset. */
  message(number: number): ProtoMessage {
    return ProtoMessage.decode(this.bytes(number));
  }

  /** An unsigned integer, an enum or a bool, 0 when unset. Signed negatives come out as 2^64 − n, inexactly. */
  uint(number: number): number {
    const field = this.#fields.get(number)?.at(-1);
    if (field === undefined) return 0;
    if (field.wire !== "varint") throw malformed(`field ${number} is not a varint`);
    return field.value;
  }

  /** Every value of a repeated varint field, packed or not. */
  repeatedUint(number: number): number[] {
    const values: number[] = [];
    for (const field of this.#fields.get(number) ?? []) {
      if (field.wire === "varint") values.push(field.value);
      else if (field.wire === "bytes") unpackVarints(field.value, values);
      else throw malformed(`field ${number} is not a varint`);
    }
    return values;
  }

  /** A double, 0 when unset. */
  double(number: number): number {
    return this.repeatedDouble(number).at(-1) ?? 0;
  }

  /** Every value of a repeated double field, packed or not. */
  repeatedDouble(number: number): number[] {
    const values: number[] = [];
    for (const field of this.#fields.get(number) ?? []) {
      if (field.wire !== "fixed64" && field.wire !== "bytes") {
        throw malformed(`field ${number} is not a double`);
      }
      if (field.value.length % 8 !== 0) throw malformed(`packed doubles of ${field.value.length} bytes`);
      const view = viewOf(field.value);
      for (let i = 0; i < field.value.length; i += 8) values.push(view.getFloat64(i, true));
    }
    return values;
  }
}

function readField(wire: number, varint: () => number, take: (length: number) => Uint8Array): Field {
  switch (wire) {
    case 0:
      return { wire: "varint", value: varint() };
    case 1:
      return { wire: "fixed64", value: take(8) };
    case 2:
      return { wire: "bytes", value: take(varint()) };
    case 5:
      return { wire: "fixed32", value: take(4) };
    default:
      throw malformed(`wire type ${wire}`);
  }
}

function unpackVarints(bytes: Uint8Array, into: number[]): void {
  for (let at = 0; at < bytes.length;) {
    const read = decodeUvarint(bytes, at);
    if (read === undefined) throw cutOff();
    into.push(read.value);
    at = read.next;
  }
}

const malformed = (what: string) =>
  new NodeError("malformed", `Cannot decode message: ${what}, wanted valid protobuf`);
const cutOff = () => malformed("it is cut off");

/**
 * Writes fields in the order of the calls. Nothing is left out: proto3 defaults are the caller's to skip.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new ProtoWriter().uint(1, 150).text(2, "hi").finish();
 * assertEquals(bytes, Uint8Array.of(8, 0x96, 1, 0x12, 2, 0x68, 0x69));
 * assertEquals(ProtoMessage.decode(bytes).uint(1), 150);
 * ```
 */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = [];

  /** A `bytes` field or nested message. */
  bytes(field: number, value: Uint8Array): this {
    this.#parts.push(encodeUvarint(field * 8 + 2), encodeUvarint(value.length), value);
    return this;
  }

  /** Each value as a field of its own. */
  repeatedBytes(field: number, values: readonly Uint8Array[]): this {
    for (const value of values) this.bytes(field, value);
    return this;
  }

  /** A `string` field. */
  text(field: number, value: string): this {
    return this.bytes(field, encodeUtf8(value));
  }

  /** A varint field: unsigned, enum or bool. */
  uint(field: number, value: number): this {
    this.#parts.push(encodeUvarint(field * 8), encodeUvarint(value));
    return this;
  }

  /** A packed repeated varint field; nothing when empty. */
  packedUint(field: number, values: readonly number[]): this {
    return values.length === 0 ? this : this.bytes(field, concatBytes(...values.map(encodeUvarint)));
  }

  /** A float field (single precision). */
  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    viewOf(bytes).setFloat32(0, value, true);
    this.#parts.push(encodeUvarint(field * 8 + 5), bytes);
    return this;
  }

  /** A double field. */
  double(field: number, value: number): this {
    this.#parts.push(encodeUvarint(field * 8 + 1), doubles([value]));
    return this;
  }

  /** A packed repeated double field; nothing when empty. */
  packedDouble(field: number, values: readonly number[]): this {
    return values.length === 0 ? this : this.bytes(field, doubles(values));
  }

  /** The message. */
  finish(): Uint8Array<ArrayBuffer> {
    return concatBytes(...this.#parts);
  }
}

function doubles(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = viewOf(bytes);
  values.forEach((value, i) => view.setFloat64(8 * i, value, true));
  return bytes;
}
