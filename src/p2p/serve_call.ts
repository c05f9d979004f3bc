/**
 * The callee's side of a call: owns the stream, knows the framings, knows no method.
 *
 * @module
 */
import { openDeadline, orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { type Channel, PendingBytes, receiveWithin, sendAll } from "./channel.ts";
import { LEAVING_LINGER_MS, LINGER_MS, MID_MESSAGE_MS } from "./constants.ts";
import type { StreamHandler, UnaryHandler } from "./rpc.ts";
import { encodeStreamError, encodeStreamMessage, type StreamEvent, StreamReader } from "./stream.ts";
import {
  encodeUnaryError,
  encodeUnaryResponse,
  pythonRepr,
  UnaryReader,
  type UnaryRequest,
} from "./unary.ts";

/** What all calls of a node share. */
export interface Callee {
  readonly world: World;
  readonly pending: PendingBytes;
  /** Aborts when the node stops, with the words its callers get. */
  readonly leaving: AbortSignal;
}

/** Answers one unary call and sees its stream to the end. Never throws. */
export async function serveUnaryCall(callee: Callee, channel: Channel, handler: UnaryHandler): Promise<void> {
  try {
    const request = await readRequest(callee, channel);
    if (request === undefined) {
      return channel.abort(new NodeError("malformed", "The stream ended before a request"));
    }
    const signal = AbortSignal.any([channel.gone, callee.leaving]);
    let answer: Uint8Array;
    try {
      const reply = await orAbort(handler(request.data, { peer: channel.peer, signal }), signal);
      answer = encodeUnaryResponse(request.callId, reply);
    } catch (error) {
      if (channel.gone.aborted) return;
      answer = encodeUnaryError(request.callId, pythonRepr(error));
    }
    await sendAll(callee.world.clock, channel, answer);
    await finish(callee, channel);
  } catch (error) {
    channel.abort(asError(error));
  }
}

async function readRequest(callee: Callee, channel: Channel): Promise<UnaryRequest | undefined> {
  const reader = new UnaryReader();
  let held = 0;
  try {
    while (true) {
      const chunk = await receiveWithin(callee.world.clock, channel, {
        ms: MID_MESSAGE_MS,
        what: "read a request",
      });
      if (chunk === undefined) return undefined;
      const frame = reader.push(chunk);
      callee.pending.change(held, reader.pending);
      held = reader.pending;
      if (frame?.kind === "request") return frame;
      if (frame !== undefined) {
        throw new NodeError("malformed", `Cannot answer a frame of kind ${frame.kind}`);
      }
    }
  } finally {
    callee.pending.change(held, 0);
  }
}

/** Runs one call of many messages to its end. Never throws. */
export async function serveStreamCall(
  callee: Callee,
  channel: Channel,
  handler: StreamHandler,
): Promise<void> {
  const left = AbortSignal.any([channel.gone, callee.leaving]);
  const replies = handler(readRequests(callee, channel), { peer: channel.peer, signal: left })
    [Symbol.asyncIterator]();
  try {
    try {
      while (true) {
        const next = await orAbort(replies.next(), left);
        if (next.done) break;
        await sendAll(callee.world.clock, channel, encodeStreamMessage(next.value));
      }
    } catch (error) {
      // a stock client waits 180 s for a stream that only ends: an error frame comes first
      if (!channel.gone.aborted) {
        await sendAll(callee.world.clock, channel, encodeStreamError(messageOf(error)));
      }
    } finally {
      // a handler that waits for an engine may take its time; nobody waits for it here
      replies.return?.().catch(() => {});
    }
    await finish(callee, channel);
  } catch (error) {
    channel.abort(asError(error));
  }
}

/** Messages until the caller's end, its error or its leaving. A caller that stops inside a message is a time-out. */
async function* readRequests(callee: Callee, channel: Channel): AsyncGenerator<Uint8Array> {
  const reader = new StreamReader();
  let held = 0;
  try {
    while (true) {
      const chunk = held === 0 ? await channel.receive() : await receiveWithin(callee.world.clock, channel, {
        ms: MID_MESSAGE_MS,
        what: "read the rest of a message",
      });
      if (chunk === undefined) {
        if (held > 0) throw new NodeError("malformed", "Cannot read a message: the stream ended inside it");
        return;
      }
      const events = reader.push(chunk);
      callee.pending.change(held, reader.pending);
      held = reader.pending;
      for (const event of events) {
        if (event.kind === "end") return;
        yield messageIn(event);
      }
    }
  } finally {
    callee.pending.change(held, 0);
  }
}

/** The body of a message; throws the other side's words for an error. */
export function messageIn(event: Exclude<StreamEvent, { kind: "end" }>): Uint8Array {
  if (event.kind === "message") return event.body;
  throw new NodeError("remote", event.message === "" ? "the peer failed without words" : event.message);
}

/** Closes our side at once and waits a little for the other's: its end frame may still come. */
async function finish(callee: Callee, channel: Channel): Promise<void> {
  await channel.closeWrite();
  const drained = (async () => {
    for (let more = await channel.receive(); more !== undefined;) more = await channel.receive();
  })();
  const ms = callee.leaving.aborted ? LEAVING_LINGER_MS : LINGER_MS;
  using late = openDeadline(
    callee.world.clock,
    ms,
    "end a stream",
    callee.leaving.aborted ? undefined : callee.leaving,
  );
  await orAbort(drained, late.signal).catch(() => {});
  channel.abort(new NodeError("aborted", "The call is over"));
}

const asError = (error: unknown): Error => error instanceof Error ? error : new Error(String(error));
