/**
 * One thing after another.
 *
 * @module
 */
import { orAbort } from "./deadline.ts";

/** Runs pieces of work one at a time, in the order asked. A failed piece does not stop the next. */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Pieces that run or wait. */
  get length(): number {
    return this.#waiting;
  }

  /** Runs `work` after all before it. Work whose `signal` aborts while it waits never starts. */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    this.#waiting++;
    const turn = this.#last.then(() => {
      signal.throwIfAborted();
      return work();
    }).finally(() => this.#waiting--);
    this.#last = turn.catch(() => {});
    return orAbort(turn, signal);
  }
}
