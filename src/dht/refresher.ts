/**
 * Keeping cached keys fresh while they are in use.
 *
 * @module
 */
import { openFirstOf } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import { ExpirationHeap, type HeapItem } from "./expiration_heap.ts";
import type { DhtId } from "./id.ts";
import type { DhtProtocol } from "./protocol.ts";

/** Keys that wait for their refresh; further ones simply expire. */
const MAX_WAITING = 1_024;

/** `expiration` is the moment of the refresh, Unix seconds. */
interface Due extends HeapItem {
  readonly id: DhtId;
}

/** Searches keys again shortly before their cached value expires. Each use of a key buys one refresh. */
export class Refresher {
  readonly #due = new ExpirationHeap<Due>();
  readonly #ids = new Set<DhtId>();
  #isRunning = false;
  #wake: AbortController | undefined;

  constructor(
    readonly protocol: DhtProtocol,
    readonly search: (ids: readonly DhtId[], signal: AbortSignal) => Promise<void>,
  ) {}

  /** Refreshes `id` at `at` (Unix seconds), or at once when that has passed. */
  schedule(id: DhtId, at: number): void {
    if (this.#ids.has(id) || this.#ids.size >= MAX_WAITING) return;
    this.#ids.add(id);
    const isEarliest = at < (this.#due.first?.expiration ?? Infinity);
    this.#due.add({ id, expiration: at, heapIndex: -1 });
    if (this.#isRunning) {
      if (isEarliest) this.#wake?.abort();
      return;
    }
    this.#isRunning = this.protocol.background.run((signal) => this.#loop(signal));
  }

  async #loop(signal: AbortSignal): Promise<void> {
    try {
      while (this.#due.first !== undefined) {
        const waitMs = (this.#due.first.expiration - this.protocol.now()) * 1000;
        if (waitMs > 0) await this.#sleep(waitMs, signal);
        const ids = this.#takeDue();
        if (ids.length > 0) await this.#searchOrSkip(ids, signal);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const wake = this.#wake = new AbortController();
    using either = openFirstOf(signal, wake.signal);
    try {
      await this.protocol.world.clock.sleep(ms, either.signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!wake.signal.aborted) throw error;
    }
  }

  #takeDue(): DhtId[] {
    const ids: DhtId[] = [];
    for (let due = this.#due.first; due !== undefined && due.expiration <= this.protocol.now();) {
      this.#due.remove(due);
      this.#ids.delete(due.id);
      ids.push(due.id);
      due = this.#due.first;
    }
    return ids;
  }

  async #searchOrSkip(ids: readonly DhtId[], signal: AbortSignal): Promise<void> {
    try {
      await this.search(ids, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NodeError)) throw error;
    }
  }
}
