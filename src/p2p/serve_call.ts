/**
 * The callee's side of a call: owns the stream, knows the framings, knows no method.
 *
 * @module
 */
import { type Deadline, openFirstOf, orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { ByteShare } from "./byte_budget.ts";
import { type Channel, endChannel, receiveWithin, sendAll } from "./channel.ts";
import {
  FIRST_MESSAGE_MS,
  HALF_CLOSED_MS,
  LEAVING_LINGER_MS,
  LINGER_MS,
  MID_MESSAGE_MS,
  STREAM_IDLE_MS,
} from "./constants.ts";
import type { StreamHandler, UnaryHandler } from "./rpc.ts";
import { encodeStreamError, encodeStreamMessage, type StreamEvent, StreamReader } from "./stream.ts";
import {
  encodeUnaryError,
  encodeUnaryResponse,
  pythonRepr,
  UnaryReader,
  type UnaryRequest,
} from "./unary.ts";

/** What a call is served with. */
export interface Callee {
  readonly world: World;
  /** Aborts when the node stops, with the words its callers get. */
  readonly leaving: AbortSignal;
  /** Called when the first request of the call is whole. */
  readonly begun: () => void;
}

/** Answers one unary call and sees its stream to the end. Never throws. */
export async function serveUnaryCall(callee: Callee, channel: Channel, handler: UnaryHandler): Promise<void> {
  using share = channel.budget.open(channel.peer);
  try {
    const request = await readRequest(callee, channel, share);
    if (request === undefined) {
      return channel.abort(new NodeError("malformed", "The stream ended before a request"));
    }
    callee.begun();
    using left = openLeft(callee, channel);
    let answer: Uint8Array;
    try {
      const reply = await orAbort(
        handler(request.data, { peer: channel.peer, signal: left.signal }),
        left.signal,
      );
      answer = encodeUnaryResponse(request.callId, reply);
    } catch (error) {
      answer = encodeUnaryError(request.callId, pythonRepr(error));
    }
    share.hold(answer.length);
    await sendAll(callee.world.clock, channel, answer);
    await finish(callee, channel);
  } catch (error) {
    channel.abort(asError(error));
  }
}

/** Aborts when nobody waits for the answer any more: the caller is gone or long silent, or the node stops. */
function openLeft({ world, leaving }: Callee, channel: Channel): Deadline {
  const patience = new AbortController();
  const done = new AbortController();
  const wait = () =>
    world.clock.sleep(HALF_CLOSED_MS, done.signal).then(
      () => patience.abort(new NodeError("unreachable", `Cannot answer ${channel.peer}: it left`)),
      () => {},
    );
  if (channel.ended.aborted) wait();
  else channel.ended.addEventListener("abort", wait, { once: true });
  const first = openFirstOf(channel.gone, leaving, patience.signal);
  return {
    signal: first.signal,
    [Symbol.dispose]() {
      channel.ended.removeEventListener("abort", wait);
      done.abort();
      first[Symbol.dispose]();
    },
  };
}

async function readRequest(
  callee: Callee,
  channel: Channel,
  share: ByteShare,
): Promise<UnaryRequest | undefined> {
  const reader = new UnaryReader();
  while (true) {
    const chunk = await receiveWithin(callee.world.clock, channel, {
      ms: MID_MESSAGE_MS,
      what: "read a request",
    });
    if (chunk === undefined) return undefined;
    const frame = reader.push(chunk);
    // the request counts as long as its handler works on it
    share.hold(frame?.kind === "request" ? frame.data.length : reader.pending);
    if (frame?.kind === "request") return frame;
    if (frame !== undefined) throw new NodeError("malformed", `Cannot answer a frame of kind ${frame.kind}`);
  }
}

/** Runs one call of many messages to its end. Never throws. */
export async function serveStreamCall(
  callee: Callee,
  channel: Channel,
  handler: StreamHandler,
): Promise<void> {
  using requests = channel.budget.open(channel.peer);
  using answer = channel.budget.open(channel.peer);
  using left = openLeft(callee, channel);
  let replies: AsyncIterator<Uint8Array> | undefined;
  try {
    try {
      const context = { peer: channel.peer, signal: left.signal };
      replies = handler(readRequests(callee, channel, requests), context)[Symbol.asyncIterator]();
      while (true) {
        const next = await orAbort(replies.next(), left.signal);
        if (next.done) break;
        answer.hold(next.value.length);
        await sendAll(callee.world.clock, channel, encodeStreamMessage(next.value));
        answer.hold(0);
      }
    } catch (error) {
      // a stock client waits 180 s for a stream that only ends: an error frame comes first
      await sendAll(callee.world.clock, channel, encodeStreamError(messageOf(error)));
    } finally {
      // a handler that waits for an engine may take its time; nobody waits for it here
      replies?.return?.().catch(() => {});
    }
    await finish(callee, channel);
  } catch (error) {
    channel.abort(asError(error));
  }
}

/** Messages until the caller's end, its error, its leaving or its silence. */
async function* readRequests(callee: Callee, channel: Channel, share: ByteShare): AsyncGenerator<Uint8Array> {
  const reader = new StreamReader();
  let patience = { ms: FIRST_MESSAGE_MS, what: "read the first message" };
  while (true) {
    const chunk = await receiveWithin(callee.world.clock, channel, reader.pending === 0 ? patience : REST);
    if (chunk === undefined) {
      if (reader.pending === 0) return;
      throw new NodeError("malformed", "Cannot read a message: the stream ended inside it");
    }
    const events = reader.push(chunk);
    let held = events.reduce((sum, event) => sum + sizeOf(event), reader.pending);
    for (const event of events) {
      if (patience.ms === FIRST_MESSAGE_MS) callee.begun();
      share.hold(held);
      if (event.kind === "end") return;
      yield messageIn(event);
      held -= sizeOf(event); // it counts as long as its handler works on it
    }
    share.hold(reader.pending);
    if (events.length > 0) patience = { ms: STREAM_IDLE_MS, what: "read the next message" };
  }
}

const REST = { ms: MID_MESSAGE_MS, what: "read the rest of a message" };
const sizeOf = (event: StreamEvent) => event.kind === "message" ? event.body.length : 0;

/** The body of a message; throws the other side's words for an error. */
export function messageIn(event: Exclude<StreamEvent, { kind: "end" }>): Uint8Array {
  if (event.kind === "message") return event.body;
  throw new NodeError("remote", event.message === "" ? "the peer failed without words" : event.message);
}

/** Ends a call that was answered: the caller's end frame may still come. */
function finish(callee: Callee, channel: Channel): Promise<void> {
  const { world, leaving } = callee;
  return leaving.aborted
    ? endChannel(world.clock, channel, LEAVING_LINGER_MS)
    : endChannel(world.clock, channel, LINGER_MS, leaving);
}

const asError = (error: unknown): Error => error instanceof Error ? error : new Error(String(error));
