/**
 * Guessing what comes next from what came before: answers that sum up, quote or edit repeat their prompt
 * (prompt lookup decoding, Saxena 2023).
 *
 * @module
 */

/** Longest and shortest runs of tokens that are looked up. */
const LONGEST = 4;
const SHORTEST = 2;
/** From this length on a run is seldom there twice by chance. */
export const LONG_RUN = 3;

/**
 * Remembers where each run of 2 to 4 tokens was last seen, and guesses that what followed it follows again.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const draft = new NgramDraft([1, 2, 3, 4, 5, 1, 2]);
 * assertEquals(draft.guess(3), [3, 4, 5]);
 * draft.push(9);
 * assertEquals(draft.guess(3), []);
 * ```
 */
export class NgramDraft {
  readonly #ids: number[] = [];
  /** By run: the place after its last occurrence that had one. */
  readonly #after = new Map<string, number>();

  constructor(ids: readonly number[]) {
    for (const id of ids) this.push(id);
  }

  /** The next token is known. */
  push(id: number): void {
    const at = this.#ids.length;
    for (let length = SHORTEST; length <= Math.min(LONGEST, at); length++) {
      this.#after.set(this.#run(length), at);
    }
    this.#ids.push(id);
  }

  /** At most `count` tokens that may follow; empty where nothing like it came before. The longest run decides. */
  guess(count: number): readonly number[] {
    return this.lookUp(count, SHORTEST);
  }

  /** The same by runs of no less than `shortest` tokens. */
  lookUp(count: number, shortest: number): readonly number[] {
    for (let length = Math.min(LONGEST, this.#ids.length); length >= shortest; length--) {
      const at = this.#after.get(this.#run(length));
      if (at !== undefined) return this.#ids.slice(at, at + count);
    }
    return [];
  }

  #run(length: number): string {
    return this.#ids.slice(-length).join(" ");
  }
}
