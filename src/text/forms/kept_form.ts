/**
 * A form that one answer keeps.
 *
 * @module
 */
import type { FormNext } from "./form_messages.ts";
import type { FormThread } from "./form_thread.ts";
import type { Lent } from "../on_demand.ts";
import type { Constraint } from "../pick.ts";

/** What a text has to keep. */
export interface FormWords {
  /** The grammar in the library's words. */
  readonly words: string;
  /** Whether control tokens may come. */
  readonly hasMarks: boolean;
}

/** Opens a form on a thread on loan, which is given back with it. Throws as {@linkcode FormThread.next} does. */
export async function openKeptForm(
  lent: Lent<FormThread>,
  words: FormWords,
  signal: AbortSignal,
): Promise<Constraint> {
  const text = lent.value.newText();
  try {
    const ids: number[] = [];
    const place = { ...words, text, ids };
    return new KeptForm(lent, place, await lent.value.next(place, signal));
  } catch (error) {
    lent.value.close(text);
    lent[Symbol.dispose]();
    throw error;
  }
}

class KeptForm implements Constraint {
  readonly #lent: Lent<FormThread>;
  readonly #place: FormWords & { readonly text: number; readonly ids: number[] };
  #next: Omit<FormNext, "kind">;
  #isOver = false;

  constructor(
    lent: Lent<FormThread>,
    place: FormWords & { readonly text: number; readonly ids: number[] },
    next: Omit<FormNext, "kind">,
  ) {
    this.#lent = lent;
    this.#place = place;
    this.#next = next;
  }

  mask(scores: Float32Array): void {
    const { bits: allowed } = this.#next;
    for (let word = 0; word * 32 < scores.length; word++) {
      const bits = allowed[word] ?? 0;
      if (bits === -1) continue;
      const end = Math.min(scores.length, word * 32 + 32);
      for (let id = word * 32; id < end; id++) {
        if ((bits >>> (id & 31) & 1) === 0) scores[id] = Number.NEGATIVE_INFINITY;
      }
    }
  }

  async accept(id: number): Promise<void> {
    if (this.#isOver) return;
    const { value: thread } = this.#lent;
    if (thread.ends(id)) {
      this.#isOver = true;
      this.#next = { bits: thread.endBits, isDone: true };
      return;
    }
    this.#place.ids.push(id);
    this.#next = await thread.next(this.#place);
  }

  get done(): boolean {
    return this.#next.isDone;
  }

  [Symbol.dispose](): void {
    this.#lent.value.close(this.#place.text);
    this.#lent[Symbol.dispose]();
  }
}
