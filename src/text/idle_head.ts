/**
 * Embeddings and output matrix that are in memory only while somebody asks.
 *
 * @module
 */
import { orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { TextHead } from "../compute/backend.ts";

/** How long it stays when nobody uses it: loading a large one takes seconds. */
const KEPT_MS = 600_000;

/** A head on loan. Dispose to give it back. */
export interface LentHead extends Disposable {
  readonly head: TextHead;
}

/** Loads a head with the first use, and frees it ten minutes after the last. Dispose to free it at once. */
export class IdleHead implements AsyncDisposable {
  readonly #world: World;
  readonly #load: (signal: AbortSignal) => Promise<TextHead>;
  readonly #end = new AbortController();
  #loading: Promise<TextHead> | undefined;
  #uses = 0;
  #leaving: AbortController | undefined;

  constructor(world: World, load: (signal: AbortSignal) => Promise<TextHead>) {
    this.#world = world;
    this.#load = load;
  }

  /** Lends it, loaded. Throws what loading throws, or the reason of `signal`. */
  async borrow(signal: AbortSignal): Promise<LentHead> {
    this.#leaving?.abort(new NodeError("aborted", "The head is used again"));
    this.#leaving = undefined;
    this.#uses++;
    try {
      this.#loading ??= this.#load(this.#end.signal).catch((error) => {
        this.#loading = undefined; // the next one tries again
        throw error;
      });
      const head = await orAbort(this.#loading, signal);
      let isLent = true;
      return {
        head,
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
        this.#world.log.debug("Head not freed", { reason: messageOf(error) });
      }
    });
  }

  async #free(): Promise<void> {
    const loading = this.#loading;
    this.#loading = undefined;
    const head = await loading?.catch(() => undefined);
    await head?.[Symbol.asyncDispose]();
  }
}
