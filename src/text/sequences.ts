/**
 * Sequences that are kept for the next request that begins alike: conversations, and long instructions.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { Sequence } from "./sequence.ts";

/** Sequences kept. */
const KEPT = 4;
/** For how long: Petals 2.2 ends a session that makes no step for 300 s. */
const KEPT_MS = 240_000;
/** Age above which one is not kept any more: Petals 2.2 ends every session after 1800 s. */
const MAX_AGE_MS = 1_500_000;
/** Tokens in common from which on it is worth it. */
const LEAST_COMMON = 16;

/** Room of a session is asked for in steps, so that a conversation may go on in it. */
const STEP = 256;
/** Room that every server gives: the limit of Petals 2.2 for models without grouped heads. */
const USUAL_MOST = 2048;

/**
 * Positions to open a session for that needs `wanted`: some more, as far as every server gives them, and the model has.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([300, 2000, 5000].map((wanted) => roomFor(wanted, 4096)), [512, 2048, 4096]);
 * ```
 */
export function roomFor(wanted: number, contextLength: number): number {
  const rounded = Math.ceil(wanted / STEP) * STEP;
  return Math.min(contextLength, wanted <= USUAL_MOST ? Math.min(rounded, USUAL_MOST) : wanted);
}

/** A sequence on loan. */
export interface Lease {
  readonly sequence: Sequence;
  /** How many of the asked tokens it holds. */
  readonly held: number;
  /** Gives it back: it holds `ids`. Without them it is of no more use. */
  release(ids?: readonly number[]): Promise<void>;
}

interface Kept {
  readonly sequence: Sequence;
  readonly ids: readonly number[];
  /** Monotonic ms. */
  readonly openedAtMs: number;
  readonly over: AbortController;
}

/** Opens sequences, and lends kept ones again. Dispose to close those kept. */
export class Sequences implements AsyncDisposable {
  readonly #world: World;
  /** Opens one that is not kept. */
  readonly open: (room: number, signal: AbortSignal) => Promise<Sequence>;
  readonly #kept = new Set<Kept>();
  #closed = false;
  /** How many want the memory that would be kept. */
  #wanted = 0;

  constructor(world: World, open: (room: number, signal: AbortSignal) => Promise<Sequence>) {
    this.#world = world;
    this.open = open;
  }

  /** How many are kept. */
  get size(): number {
    return this.#kept.size;
  }

  /** A sequence with room for `room` positions that holds as many of the first of `ids` as any kept one, but not the last. */
  async lend(ids: readonly number[], room: number, signal: AbortSignal): Promise<Lease> {
    const best = this.#bestFor(ids, room);
    if (best !== undefined) {
      this.#forget(best.kept);
      return this.#lease(best.kept.sequence, best.common, best.kept.openedAtMs);
    }
    try {
      return this.#lease(await this.open(room, signal), 0);
    } catch (error) {
      // the memory that kept ones hold may be what is missing
      if (this.#kept.size === 0 || signal.aborted || !(error instanceof NodeError)) throw error;
      if (error.code === "not_found") throw error;
      await this.clear();
      return this.#lease(await this.open(room, signal), 0);
    }
  }

  /** Closes those kept. */
  async clear(): Promise<void> {
    await Promise.all([...this.#kept].map((kept) => this.#close(kept)));
  }

  /** Closes those kept, and keeps none until what it resolves with is disposed. */
  async giveRoom(): Promise<Disposable> {
    this.#wanted++;
    await this.clear();
    return { [Symbol.dispose]: () => void this.#wanted-- };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.clear();
  }

  #lease(sequence: Sequence, held: number, openedAtMs = this.#world.clock.monotonic()): Lease {
    return {
      sequence,
      held,
      release: async (ids) => {
        const isOld = this.#world.clock.monotonic() - openedAtMs > MAX_AGE_MS;
        const isUnwanted = this.#closed || this.#wanted > 0;
        if (ids === undefined || ids.length < LEAST_COMMON || isOld || isUnwanted) {
          await sequence[Symbol.asyncDispose]();
        } else await this.#keep({ sequence, ids, openedAtMs, over: new AbortController() });
      },
    };
  }

  #bestFor(ids: readonly number[], room: number) {
    let best: { readonly kept: Kept; readonly common: number } | undefined;
    for (const kept of this.#kept) {
      if (kept.sequence.capacity < room) continue;
      const common = Math.min(commonLength(kept.ids, ids), ids.length - 1);
      if (common < LEAST_COMMON || common <= (best?.common ?? 0)) continue;
      if (common < kept.ids.length && !kept.sequence.canRewind) continue;
      best = { kept, common };
    }
    return best;
  }

  async #keep(kept: Kept): Promise<void> {
    this.#kept.add(kept);
    this.#world.clock.sleep(KEPT_MS, kept.over.signal).then(() => this.#close(kept)).catch(() => {});
    if (this.#kept.size > KEPT) {
      const [oldest] = this.#kept;
      await this.#close(oldest!);
    }
  }

  #forget(kept: Kept): boolean {
    kept.over.abort(new NodeError("aborted", "The sequence is lent"));
    return this.#kept.delete(kept);
  }

  async #close(kept: Kept): Promise<void> {
    if (this.#forget(kept)) await kept.sequence[Symbol.asyncDispose]();
  }
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
