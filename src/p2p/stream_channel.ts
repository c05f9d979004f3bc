/**
 * A stream of libp2p as a channel: bytes are copied, read-ahead is bounded, its end becomes a signal.
 *
 * @module
 */
import type { Stream, StreamMessageEvent } from "@libp2p/interface";
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { Channel } from "./channel.ts";
import { READ_AHEAD_BYTES } from "./constants.ts";

/** Takes over `stream`, which nobody else may read from then on. */
export function channelOf(stream: Stream, peer: PeerId): Channel {
  return new StreamChannel(stream, peer);
}

class StreamChannel implements Channel {
  readonly #gone = new AbortController();
  readonly #chunks: Uint8Array[] = [];
  #held = 0;
  #ended = false;
  #failure: NodeError | undefined;
  #wake: () => void = () => {};

  constructor(readonly stream: Stream, readonly peer: PeerId) {
    stream.addEventListener("message", (event) => this.#take(event));
    stream.addEventListener("remoteCloseWrite", () => {
      this.#ended = true;
      this.#wake();
    });
    stream.addEventListener("close", (event) => this.#close(event.error));
    if (stream.status !== "open") this.#close();
    if (stream.remoteWriteStatus === "closed") this.#ended = true;
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  #take(event: StreamMessageEvent): void {
    // chunks may be views of a pool that is used again
    const bytes = new Uint8Array(event.data.subarray());
    this.#chunks.push(bytes);
    this.#held += bytes.length;
    if (this.#held > READ_AHEAD_BYTES && this.stream.readStatus === "readable") this.stream.pause();
    this.#wake();
  }

  #close(error?: Error): void {
    this.#ended = true;
    if (error !== undefined) this.#failure ??= lost(this.peer, error);
    if (!this.#gone.signal.aborted) this.#gone.abort(this.#failure ?? lost(this.peer));
    this.#wake();
  }

  async send(bytes: Uint8Array): Promise<void> {
    if (this.#gone.signal.aborted) throw this.#gone.signal.reason;
    try {
      if (!this.stream.send(bytes)) await this.stream.onDrain();
    } catch (error) {
      throw this.#failure ?? lost(this.peer, error);
    }
  }

  async receive(): Promise<Uint8Array | undefined> {
    while (true) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#held -= chunk.length;
        return chunk;
      }
      if (this.stream.readStatus === "paused") {
        this.stream.resume(); // hands over at once what came meanwhile
        continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
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
    this.stream.abort(reason);
    this.#close();
  }
}

const lost = (peer: PeerId, cause?: unknown) =>
  new NodeError("unreachable", `Cannot reach ${peer}: the stream is gone`, { cause });
