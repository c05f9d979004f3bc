/**
 * The caller's side of a call: owns the stream, knows the framings, knows no method.
 *
 * @module
 */
import { concatBytes } from "../base/bytes.ts";
import { orAbort } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { type Channel, sendAll } from "./channel.ts";
import { CALL_ID_BYTES } from "./constants.ts";
import type { RpcStream } from "./rpc.ts";
import { encodeSelect, SelectReader } from "./select.ts";
import { messageIn } from "./serve_call.ts";
import { encodeStreamMessage, END_OF_REQUESTS, type StreamEvent, StreamReader } from "./stream.ts";
import { encodeUnaryRequest, UnaryReader } from "./unary.ts";

/**
 * One unary call over a fresh stream: protocol and request leave in one write. Ends the stream in every case.
 * Throws `NodeError`: `refused`, `remote`, `malformed`, `too_large`, `unreachable`, and the reason of `signal`.
 */
export async function makeUnaryCall(
  world: World,
  channel: Channel,
  call: { readonly method: string; readonly data: Uint8Array },
  signal: AbortSignal,
): Promise<Uint8Array> {
  try {
    const callId = world.random(CALL_ID_BYTES);
    const request = encodeUnaryRequest({ callId, peer: channel.peer, method: call.method, data: call.data });
    await orAbort(sendAll(world.clock, channel, concatBytes(encodeSelect(call.method), request)), signal);
    const answer = await orAbort(readAnswer(channel, call.method), signal);
    // only now: a half-close before the reply reads as "the caller left" (hivemind's p2pd)
    channel.closeWrite().catch(() => {});
    return answer;
  } catch (error) {
    channel.abort(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

async function readAnswer(channel: Channel, method: string): Promise<Uint8Array> {
  const select = new SelectReader(method);
  const reader = new UnaryReader();
  while (true) {
    const chunk = await channel.receive();
    if (chunk === undefined) throw endedEarly(method, channel);
    const frame = reader.push(select.push(chunk));
    if (frame === undefined) continue;
    if (frame.kind === "response") return frame.data;
    if (frame.kind === "error") throw new NodeError("remote", frame.message);
    throw new NodeError("malformed", `Cannot call ${method}: the answer is a frame of kind ${frame.kind}`);
  }
}

/** A call of many messages over a fresh stream. `signal` ends all of it. */
export function makeStreamCall(
  world: World,
  channel: Channel,
  method: string,
  signal: AbortSignal,
): RpcStream {
  const select = new SelectReader(method);
  const reader = new StreamReader();
  const events: StreamEvent[] = [];
  let proposal: Uint8Array = encodeSelect(method);
  const stop = () => channel.abort(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  signal.addEventListener("abort", stop, { once: true });
  const put = async (bytes: Uint8Array) => {
    signal.throwIfAborted();
    const first = proposal;
    proposal = new Uint8Array(0);
    await orAbort(
      sendAll(world.clock, channel, first.length === 0 ? bytes : concatBytes(first, bytes)),
      signal,
    );
  };
  const next = async (): Promise<Uint8Array | undefined> => {
    while (events.length === 0) {
      const chunk = await channel.receive();
      if (chunk === undefined) {
        if (!select.done || reader.pending > 0) throw endedEarly(method, channel);
        return undefined;
      }
      events.push(...reader.push(select.push(chunk)));
    }
    const event = events.shift()!;
    return event.kind === "end" ? undefined : messageIn(event);
  };
  return {
    send: (message) => put(encodeStreamMessage(message)),
    endRequests: () => put(END_OF_REQUESTS),
    receive: (until) => orAbort(next(), AbortSignal.any([signal, until])),
    async [Symbol.asyncDispose]() {
      signal.removeEventListener("abort", stop);
      if (channel.gone.aborted) return;
      await channel.closeWrite().catch(() => {});
      channel.abort(new NodeError("aborted", "The call is over"));
    },
  };
}

const endedEarly = (method: string, channel: Channel) =>
  new NodeError(
    "unreachable",
    `Cannot call ${method} at ${channel.peer}: the stream ended without an answer`,
  );
