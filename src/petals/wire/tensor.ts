/**
 * `runtime.Tensor` of hivemind's protobuf: whole, or cut into parts for a stream.
 *
 * @module
 */
import { concatBytes } from "../../base/bytes.ts";
import { NodeError } from "../../base/errors.ts";
import { ProtoMessage, ProtoWriter } from "../../base/protobuf.ts";
import { DTYPE_BYTES, elementsOf, type Tensor } from "../../base/tensor.ts";
import { compress, type Compression, compressionOf, COMPRESSIONS, decompress } from "./compression.ts";

/** Sizes are `uint32` on the wire; nobody sends more axes than a few. */
const MAX_SIZE = 0xffffffff;
const MAX_RANK = 8;
/** Bytes of elements in one part of a stream, so that a message with its frame stays well below hivemind's 4 MiB. */
export const PART_BYTES = 2 << 20;
/** Bytes of elements of one request: 8192 tokens of 8192 float32 values, and its prompts. */
export const MAX_REQUEST_BYTES = 384 << 20;

/** Tensors and parts of one request. Petals sends two or three tensors; hivemind's default part is 64 KiB. */
const MAX_TENSORS = 16;
const MAX_PARTS = 65_536;

/** A tensor's message, elements still compressed. `buffer` is a view of the message. */
export interface TensorMessage {
  readonly buffer: Uint8Array;
  readonly shape: readonly number[];
  readonly requiresGrad: boolean;
  /** As torch writes it; empty in the later parts of a streamed tensor. */
  readonly dtype: string;
  readonly compression: Compression;
}

/** Splits a message into its fields. Throws `NodeError` `malformed`, `unsupported`. */
export function parseTensor(bytes: Uint8Array): TensorMessage {
  const message = ProtoMessage.decode(bytes, 64);
  const shape = message.repeatedUint(2);
  if (shape.length > MAX_RANK) throw malformed(`${shape.length} axes, wanted at most ${MAX_RANK}`);
  if (shape.some((size) => size > MAX_SIZE)) throw malformed(`shape [${shape}], wanted 32-bit sizes`);
  return {
    buffer: message.bytes(1),
    shape,
    requiresGrad: message.uint(3) !== 0,
    dtype: message.text(4),
    compression: compressionOf(message.uint(5)),
  };
}

/**
 * The tensor of a message. Its elements may take up to `maxBytes`.
 * Throws `NodeError` `malformed`, `unsupported`, `too_large`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const ids = { dtype: "int64", shape: [1], data: Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0) } as const;
 * assertEquals(decodeTensor(encodeTensor(ids)), ids);
 * ```
 */
export function decodeTensor(bytes: Uint8Array, maxBytes = MAX_REQUEST_BYTES): Tensor {
  const message = parseTensor(bytes);
  return elementsIn(message, message.buffer, maxBytes);
}

function elementsIn(message: TensorMessage, buffer: Uint8Array, maxBytes: number): Tensor {
  const { dtype, shape, compression } = message;
  if (!isDType(dtype)) {
    throw new NodeError("unsupported", `Cannot read tensor: type ${JSON.stringify(dtype.slice(0, 40))}`);
  }
  const bytes = elementsOf(shape) * DTYPE_BYTES[dtype];
  if (bytes > maxBytes) throw tooLarge(bytes, maxBytes);
  return decompress(buffer, { dtype, shape }, compression);
}

const isDType = (name: string): name is Tensor["dtype"] => Object.hasOwn(DTYPE_BYTES, name);

/** The message of a tensor. Throws `NodeError` `unsupported` for what the compression refuses. */
export function encodeTensor(tensor: Tensor, compression: Compression = "NONE"): Uint8Array<ArrayBuffer> {
  return writeTensor(compress(tensor, compression), tensor, compression, 0);
}

/** Fields in hivemind's order; proto3 leaves defaults out. `chunks` 0 stands for a whole tensor. */
function writeTensor(
  buffer: Uint8Array,
  { shape, dtype }: Tensor,
  compression: Compression,
  chunks: number,
): Uint8Array<ArrayBuffer> {
  const writer = new ProtoWriter();
  if (buffer.length > 0) writer.bytes(1, buffer);
  writer.packedUint(2, shape).text(4, dtype);
  const number = COMPRESSIONS.indexOf(compression);
  if (number > 0) writer.uint(5, number);
  if (chunks > 0) writer.uint(6, chunks);
  return writer.finish();
}

/** Messages of at most `partBytes` of elements; the first one says what the tensor is, the others only go on. */
export function splitTensor(
  tensor: Tensor,
  compression: Compression = "NONE",
  partBytes = PART_BYTES,
): Uint8Array<ArrayBuffer>[] {
  const buffer = compress(tensor, compression);
  const chunks = Math.ceil(buffer.length / partBytes);
  const parts = [writeTensor(buffer.subarray(0, partBytes), tensor, compression, chunks)];
  for (let at = partBytes; at < buffer.length; at += partBytes) {
    parts.push(new ProtoWriter().bytes(1, buffer.subarray(at, at + partBytes)).finish());
  }
  return parts;
}

/** Puts streamed tensors together. Holds no more than `maxBytes` of elements in all, and decodes only at the end. */
export class TensorJoiner {
  readonly #tensors: { readonly first: TensorMessage; readonly buffers: Uint8Array[] }[] = [];
  #parts = 0;
  #bytes = 0;

  constructor(readonly maxBytes = MAX_REQUEST_BYTES) {}

  /** Takes a part: one with a type begins a tensor. Throws `NodeError` `malformed`, `unsupported`, `too_large`. */
  push(part: Uint8Array): void {
    const message = parseTensor(part);
    this.#bytes += message.buffer.length;
    if (this.#bytes > this.maxBytes) throw tooLarge(this.#bytes, this.maxBytes);
    if (++this.#parts > MAX_PARTS) throw tooMany("parts", MAX_PARTS);
    if (message.dtype !== "") {
      if (this.#tensors.length === MAX_TENSORS) throw tooMany("tensors", MAX_TENSORS);
      this.#tensors.push({ first: message, buffers: [message.buffer] });
    } else {
      const last = this.#tensors.at(-1);
      if (last === undefined) throw malformed("a part without a type, wanted one that begins a tensor");
      last.buffers.push(message.buffer);
    }
  }

  /** All tensors, in order. Throws as {@linkcode push} does. */
  finish(): readonly Tensor[] {
    let leftBytes = this.maxBytes;
    return this.#tensors.map(({ first, buffers }) => {
      const buffer = buffers.length === 1 ? buffers[0]! : concatBytes(...buffers);
      const tensor = elementsIn(first, buffer, leftBytes);
      leftBytes -= tensor.data.length;
      return tensor;
    });
  }
}

/** Whole tensors of one request, `maxBytes` of elements in all. Throws as {@linkcode decodeTensor} does. */
export function decodeTensors(messages: readonly Uint8Array[], maxBytes: number): readonly Tensor[] {
  const joiner = new TensorJoiner(maxBytes);
  for (const message of messages) joiner.push(message);
  if (messages.some((message) => parseTensor(message).dtype === "")) {
    throw malformed("a tensor without a type, wanted whole ones");
  }
  return joiner.finish();
}

const malformed = (what: string) => new NodeError("malformed", `Cannot read tensor: ${what}`);
const tooLarge = (bytes: number, limit: number) =>
  new NodeError("too_large", `Cannot read tensor: ${bytes} bytes of elements, wanted at most ${limit}`);
const tooMany = (what: string, limit: number) =>
  new NodeError("too_large", `Cannot read request: it has more ${what} than ${limit}`);
