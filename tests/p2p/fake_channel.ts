/** A channel whose other side is the test. */
import { concatBytes } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { ByteBudget } from "../../src/p2p/byte_budget.ts";
import type { Channel } from "../../src/p2p/channel.ts";

export class FakeChannel implements Channel {
  readonly peer = "QmWbJJwtuMuahxZLB8qXqNysnRzEZgpzukpqwNK3s8Qsvn";
  readonly #gone = new AbortController();
  readonly #end = new AbortController();
  readonly #incoming: Uint8Array[] = [];
  #wake: () => void = () => {};
  #drain: () => void = () => {};
  /** What was sent, in pieces. */
  readonly pieces: Uint8Array[] = [];
  /** Why it was ended at once. */
  aborted: Error | undefined;
  closedWrite = false;
  /** Whether the other side takes no more for now. */
  full = false;

  constructor(readonly budget: ByteBudget = new ByteBudget(2 ** 30, 2 ** 30)) {}

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  /** All that was sent. */
  get sent(): Uint8Array {
    return concatBytes(...this.pieces);
  }

  // What the other side does.

  push(...chunks: readonly Uint8Array[]): void {
    this.#incoming.push(...chunks);
    this.#wake();
  }

  end(): void {
    this.#end.abort();
    this.#wake();
  }

  lose(): void {
    this.#gone.abort(new NodeError("unreachable", "The stream is gone"));
    this.#wake();
    this.#drain();
  }

  /** Takes what was sent; `full` again after it where it says so. */
  drain(full = false): void {
    this.full = full;
    this.#drain();
  }

  // What the owner of the call does.

  send(bytes: Uint8Array): boolean {
    if (this.gone.aborted) throw this.gone.reason;
    this.pieces.push(bytes);
    return !this.full;
  }

  async drained(): Promise<void> {
    if (!this.gone.aborted) await new Promise<void>((resolve) => this.#drain = resolve);
    if (this.gone.aborted) throw this.gone.reason;
  }

  async receive(): Promise<Uint8Array | undefined> {
    while (true) {
      const chunk = this.#incoming.shift();
      if (chunk !== undefined) return chunk;
      if (this.gone.aborted) throw this.gone.reason;
      if (this.ended.aborted) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  closeWrite(): Promise<void> {
    this.closedWrite = true;
    return Promise.resolve();
  }

  abort(reason: Error): void {
    this.aborted ??= reason;
    this.lose();
  }
}
