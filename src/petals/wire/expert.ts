/**
 * Messages of `TransformerConnectionHandler`: `ExpertUID`, `ExpertInfo`, `ExpertRequest`, `ExpertResponse` of
 * hivemind's `runtime.proto`.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { ProtoMessage, ProtoWriter } from "../../base/protobuf.ts";

/** Fields of one message: a uid, metadata and a few tensors or parts. */
const MAX_FIELDS = 4096;
/** Uids of a request: 1000 blocks of a long prefix. */
const MAX_UID_BYTES = 256 << 10;
/** Metadata of a request; `next_servers` of a long chain needs a few kilobytes. */
const MAX_METADATA_BYTES = 256 << 10;

/** What callers send. Tensors are `runtime.Tensor` messages, metadata is msgpack, empty for none. */
export interface ExpertRequest {
  /** Block uids joined by spaces; empty, together with no tensors, ends an inference session. */
  readonly uid: string;
  readonly tensors: readonly Uint8Array[];
  readonly metadata: Uint8Array;
}

/** Tensors of a reply, and metadata as msgpack, which stock servers leave out. */
export interface ExpertResponse {
  readonly tensors: readonly Uint8Array[];
  readonly metadata?: Uint8Array | undefined;
}

/** Reads a request; its parts are views. Throws `NodeError` `malformed`, `too_large`. */
export function decodeExpertRequest(bytes: Uint8Array): ExpertRequest {
  const message = ProtoMessage.decode(bytes, MAX_FIELDS);
  const metadata = message.bytes(3);
  const uid = message.bytes(1);
  requireAtMost("uids", uid.length, MAX_UID_BYTES);
  requireAtMost("metadata", metadata.length, MAX_METADATA_BYTES);
  return { uid: message.text(1), tensors: message.repeatedBytes(2), metadata };
}

/**
 * Writes a request; empty fields are left out, as protobuf 3 does.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(encodeExpertRequest(END_OF_SESSION).length, 0);
 * ```
 */
export function encodeExpertRequest({ uid, tensors, metadata }: ExpertRequest): Uint8Array<ArrayBuffer> {
  const writer = new ProtoWriter();
  if (uid !== "") writer.text(1, uid);
  writer.repeatedBytes(2, tensors);
  if (metadata.length > 0) writer.bytes(3, metadata);
  return writer.finish();
}

/** The request by which a client ends its session. */
export const END_OF_SESSION: ExpertRequest = { uid: "", tensors: [], metadata: new Uint8Array(0) };

/** Reads a reply. Throws `NodeError` `malformed`, `too_large`. */
export function decodeExpertResponse(bytes: Uint8Array): ExpertResponse {
  const message = ProtoMessage.decode(bytes, MAX_FIELDS);
  const metadata = message.bytes(3);
  requireAtMost("metadata", metadata.length, MAX_METADATA_BYTES);
  return { tensors: message.repeatedBytes(2), ...(metadata.length > 0 && { metadata }) };
}

/** Writes a reply. */
export function encodeExpertResponse({ tensors, metadata }: ExpertResponse): Uint8Array<ArrayBuffer> {
  const writer = new ProtoWriter().repeatedBytes(2, tensors);
  if (metadata !== undefined) writer.bytes(3, metadata);
  return writer.finish();
}

/** The uid that `rpc_info` is asked about, empty for the server as a whole. Throws `NodeError` `malformed`. */
export function decodeExpertUid(bytes: Uint8Array): string {
  const message = ProtoMessage.decode(bytes, MAX_FIELDS);
  requireAtMost("uids", message.bytes(1).length, MAX_UID_BYTES);
  return message.text(1);
}

/** Writes an `ExpertUID`. */
export const encodeExpertUid = (uid: string): Uint8Array<ArrayBuffer> =>
  uid === "" ? new Uint8Array(0) : new ProtoWriter().text(1, uid).finish();

/** The packed map of an `ExpertInfo`. Throws `NodeError` `malformed`. */
export const decodeExpertInfo = (bytes: Uint8Array): Uint8Array => ProtoMessage.decode(bytes, 16).bytes(1);

/** Writes an `ExpertInfo`. */
export const encodeExpertInfo = (packed: Uint8Array): Uint8Array<ArrayBuffer> =>
  new ProtoWriter().bytes(1, packed).finish();

function requireAtMost(what: string, bytes: number, limit: number): void {
  if (bytes > limit) {
    throw new NodeError(
      "too_large",
      `Cannot read request: ${bytes} bytes of ${what}, wanted at most ${limit}`,
    );
  }
}
