/**
 * Frames between the node and its engine process. Pure: bytes in, frames out.
 *
 * ```text
 * u32 bytes that follow the first 8 · u32 of them header · header, JSON, spaces to a multiple of 8 · payload
 * ```
 *
 * Little-endian. Values in the payload are aligned, so that they are used where they lie.
 *
 * @module
 */
import { type Bytes, concatBytes, decodeUtf8, encodeUtf8, viewOf } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";

const PREFACE_BYTES = 8;
/** What we allow; the longest header names the rows of a batch. */
export const MAX_HEADER_BYTES: number = 1 << 20;
/** What we allow; a step of 8192 tokens of width 16384 with prompts as long has a quarter of it. */
export const MAX_PAYLOAD_BYTES: number = 2 ** 31;
/** A frame claims its length before it is there: so much is believed at once. */
const TRUSTED_BYTES = 4 << 20;
/** Payloads below this go out in one write with their header. */
const JOINED_BYTES = 64 << 10;

/** What one side tells the other. */
export interface Frame {
  /** Any JSON value: whoever reads it checks it. */
  readonly header: unknown;
  /** Begins at a multiple of 8 in its buffer. */
  readonly payload: Bytes;
}

/**
 * Bytes to write, one after another; large parts are not copied. Throws `RangeError` for what no reader would take.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { concatBytes, toHex } from "../base/bytes.ts";
 *
 * const frame = concatBytes(...encodeFrame({ id: 1 }, [new Float32Array([1])]));
 * assertEquals(toHex(frame), "0c00000008000000" + "7b226964223a317d" + "0000803f");
 * ```
 */
export function encodeFrame(header: unknown, parts: readonly ArrayBufferView<ArrayBuffer>[] = []): Bytes[] {
  const text = encodeUtf8(JSON.stringify(header));
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const payloadBytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  if (headerBytes > MAX_HEADER_BYTES || payloadBytes > MAX_PAYLOAD_BYTES) {
    throw new RangeError(`Cannot send a header of ${headerBytes} bytes and ${payloadBytes} bytes of values`);
  }
  const head = new Uint8Array(PREFACE_BYTES + headerBytes).fill(0x20);
  const view = viewOf(head);
  view.setUint32(0, headerBytes + payloadBytes, true);
  view.setUint32(4, headerBytes, true);
  head.set(text, PREFACE_BYTES);
  const pieces = [
    head,
    ...parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength)),
  ];
  return payloadBytes <= JOINED_BYTES ? [concatBytes(...pieces)] : pieces;
}

/** Puts frames together from bytes in pieces of any size. */
export class FrameReader {
  readonly #preface = new Uint8Array(PREFACE_BYTES);
  #prefaceFilled = 0;
  #body: Bytes | undefined;
  #bodyBytes = 0;
  #headerBytes = 0;
  #filled = 0;

  /** Bytes of an unfinished frame that are here. */
  get pending(): number {
    return this.#prefaceFilled + this.#filled;
  }

  /** Frames completed by `chunk`, in order. Throws `NodeError` `malformed`, `too_large`; the stream is lost then. */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at < chunk.length;) {
      if (this.#body === undefined) {
        at += this.#readPreface(chunk.subarray(at));
        if (this.#prefaceFilled === PREFACE_BYTES) this.#begin();
      } else {
        at += this.#readBody(chunk.subarray(at));
      }
      if (this.#body !== undefined && this.#filled === this.#bodyBytes) frames.push(this.#finish());
    }
    return frames;
  }

  #readPreface(chunk: Uint8Array): number {
    const taken = chunk.subarray(0, PREFACE_BYTES - this.#prefaceFilled);
    this.#preface.set(taken, this.#prefaceFilled);
    this.#prefaceFilled += taken.length;
    return taken.length;
  }

  #begin(): void {
    const view = viewOf(this.#preface);
    this.#bodyBytes = view.getUint32(0, true);
    this.#headerBytes = view.getUint32(4, true);
    if (this.#headerBytes > this.#bodyBytes || this.#headerBytes % 8 !== 0 || this.#headerBytes === 0) {
      throw malformed(`a header of ${this.#headerBytes} bytes in a frame of ${this.#bodyBytes}`);
    }
    if (this.#headerBytes > MAX_HEADER_BYTES || this.#bodyBytes - this.#headerBytes > MAX_PAYLOAD_BYTES) {
      throw new NodeError(
        "too_large",
        `Cannot read a frame of ${this.#bodyBytes} bytes, wanted at most ${MAX_PAYLOAD_BYTES}`,
      );
    }
    this.#body = new Uint8Array(Math.min(this.#bodyBytes, TRUSTED_BYTES));
    this.#filled = 0;
  }

  #readBody(chunk: Uint8Array): number {
    const taken = chunk.subarray(0, this.#bodyBytes - this.#filled);
    const needed = this.#filled + taken.length;
    if (needed > this.#body!.length) {
      const grown = new Uint8Array(Math.min(this.#bodyBytes, Math.max(needed, 2 * this.#body!.length)));
      grown.set(this.#body!.subarray(0, this.#filled));
      this.#body = grown;
    }
    this.#body!.set(taken, this.#filled);
    this.#filled = needed;
    return taken.length;
  }

  #finish(): Frame {
    const body = this.#body!;
    this.#body = undefined;
    this.#prefaceFilled = 0;
    this.#filled = 0;
    return {
      header: parse(decodeUtf8(body.subarray(0, this.#headerBytes))),
      payload: body.subarray(this.#headerBytes),
    };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed("its header is not JSON", error);
  }
}

/** Single precision values of a payload, where they lie. Throws `NodeError` `malformed` for a part of a value. */
export function floatsOf(payload: Bytes): Float32Array<ArrayBuffer> {
  if (payload.length % 4 !== 0) throw malformed(`${payload.length} bytes of values, wanted a multiple of 4`);
  return new Float32Array(payload.buffer, payload.byteOffset, payload.length / 4);
}

const malformed = (what: string, cause?: unknown) =>
  new NodeError("malformed", `Cannot read a frame of the engine process: ${what}`, { cause });
