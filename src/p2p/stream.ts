/**
 * Hivemind's calls of many messages as they lie on a stream: a marker byte, 8 bytes of big-endian length, a body
 * (hivemind 1.1.12, `p2p/p2p_daemon.py`). Pure: bytes in, events out.
 *
 * @module
 */
import { concatBytes, viewOf } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import { ProtoMessage, ProtoWriter } from "../base/protobuf.ts";
import { ByteQueue } from "./byte_queue.ts";
import { MAX_STREAM_MESSAGE_BYTES } from "./constants.ts";

/** What comes over a stream. `end` says that no more requests come; an `error` carries the other side's words. */
export type StreamEvent =
  | { readonly kind: "message"; readonly body: Uint8Array<ArrayBuffer> }
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "end" };

const MESSAGE = 0;
const ERROR = 1;
const HEADER_BYTES = 9;

function framed(marker: number, body: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = marker;
  viewOf(header).setBigUint64(1, BigInt(body.length));
  return concatBytes(header, body);
}

/** Bytes of one message. Throws `NodeError` `too_large`. */
export function encodeStreamMessage(body: Uint8Array): Uint8Array {
  if (body.length > MAX_STREAM_MESSAGE_BYTES) throw tooLarge("send", body.length);
  return framed(MESSAGE, body);
}

/** Bytes of a failure. Throws `RangeError` for an empty text: those bytes mean the end of requests. */
export function encodeStreamError(message: string): Uint8Array {
  if (message === "") throw new RangeError("Cannot encode an error without words");
  return framed(ERROR, new ProtoWriter().text(1, message).finish());
}

/** Bytes that say "no more requests": an error without words. */
export const END_OF_REQUESTS: Uint8Array = framed(ERROR, new Uint8Array(0));

/** Cuts events out of a stream. */
export class StreamReader {
  readonly #queue = new ByteQueue();

  /** Bytes of a message that is not complete. */
  get pending(): number {
    return this.#queue.length;
  }

  /** Events completed by `chunk`, in order. Throws `NodeError` `too_large`, `malformed`; nothing may be pushed then. */
  push(chunk: Uint8Array): StreamEvent[] {
    this.#queue.push(chunk);
    const events: StreamEvent[] = [];
    while (this.#queue.length >= HEADER_BYTES) {
      const header = this.#queue.peek(HEADER_BYTES);
      const marker = header[0]!;
      if (marker !== MESSAGE && marker !== ERROR) {
        throw new NodeError("malformed", `Cannot read a stream message: marker ${marker}, wanted 0 or 1`);
      }
      const length = Number(viewOf(header).getBigUint64(1));
      if (length > MAX_STREAM_MESSAGE_BYTES) throw tooLarge("read", length);
      if (this.#queue.length < HEADER_BYTES + length) break;
      this.#queue.take(HEADER_BYTES);
      events.push(eventOf(marker, this.#queue.take(length)));
    }
    return events;
  }
}

function eventOf(marker: number, body: Uint8Array<ArrayBuffer>): StreamEvent {
  if (marker === MESSAGE) return { kind: "message", body };
  if (body.length === 0) return { kind: "end" };
  return { kind: "error", message: ProtoMessage.decode(body).text(1) };
}

const tooLarge = (act: string, length: number) =>
  new NodeError(
    "too_large",
    `Cannot ${act} a message of ${length} bytes, the most is ${MAX_STREAM_MESSAGE_BYTES}`,
  );
