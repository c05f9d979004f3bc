/**
 * Bytes both ways between two peers, as the owners of calls see a stream.
 *
 * @module
 */
import { openDeadline, orAbort } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { Clock } from "../base/world.ts";
import type { ByteBudget } from "./byte_budget.ts";
import { SEND_PIECE_BYTES, SEND_STALL_MS } from "./constants.ts";

/** A stream of one call. Nothing here frames messages. */
export interface Channel {
  /** The other side. */
  readonly peer: PeerId;
  /** What is held for the other side counts here. */
  readonly budget: ByteBudget;
  /** Aborts with a `NodeError` when the stream is gone: closed by both, reset, or the connection lost. */
  readonly gone: AbortSignal;
  /** Aborts when the other side sends no more; what it sent may still wait to be received. */
  readonly ended: AbortSignal;
  /**
   * Hands bytes over, which must not be changed afterwards. `false` when `drained` is to be awaited before more.
   * Throws `NodeError` `unreachable` when the stream is gone.
   */
  send(bytes: Uint8Array): boolean;
  /** Resolves when more may be sent. Throws `NodeError` `unreachable` when the stream is gone. */
  drained(): Promise<void>;
  /**
   * The next bytes, in memory of their own; `undefined` when the other side sends no more. Throws `NodeError`
   * `unreachable` for a lost stream, `busy` when more came than may be held.
   */
  receive(): Promise<Uint8Array | undefined>;
  /** Says that no more bytes come from here; resolves when all have left. */
  closeWrite(): Promise<void>;
  /** Ends the stream at once. */
  abort(reason: Error): void;
}

/** Sends, piece by piece, with a limit on how long the other side may take none. Throws as `send`, and `timeout`. */
export async function sendAll(clock: Clock, channel: Channel, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += SEND_PIECE_BYTES) {
    if (channel.send(bytes.subarray(at, at + SEND_PIECE_BYTES))) continue;
    using stall = openDeadline(clock, SEND_STALL_MS, `send to ${channel.peer}`);
    await orAbort(channel.drained(), stall.signal);
  }
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

/**
 * Closes our side at once, waits at most `ms` for the other's end, which may still send, and lets the stream go.
 * Never throws. `hurry` ends the wait earlier.
 */
export async function endChannel(
  clock: Clock,
  channel: Channel,
  ms: number,
  hurry?: AbortSignal,
): Promise<void> {
  using late = openDeadline(clock, ms, "end a stream", hurry);
  const ended = async () => {
    await channel.closeWrite();
    for (let more = await channel.receive(); more !== undefined;) more = await channel.receive();
  };
  await orAbort(ended(), late.signal).catch(() => {});
  channel.abort(new NodeError("aborted", "The call is over"));
}
