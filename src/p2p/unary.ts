/**
 * Hivemind's unary calls as they lie on a stream: a length-prefixed `PersistentConnectionRequest` of go-libp2p-daemon
 * (v0.5.0.hivemind1, `p2pd.proto`) each way. Pure: bytes in, frames out.
 *
 * @module
 */
import { concatBytes, decodeUtf8 } from "../base/bytes.ts";
import { type ErrorCode, messageOf, NodeError } from "../base/errors.ts";
import { peerIdFromBytes, peerIdToBytes } from "../base/peer_id.ts";
import { ProtoMessage, ProtoWriter } from "../base/protobuf.ts";
import type { PeerId } from "../base/tensor.ts";
import { decodeUvarint, encodeUvarint } from "../base/uvarint.ts";
import { ByteQueue } from "./byte_queue.ts";
import { MAX_UNARY_BYTES } from "./constants.ts";

/** A request: whom it is for, what is asked. The caller is whoever holds the connection. */
export interface UnaryRequest {
  readonly callId: Uint8Array;
  readonly peer: PeerId;
  readonly method: string;
  readonly data: Uint8Array;
}

/** What may come over a unary stream. */
export type UnaryFrame =
  | ({ readonly kind: "request" } & UnaryRequest)
  | { readonly kind: "response"; readonly callId: Uint8Array; readonly data: Uint8Array }
  | { readonly kind: "error"; readonly callId: Uint8Array; readonly message: string }
  | { readonly kind: "other"; readonly callId: Uint8Array };

/** Bytes of a request. `peer`, `proto` and `data` are proto2 `required`: written also when empty. */
export function encodeUnaryRequest({ callId, peer, method, data }: UnaryRequest): Uint8Array {
  const call = new ProtoWriter().bytes(1, peerIdToBytes(peer)).text(2, method).bytes(3, data).finish();
  return framed(new ProtoWriter().bytes(1, callId).bytes(3, call).finish());
}

/** Bytes of an answer. */
export function encodeUnaryResponse(callId: Uint8Array, data: Uint8Array): Uint8Array {
  return framed(
    new ProtoWriter().bytes(1, callId).bytes(4, new ProtoWriter().bytes(1, data).finish()).finish(),
  );
}

/** Bytes of a failure; `message` in the words of {@linkcode pythonRepr}. */
export function encodeUnaryError(callId: Uint8Array, message: string): Uint8Array {
  return framed(
    new ProtoWriter().bytes(1, callId).bytes(4, new ProtoWriter().text(2, message).finish()).finish(),
  );
}

function framed(body: Uint8Array): Uint8Array {
  const frame = concatBytes(encodeUvarint(body.length), body);
  if (body.length > MAX_UNARY_BYTES) {
    throw new NodeError(
      "too_large",
      `Cannot send a unary message of ${body.length} bytes, the most is ${MAX_UNARY_BYTES}`,
    );
  }
  return frame;
}

/** Cuts frames out of a stream. */
export class UnaryReader {
  readonly #queue = new ByteQueue();

  /** Bytes of a frame that is not complete. */
  get pending(): number {
    return this.#queue.length;
  }

  /** The next frame once it is whole. Throws `NodeError` `too_large`, `malformed`. */
  push(chunk: Uint8Array): UnaryFrame | undefined {
    this.#queue.push(chunk);
    const head = decodeUvarint(this.#queue.peek(10));
    if (head === undefined) return undefined;
    if (head.value > MAX_UNARY_BYTES) {
      throw new NodeError(
        "too_large",
        `Cannot read a unary message of ${head.value} bytes, the most is ${MAX_UNARY_BYTES}`,
      );
    }
    if (this.#queue.length < head.next + head.value) return undefined;
    return decodeFrame(this.#queue.take(head.next + head.value).subarray(head.next));
  }
}

function decodeFrame(body: Uint8Array): UnaryFrame {
  const message = ProtoMessage.decode(body);
  const callId = message.bytes(1);
  if (message.has(3)) {
    const call = message.message(3);
    const peer = call.bytes(1);
    return {
      kind: "request",
      callId,
      peer: peer.length === 0 ? "" : peerIdFromBytes(peer),
      method: call.text(2),
      data: call.bytes(3),
    };
  }
  if (!message.has(4)) return { kind: "other", callId };
  const answer = message.message(4);
  return answer.has(2)
    ? { kind: "error", callId, message: decodeUtf8(answer.bytes(2)) }
    : { kind: "response", callId, data: answer.bytes(1) };
}

/** Python's class for our codes; a stock caller only shows the text. */
const PYTHON_CLASS: Partial<Record<ErrorCode, string>> = {
  not_found: "KeyError",
  malformed: "ValueError",
  too_large: "ValueError",
  unsupported: "ValueError",
};

/**
 * An error as Python's `repr` writes it, which is what hivemind puts on the wire.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(pythonRepr(new Error("it's 1\n")), `RuntimeError("it's 1\\n")`);
 * ```
 */
export function pythonRepr(error: unknown): string {
  const name = (error instanceof NodeError ? PYTHON_CLASS[error.code] : undefined) ?? "RuntimeError";
  const text = messageOf(error).replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  const quoted = text.includes("'") && !text.includes('"') ? `"${text}"` : `'${text.replaceAll("'", "\\'")}'`;
  return `${name}(${quoted})`;
}
