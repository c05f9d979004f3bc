/**
 * Remote procedures between peers, as the rooms above see them. Payloads are bytes; no schema is known here.
 *
 * @module
 */
import type { PeerId } from "../base/tensor.ts";

/** Who calls, and until when. */
export interface RpcContext {
  readonly peer: PeerId;
  /** Aborts when the caller leaves, the stream resets or the node stops. */
  readonly signal: AbortSignal;
}

/**
 * One request, one reply. What it throws reaches the caller as Python's `repr` would write it: a `NodeError` `not_found`
 * as `KeyError('…')`, `malformed`, `too_large` and `unsupported` as `ValueError('…')`, all else as `RuntimeError('…')`.
 */
export type UnaryHandler = (request: Uint8Array, context: RpcContext) => Promise<Uint8Array>;

/**
 * Request messages in, reply messages out. The requests end with the caller's end frame; what it throws reaches the
 * caller as an error frame. Leaving the iteration of requests early is allowed.
 */
export type StreamHandler = (
  requests: AsyncIterable<Uint8Array>,
  context: RpcContext,
) => AsyncIterable<Uint8Array>;

/** A call of many messages. Disposing it closes the stream. */
export interface RpcStream extends AsyncDisposable {
  /** Sends one request message. The first one carries the protocol with it: no round trip of its own. */
  send(message: Uint8Array): Promise<void>;
  /** The next reply; `undefined` when the callee closed. Throws `NodeError` `remote` for an error frame. */
  receive(signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Tells the callee that no more requests come. */
  endRequests(): Promise<void>;
}

/**
 * Both of hivemind's RPC kinds. Method names are hivemind's, such as `DHTProtocol.rpc_find`.
 * Calls throw `NodeError`: `unreachable`, `refused` (unknown protocol), `remote` (the handler's own words), `timeout`,
 * `malformed`, `too_large`, `aborted`.
 */
export interface Rpc {
  readonly self: PeerId;
  /** Serves `method` until disposed. Throws `RangeError` when the name is taken. */
  serveUnary(method: string, handler: UnaryHandler): Disposable;
  /** Serves `method` until disposed. Throws `RangeError` when the name is taken. */
  serveStream(method: string, handler: StreamHandler): Disposable;
  /** One call on one fresh stream, one round trip on a warm connection. */
  callUnary(peer: PeerId, method: string, request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  /** Opens a stream to `peer`; `signal` ends the whole call. */
  callStream(peer: PeerId, method: string, signal: AbortSignal): Promise<RpcStream>;
}
