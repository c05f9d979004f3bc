/**
 * Joules for a token over the last five minutes.
 *
 * @module
 */
import type { JoulesPerToken } from "./types.ts";

/** Sums at one moment. */
export interface TokenSums {
  readonly atMs: number;
  /** Of the node. */
  readonly microjoules: bigint;
  readonly tokens: number;
  /** Of steps whose idle baseline was known. */
  readonly dynamicMicrojoules: bigint;
  readonly dynamicTokens: number;
}

/** Length of the window. */
export const RECENT_MS = 300_000;
/** Sums are kept this far apart. */
const STEP_MS = 10_000;

/** Keeps sums of the last minutes. */
export class RecentTokens {
  readonly #sums: TokenSums[] = [];

  /** Whether sums are to be added at `nowMs`. */
  isDue(nowMs: number): boolean {
    const last = this.#sums.at(-1);
    return last === undefined || nowMs - last.atMs >= STEP_MS;
  }

  /** Takes the sums as they are. */
  add(sums: TokenSums): void {
    this.#sums.push(sums);
    // one older than the window stays: the window begins there
    while (this.#sums.length > 2 && sums.atMs - this.#sums[1]!.atMs >= RECENT_MS) this.#sums.shift();
  }

  /** Joules for each token since five minutes before `now`; nulls where no token was computed. */
  joulesPerToken(now: TokenSums): JoulesPerToken {
    const first = this.#sums[0] ?? now;
    return {
      dynamic: ratio(
        now.dynamicMicrojoules - first.dynamicMicrojoules,
        now.dynamicTokens - first.dynamicTokens,
      ),
      full: ratio(now.microjoules - first.microjoules, now.tokens - first.tokens),
    };
  }
}

const ratio = (microjoules: bigint, tokens: number): number | null =>
  tokens > 0 ? Number(microjoules) / 1e6 / tokens : null;
