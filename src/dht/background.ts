/**
 * Work that nobody waits for.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { MAX_BACKGROUND } from "./constants.ts";

/** Runs pieces of work beside a request and catches for them. Disposing ends them and waits until they are gone. */
export class Background implements AsyncDisposable {
  readonly #running = new Set<Promise<void>>();
  readonly #end = new AbortController();

  /** `failed` hears of every failure that is not the end itself. */
  constructor(readonly failed: (error: unknown) => void, readonly limit = MAX_BACKGROUND) {}

  /** Aborts when disposed. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Starts `work`, unless too much is under way already or the end has come. Returns whether it did. */
  run(work: (signal: AbortSignal) => Promise<unknown>): boolean {
    if (this.#running.size >= this.limit || this.signal.aborted) return false;
    const piece: Promise<void> = Promise.resolve().then(() => work(this.signal)).then(() => {}, (error) => {
      if (!this.signal.aborted) this.failed(error);
    }).finally(() => this.#running.delete(piece));
    this.#running.add(piece);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new NodeError("aborted", "The DHT node stops"));
    await Promise.all(this.#running);
  }
}
