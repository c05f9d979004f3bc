/**
 * How many may be answered at once.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

/** Lets so many in, the rest wait in the order they came, and whoever finds the queue full is sent away. */
export class Gate {
  readonly #places: number;
  readonly #queue: number;
  readonly #waiting = new Set<() => void>();
  #inside = 0;

  constructor({ places, queue }: { readonly places: number; readonly queue: number }) {
    this.#places = places;
    this.#queue = queue;
  }

  /** How many are inside. */
  get inside(): number {
    return this.#inside;
  }

  /** How many would be let in at once. */
  get free(): number {
    return this.#places - this.#inside;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Waits for a place; dispose what it gives to leave it. Throws `NodeError` `busy`, or the reason of `signal`. */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#inside < this.#places) this.#inside++;
    else await this.#wait(signal);
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        const [next] = this.#waiting;
        if (next === undefined) this.#inside--;
        else next(); // the place goes on to whoever waits longest
      },
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= this.#queue) {
      throw new NodeError(
        "busy",
        `Cannot answer: ${this.#inside} requests are being answered and ${this.#waiting.size} wait, wanted fewer (try again soon)`,
      );
    }
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#waiting.delete(enter);
        signal.removeEventListener("abort", abort);
      };
      const enter = () => {
        done();
        resolve();
      };
      const abort = () => {
        done();
        reject(signal.reason);
      };
      this.#waiting.add(enter);
      signal.addEventListener("abort", abort, { once: true });
    });
  }
}
