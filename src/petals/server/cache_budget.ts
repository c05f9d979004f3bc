/**
 * Who may hold how much attention memory, counted in tokens × blocks.
 *
 * @module
 */
import { openDeadline } from "../../base/deadline.ts";
import { NodeError } from "../../base/errors.ts";
import type { Clock } from "../../base/world.ts";
import { MAX_ALLOCATION_MS, MAX_WAITING_SESSIONS } from "./limits.ts";

interface Waiting {
  readonly amount: number;
  readonly grant: () => void;
}

/** A fixed amount, lent in the order asked: who waits for much is not overtaken by who wants little. */
export class CacheBudget {
  #free: number;
  readonly #queue: Waiting[] = [];

  /** `total` tokens × blocks; `unitBytes` of memory each, for the texts of errors. */
  constructor(readonly clock: Clock, readonly total: number, readonly unitBytes: number) {
    this.#free = total;
  }

  /** Tokens × blocks that nobody holds. */
  get free(): number {
    return this.#free;
  }

  /**
   * Takes `amount`, waiting up to `timeoutMs` (no longer than 600 s) for others to give theirs back; dispose to return
   * it. Throws `NodeError` `no_memory` in the stock server's words, `busy` when too many wait.
   */
  async take(amount: number, timeoutMs: number, signal: AbortSignal): Promise<Disposable> {
    const bytes = amount * this.unitBytes;
    if (amount > this.total) {
      throw outOfMemory(
        `Could not allocate ${bytes} bytes, max cache size = ${this.total * this.unitBytes} bytes`,
      );
    }
    if (amount > this.#free || this.#queue.length > 0) {
      const waitMs = Math.min(timeoutMs, MAX_ALLOCATION_MS);
      if (!(waitMs > 0)) throw outOfMemory(`Could not allocate ${bytes} bytes immediately: out of memory`);
      if (this.#queue.length >= MAX_WAITING_SESSIONS) {
        throw new NodeError(
          "busy",
          `Could not allocate ${bytes} bytes: ${this.#queue.length} sessions wait already`,
        );
      }
      await this.#wait(amount, waitMs, signal);
    } else {
      this.#free -= amount;
    }
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#free += amount;
        this.#serve();
      },
    };
  }

  async #wait(amount: number, waitMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    using deadline = openDeadline(this.clock, waitMs, "allocate attention cache", signal);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry: Waiting = { amount, grant: resolve };
    this.#queue.push(entry);
    deadline.signal.addEventListener("abort", () => {
      const place = this.#queue.indexOf(entry);
      if (place < 0) return; // granted before
      this.#queue.splice(place, 1);
      this.#serve();
      reject(
        signal.aborted ? signal.reason : outOfMemory(
          `Could not allocate ${amount * this.unitBytes} bytes within ${waitMs / 1000} seconds`,
        ),
      );
    }, { once: true });
    await promise;
  }

  /** Grants the front of the queue as far as memory reaches. */
  #serve(): void {
    for (
      let first = this.#queue[0];
      first !== undefined && first.amount <= this.#free;
      first = this.#queue[0]
    ) {
      this.#queue.shift();
      this.#free -= first.amount;
      first.grant();
    }
  }
}

const outOfMemory = (text: string) => new NodeError("no_memory", text);
