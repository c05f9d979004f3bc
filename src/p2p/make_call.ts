/**
 * The caller's side of a call: owns the stream, knows the framings, knows no method.
 *
 * @module
 */
import { concatBytes } from "../base/bytes.ts";
import { openFirstOf, orAbort } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import { Lane } from "../base/lane.ts";
import type { World } from "../base/world.ts";
import type { ByteShare } from "./byte_budget.ts";
import { type Channel, endChannel, sendAll } from "./channel.ts";
import { CALL_ID_BYTES, LINGER_MS } from "./constants.ts";
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
    // only now: a half-close before the reply reads as "the caller left" (hivemind's p2pd). It never throws
    void endChannel(world.clock, channel, LINGER_MS);
    return answer;
  } catch (error) {
    channel.abort(asError(error));
    throw error;
  }
}

async function readAnswer(channel: Channel, method: string): Promise<Uint8Array> {
  using share = channel.budget.open(channel.peer);
  const select = new SelectReader(method);
  const reader = new UnaryReader();
  while (true) {
    const chunk = await channel.receive();
    if (chunk === undefined) throw endedEarly(method, channel);
    const frame = reader.push(select.push(chunk));
    share.hold(reader.pending);
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
  return new StreamCall(world, channel, method, signal);
}

class StreamCall implements RpcStream {
  readonly #select: SelectReader;
  readonly #reader = new StreamReader();
  readonly #share: ByteShare;
  readonly #events: StreamEvent[] = [];
  readonly #stop: () => void;
  readonly #sends = new Lane();
  #proposal: Uint8Array;
  /** The wait for the next reply. It outlives a `receive` that gave up, so that no reply is lost. */
  #waiting: Promise<Uint8Array | undefined> | undefined;
  #ended = false;

  constructor(
    readonly world: World,
    readonly channel: Channel,
    readonly method: string,
    readonly signal: AbortSignal,
  ) {
    this.#select = new SelectReader(method);
    this.#proposal = encodeSelect(method);
    this.#share = channel.budget.open(channel.peer);
    this.#stop = () => channel.abort(asError(signal.reason));
    signal.addEventListener("abort", this.#stop, { once: true });
    if (signal.aborted) this.#stop();
  }

  send(message: Uint8Array): Promise<void> {
    return this.#put(encodeStreamMessage(message));
  }

  endRequests(): Promise<void> {
    return this.#put(END_OF_REQUESTS);
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.signal.throwIfAborted();
    const first = this.#proposal;
    this.#proposal = new Uint8Array(0);
    const whole = first.length === 0 ? bytes : concatBytes(first, bytes);
    try {
      await this.#sends.run(() => sendAll(this.world.clock, this.channel, whole), this.signal);
    } catch (error) {
      this.channel.abort(asError(error)); // part of a message may have left: nothing may follow it
      throw error;
    }
  }

  async receive(until: AbortSignal): Promise<Uint8Array | undefined> {
    this.#waiting ??= this.#next();
    using given = openFirstOf(this.signal, until);
    try {
      const reply = await orAbort(this.#waiting, given.signal);
      this.#waiting = undefined;
      return reply;
    } catch (error) {
      if (!given.signal.aborted) this.#waiting = undefined;
      throw error;
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    while (this.#events.length === 0 && !this.#ended) {
      const chunk = await this.channel.receive();
      if (chunk === undefined) {
        if (!this.#select.done || this.#reader.pending > 0) throw endedEarly(this.method, this.channel);
        this.#ended = true;
      } else {
        this.#events.push(...this.#reader.push(this.#select.push(chunk)));
        this.#share.hold(this.#reader.pending);
      }
    }
    const event = this.#events.shift();
    if (event?.kind === "end") this.#ended = true;
    return event === undefined || event.kind === "end" ? undefined : messageIn(event);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.signal.removeEventListener("abort", this.#stop);
    this.#share[Symbol.dispose]();
    // a callee that has ended gets our end; one still at work is to know at once that nobody waits
    if (this.#ended) void endChannel(this.world.clock, this.channel, LINGER_MS);
    else this.channel.abort(new NodeError("aborted", "The call is over"));
    return Promise.resolve();
  }
}

const asError = (error: unknown): Error => error instanceof Error ? error : new Error(String(error));

const endedEarly = (method: string, channel: Channel) =>
  new NodeError(
    "unreachable",
    `Cannot call ${method} at ${channel.peer}: the stream ended without an answer`,
  );
