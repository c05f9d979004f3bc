/**
 * A stream of libp2p as a channel: bytes are copied, read-ahead is bounded, its end becomes a signal.
 *
 * @module
 */
import type { Stream, StreamMessageEvent } from "@libp2p/interface";
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { ByteBudget, ByteShare } from "./byte_budget.ts";
import type { Channel } from "./channel.ts";
import { READ_AHEAD_BYTES, STREAM_WINDOW_BYTES } from "./constants.ts";

/** Takes over `stream`, which nobody else may read from then on. */
export function channelOf(stream: Stream, peer: PeerId, budget: ByteBudget): Channel {
  return new StreamChannel(stream, peer, budget);
}

class StreamChannel implements Channel {
  readonly #gone = new AbortController();
  readonly #end = new AbortController();
  readonly #chunks: Uint8Array[] = [];
  readonly #share: ByteShare;
  #held = 0;
  #failure: NodeError | undefined;
  #wake: () => void = () => {};
  #wakeSender: () => void = () => {};

  constructor(readonly stream: Stream, readonly peer: PeerId, readonly budget: ByteBudget) {
    this.#share = budget.open(peer);
    stream.addEventListener("message", (event) => this.#take(event));
    stream.addEventListener("remoteCloseWrite", () => {
      this.#end.abort();
      this.#wake();
    });
    // libp2p goes on sending in a microtask of its own, which stands before ours
    stream.addEventListener("drain", () => queueMicrotask(() => this.#wakeSender()));
    stream.addEventListener("close", (event) => this.#close(event.error));
    if (stream.status !== "open") this.#close();
    if (stream.remoteWriteStatus === "closed") this.#end.abort();
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  #take(event: StreamMessageEvent): void {
    // chunks may be views of a pool that is used again
    const bytes = new Uint8Array(event.data.subarray());
    try {
      this.#count(this.#held + bytes.length);
    } catch (error) {
      return this.#refuse(error as NodeError);
    }
    this.#chunks.push(bytes);
    if (this.#held > READ_AHEAD_BYTES && this.stream.readStatus === "readable") this.stream.pause();
    this.#wake();
  }

  /** A peer that is held back may still fill its window: that counts as held. */
  #count(held: number): void {
    this.#share.hold(held > READ_AHEAD_BYTES ? held + STREAM_WINDOW_BYTES : held);
    this.#held = held;
  }

  /** What came is dropped; the owner of the call hears why, and may still answer. */
  #refuse(error: NodeError): void {
    this.#failure ??= error;
    this.#chunks.length = 0;
    this.#count(0);
    if (this.stream.readStatus === "readable") this.stream.pause();
    this.#wake();
  }

  #close(error?: Error): void {
    this.#end.abort();
    if (error !== undefined) this.#failure ??= lost(this.peer, error);
    if (!this.#gone.signal.aborted) this.#gone.abort(this.#failure ?? lost(this.peer));
    this.#wake();
    this.#wakeSender();
  }

  send(bytes: Uint8Array): boolean {
    if (this.#gone.signal.aborted) throw this.#gone.signal.reason;
    try {
      return this.stream.send(bytes);
    } catch (error) {
      throw this.#failure ?? lost(this.peer, error);
    }
  }

  /** Not by `stream.onDrain`: in libp2p 3.3.11 that promise is made once, so that it holds nobody back a second time. */
  async drained(): Promise<void> {
    while (true) {
      if (this.#gone.signal.aborted) throw this.#gone.signal.reason;
      if (!this.stream.writableNeedsDrain) return;
      await new Promise<void>((resolve) => this.#wakeSender = resolve);
    }
  }

  async receive(): Promise<Uint8Array | undefined> {
    while (true) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#count(this.#held - chunk.length);
        return chunk;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.stream.readStatus === "paused") {
        this.stream.resume(); // hands over at once what came meanwhile
        continue;
      }
      if (this.ended.aborted) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async closeWrite(): Promise<void> {
    try {
      await this.stream.close();
    } catch (error) {
      throw this.#failure ?? lost(this.peer, error);
    }
  }

  abort(reason: Error): void {
    this.#failure ??= reason instanceof NodeError ? reason : lost(this.peer, reason);
    this.#chunks.length = 0;
    this.#count(0);
    this.stream.abort(reason);
    this.#close();
  }
}

const lost = (peer: PeerId, cause?: unknown) =>
  new NodeError("unreachable", `Cannot reach ${peer}: the stream is gone`, { cause });
