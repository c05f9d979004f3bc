/**
 * Answers that a later request may go on from.
 *
 * @module
 */

/** An item of a conversation. */
export type Item = Readonly<Record<string, unknown>>;

/** Most answers that are kept. */
const MAX_KEPT = 256;
/** Most letters of all of them. */
const MAX_LETTERS = 8 * 2 ** 20;

interface Kept {
  /** All that was said up to the answer. */
  readonly input: readonly Item[];
  readonly output: readonly Item[];
  readonly letters: number;
}

/**
 * Answers by id, in memory alone and as long as there is room: the oldest go first. An id says who may go on from an
 * answer, as nobody else knows it.
 */
export class KeptResponses {
  readonly #kept = new Map<string, Kept>();
  readonly #items = new Map<string, Item>();
  #letters = 0;

  /** Keeps an answer and what it answers; one that is too long is forgotten at once. */
  keep(id: string, input: readonly Item[], output: readonly Item[]): void {
    const letters = JSON.stringify(input).length + JSON.stringify(output).length;
    this.#kept.set(id, { input, output, letters });
    this.#letters += letters;
    for (const item of output) if (typeof item["id"] === "string") this.#items.set(item["id"], item);
    for (const [oldest, { letters, output }] of this.#kept) {
      if (this.#kept.size <= MAX_KEPT && this.#letters <= MAX_LETTERS) return;
      this.#kept.delete(oldest);
      this.#letters -= letters;
      for (const item of output) this.#items.delete(`${item["id"]}`);
    }
  }

  /** The conversation up to the end of an answer. */
  conversation(id: string): readonly Item[] | undefined {
    const kept = this.#kept.get(id);
    return kept && [...kept.input, ...kept.output];
  }

  /** One item of an answer. */
  item(id: string): Item | undefined {
    return this.#items.get(id);
  }
}
