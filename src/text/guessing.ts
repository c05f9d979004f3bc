/**
 * All ways to guess what a model will say, and whether they pay.
 *
 * @module
 */
import type { Log } from "../base/world.ts";
import { DraftLength } from "./draft_length.ts";
import type { Drafting } from "./generate.ts";
import { type DraftModel, ModelDraft } from "./model_draft.ts";
import { LONG_RUN, NgramDraft } from "./ngram_draft.ts";
import type { Sequence } from "./sequence.ts";

/** What there is to guess with. */
export interface GuessingParts {
  readonly log: Log;
  /** Most tokens guessed ahead of a pass; 0 = none. */
  readonly most: number | undefined;
  readonly model: DraftModel | undefined;
  /** Ids after which a text is finished. */
  readonly endIds: ReadonlySet<number>;
}

/** Ways to guess for one text, the first one first. Dispose when it is over. */
export interface TextGuesses extends AsyncDisposable {
  readonly drafts: readonly Drafting[];
}

/** Guesses for a model's texts; what passes and guesses cost, and how often these are right, is learnt over all of them. */
export class Guessing {
  readonly #parts: GuessingParts;
  readonly #lookupLength: DraftLength;
  readonly #longLength: DraftLength;
  readonly #modelLength: DraftLength;

  constructor(parts: GuessingParts) {
    this.#parts = parts;
    this.#lookupLength = new DraftLength(parts.most);
    this.#longLength = new DraftLength(parts.most);
    this.#modelLength = new DraftLength(parts.most);
  }

  /**
   * For a text that begins with `prompt` and may get `room` positions: what it repeats. With a small model only what it
   * repeats at some length goes before that, for in free text two tokens come again by chance and are followed by others.
   */
  open({ canRewind }: Sequence, prompt: readonly number[], room: number): TextGuesses {
    const { log, most, model, endIds } = this.#parts;
    if (!canRewind || most === 0) return only();
    const text = new NgramDraft(prompt);
    if (model === undefined) return only({ drafter: text, length: this.#lookupLength });
    const long = { push: () => {}, guess: (count: number) => text.lookUp(count, LONG_RUN) };
    const small = new ModelDraft({ log, model, prompt, room, endIds });
    return {
      drafts: [
        { drafter: long, length: this.#longLength },
        { drafter: small, length: this.#modelLength },
        { drafter: text, length: this.#lookupLength },
      ],
      [Symbol.asyncDispose]: () => small[Symbol.asyncDispose](),
    };
  }
}

const only = (...drafts: readonly Drafting[]): TextGuesses => ({
  drafts,
  [Symbol.asyncDispose]: () => Promise.resolve(),
});
