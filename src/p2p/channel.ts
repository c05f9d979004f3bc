/**
 * Bytes both ways between two peers, as the owners of calls see a stream.
 *
 * @module
 */
import { openDeadline, orAbort } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { Clock } from "../base/world.ts";
import { MAX_PENDING_BYTES, SEND_STALL_MS } from "./constants.ts";

/** A stream of one call. Nothing here frames messages. */
export interface Channel {
  /** The other side. */
  readonly peer: PeerId;
  /** Aborts with a `NodeError` when the stream is gone: closed by both, reset, or the connection lost. */
  readonly gone: AbortSignal;
  /** Hands bytes over; resolves when more may follow. Throws `NodeError` `unreachable` when the stream is gone. */
  send(bytes: Uint8Array): Promise<void>;
  /** The next bytes, in memory of their own; `undefined` when the other side sends no more. */
  receive(): Promise<Uint8Array | undefined>;
  /** Says that no more bytes come from here. */
  closeWrite(): Promise<void>;
  /** Ends the stream at once. */
  abort(reason: Error): void;
}

/** Sends with a limit on how long the other side may take no bytes. Throws as `send`, and `timeout`. */
export async function sendAll(clock: Clock, channel: Channel, bytes: Uint8Array): Promise<void> {
  using stall = openDeadline(clock, SEND_STALL_MS, `send to ${channel.peer}`);
  await orAbort(channel.send(bytes), stall.signal);
}

/** Bytes that may still come before a limit. Throws as `receive`, and `timeout`. */
export async function receiveWithin(
  clock: Clock,
  channel: Channel,
  limit: { readonly ms: number; readonly what: string },
): Promise<Uint8Array | undefined> {
  using late = openDeadline(clock, limit.ms, limit.what);
  return await orAbort(channel.receive(), late.signal);
}

/** Counts the bytes of unfinished messages over all streams of a node. */
export class PendingBytes {
  #bytes = 0;

  /** Notes that a stream now holds `after` bytes where it held `before`. Throws `NodeError` `busy` above the limit. */
  change(before: number, after: number): void {
    this.#bytes += after - before;
    if (after > before && this.#bytes > MAX_PENDING_BYTES) {
      throw new NodeError(
        "busy",
        `Cannot take a message: unfinished ones hold ${MAX_PENDING_BYTES} bytes, try again later`,
      );
    }
  }
}
