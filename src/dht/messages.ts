/**
 * Messages of hivemind's DHT (`dht.proto`). Ids and values stay bytes: what is wrong with one entry must not spoil the
 * others. `auth` fields (`auth.proto`) are unset in open swarms; they are skipped when read and never written.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import { ProtoMessage, ProtoWriter } from "../base/protobuf.ts";

/** Who speaks. An empty `nodeId` says: a client, not to be added to tables. `undefined`: the field was not sent. */
export type NodeInfo = { readonly nodeId: Uint8Array } | undefined;

/** Asks for the callee's id and time; with `validate` also whether it can call back. */
export interface PingRequest {
  readonly peer: NodeInfo;
  readonly validate: boolean;
}

/** `dhtTime` is Unix seconds, 0 when unset. */
export interface PingResponse {
  readonly peer: NodeInfo;
  readonly dhtTime: number;
  readonly available: boolean;
}

/** Five lists that belong together by index; lengths are as sent. `expirations` are Unix seconds. */
export interface StoreRequest {
  readonly keys: readonly Uint8Array[];
  /** `c0` for a plain value, empty for a whole dictionary, else a packed subkey. */
  readonly subkeys: readonly Uint8Array[];
  readonly values: readonly Uint8Array[];
  readonly expirations: readonly number[];
  readonly inCache: readonly boolean[];
  readonly peer: NodeInfo;
}

/** One answer for each key. */
export interface StoreResponse {
  readonly stored: readonly boolean[];
  readonly peer: NodeInfo;
}

/** Keys looked for. */
export interface FindRequest {
  readonly keys: readonly Uint8Array[];
  readonly peer: NodeInfo;
}

/** What a node knows of one key. */
export interface FindResult {
  readonly kind: "none" | "value" | "dictionary";
  readonly value: Uint8Array;
  /** Unix seconds. */
  readonly expiration: number;
  /** Lists of equal length as sent by honest peers. Peer ids are multihash bytes. */
  readonly nearestNodeIds: readonly Uint8Array[];
  readonly nearestPeerIds: readonly Uint8Array[];
}

/** One result for each key. */
export interface FindResponse {
  readonly results: readonly FindResult[];
  readonly peer: NodeInfo;
}

const readNode = (message: ProtoMessage, field: number): NodeInfo =>
  message.has(field) ? { nodeId: message.message(field).bytes(1) } : undefined;

function writeNode(writer: ProtoWriter, field: number, node: NodeInfo): ProtoWriter {
  if (node === undefined) return writer;
  const body = new ProtoWriter();
  if (node.nodeId.length > 0) body.bytes(1, node.nodeId);
  return writer.bytes(field, body.finish());
}

const isZero = (value: number) => Object.is(value, 0);

/** Bytes of a ping request. */
export function encodePingRequest(request: PingRequest): Bytes {
  const writer = writeNode(new ProtoWriter(), 2, request.peer);
  return (request.validate ? writer.uint(3, 1) : writer).finish();
}

/** Reads a ping request. Throws `NodeError` `malformed`. */
export function decodePingRequest(bytes: Uint8Array): PingRequest {
  const message = ProtoMessage.decode(bytes);
  return { peer: readNode(message, 2), validate: message.uint(3) !== 0 };
}

/** Bytes of a ping response. */
export function encodePingResponse(response: PingResponse): Bytes {
  const writer = writeNode(new ProtoWriter(), 2, response.peer);
  if (!isZero(response.dhtTime)) writer.double(4, response.dhtTime);
  return (response.available ? writer.uint(5, 1) : writer).finish();
}

/** Reads a ping response. Throws `NodeError` `malformed`. */
export function decodePingResponse(bytes: Uint8Array): PingResponse {
  const message = ProtoMessage.decode(bytes);
  return { peer: readNode(message, 2), dhtTime: message.double(4), available: message.uint(5) !== 0 };
}

/** Bytes of a store request. */
export function encodeStoreRequest(request: StoreRequest): Bytes {
  const writer = new ProtoWriter()
    .repeatedBytes(2, request.keys)
    .repeatedBytes(3, request.subkeys)
    .repeatedBytes(4, request.values)
    .packedDouble(5, request.expirations)
    .packedUint(6, request.inCache.map(Number));
  return writeNode(writer, 7, request.peer).finish();
}

/** Reads a store request; lists may differ in length. Throws `NodeError` `malformed`, `too_large`. */
export function decodeStoreRequest(bytes: Uint8Array): StoreRequest {
  const message = ProtoMessage.decode(bytes);
  return {
    keys: message.repeatedBytes(2),
    subkeys: message.repeatedBytes(3),
    values: message.repeatedBytes(4),
    expirations: message.repeatedDouble(5),
    inCache: message.repeatedUint(6).map((value) => value !== 0),
    peer: readNode(message, 7),
  };
}

/** Bytes of a store response. */
export function encodeStoreResponse(response: StoreResponse): Bytes {
  return writeNode(new ProtoWriter().packedUint(2, response.stored.map(Number)), 3, response.peer).finish();
}

/** Reads a store response. Throws `NodeError` `malformed`. */
export function decodeStoreResponse(bytes: Uint8Array): StoreResponse {
  const message = ProtoMessage.decode(bytes);
  return { stored: message.repeatedUint(2).map((value) => value !== 0), peer: readNode(message, 3) };
}

/** Bytes of a find request. */
export function encodeFindRequest(request: FindRequest): Bytes {
  return writeNode(new ProtoWriter().repeatedBytes(2, request.keys), 3, request.peer).finish();
}

/** Reads a find request. Throws `NodeError` `malformed`, `too_large`. */
export function decodeFindRequest(bytes: Uint8Array): FindRequest {
  const message = ProtoMessage.decode(bytes);
  return { keys: message.repeatedBytes(2), peer: readNode(message, 3) };
}

const KINDS = ["none", "value", "dictionary"] as const;

/** Bytes of one result, as they lie in a find response. */
export function encodeFindResult(result: FindResult): Bytes {
  const writer = new ProtoWriter();
  if (result.kind !== "none") writer.uint(1, KINDS.indexOf(result.kind));
  if (result.value.length > 0) writer.bytes(2, result.value);
  if (!isZero(result.expiration)) writer.double(3, result.expiration);
  return writer.repeatedBytes(4, result.nearestNodeIds).repeatedBytes(5, result.nearestPeerIds).finish();
}

/** Bytes of a find response whose results are encoded already. */
export function encodeFindResponse(results: readonly Uint8Array[], peer: NodeInfo): Bytes {
  return writeNode(new ProtoWriter().repeatedBytes(2, results), 3, peer).finish();
}

/** Reads a find response. Throws `NodeError` `malformed`, `too_large`. */
export function decodeFindResponse(bytes: Uint8Array): FindResponse {
  const message = ProtoMessage.decode(bytes);
  return { results: message.repeatedBytes(2).map(decodeFindResult), peer: readNode(message, 3) };
}

function decodeFindResult(bytes: Uint8Array): FindResult {
  const message = ProtoMessage.decode(bytes);
  const kind = KINDS[message.uint(1)];
  if (kind === undefined) {
    throw new NodeError("malformed", `Cannot read find result: type ${message.uint(1)}, wanted 0 to 2`);
  }
  return {
    kind,
    value: message.bytes(2),
    expiration: message.double(3),
    nearestNodeIds: message.repeatedBytes(4),
    nearestPeerIds: message.repeatedBytes(5),
  };
}
