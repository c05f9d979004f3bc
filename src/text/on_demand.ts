/**
 * What is in memory only while somebody asks: embeddings and output matrices, small models.
 *
 * @module
 */
import { orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";

/** How long it stays when nobody uses it: loading something large takes seconds. */
const KEPT_MS = 600_000;

/** Something on loan. Dispose to give it back. */
export interface Lent<T> extends Disposable {
  readonly value: T;
}

/** Loads something with the first use, and frees it ten minutes after the last. Dispose to free it at once. */
export class OnDemand<T extends AsyncDisposable> implements AsyncDisposable {
  readonly #world: World;
  readonly #load: (signal: AbortSignal) => Promise<T>;
  readonly #end = new AbortController();
  #loading: Promise<T> | undefined;
  #uses = 0;
  #leaving: AbortController | undefined;

  constructor(world: World, load: (signal: AbortSignal) => Promise<T>) {
    this.#world = world;
    this.#load = load;
  }

  /** Lends it, loaded. Throws what loading throws, or the reason of `signal`. */
  async borrow(signal: AbortSignal): Promise<Lent<T>> {
    this.#leaving?.abort(new NodeError("aborted", "It is used again"));
    this.#leaving = undefined;
    this.#uses++;
    try {
      this.#loading ??= this.#load(this.#end.signal).catch((error) => {
        this.#loading = undefined; // the next one tries again
        throw error;
      });
      const value = await orAbort(this.#loading, signal);
      let isLent = true;
      return {
        value,
        [Symbol.dispose]: () => {
          if (isLent) this.#giveBack();
          isLent = false;
        },
      };
    } catch (error) {
      this.#giveBack();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new NodeError("aborted", "The node stops"));
    this.#leaving?.abort(new NodeError("aborted", "The node stops"));
    await this.#free();
  }

  #giveBack(): void {
    if (--this.#uses > 0 || this.#loading === undefined || this.#end.signal.aborted) return;
    const leaving = this.#leaving = new AbortController();
    this.#world.clock.sleep(KEPT_MS, leaving.signal).then(() => this.#free()).catch((error) => {
      if (!leaving.signal.aborted) {
        this.#world.log.debug("What nobody uses was not freed", { reason: messageOf(error) });
      }
    });
  }

  async #free(): Promise<void> {
    const loading = this.#loading;
    this.#loading = undefined;
    const value = await loading?.catch(() => undefined);
    await value?.[Symbol.asyncDispose]();
  }
}
