/**
 * All ways to guess what a model will say, and whether they pay.
 *
 * @module
 */
import type { Log } from "../base/world.ts";
import { DraftLength } from "./draft_length.ts";
import type { Drafting } from "./generate.ts";
import { type DraftModel, ModelDraft } from "./model_draft.ts";
import { NgramDraft } from "./ngram_draft.ts";
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
  readonly #modelLength: DraftLength;

  constructor(parts: GuessingParts) {
    this.#parts = parts;
    this.#lookupLength = new DraftLength(parts.most);
    this.#modelLength = new DraftLength(parts.most);
  }

  /** For a text that begins with `prompt` and may get `room` positions: what it repeats, then the small model. */
  open({ canRewind }: Sequence, prompt: readonly number[], room: number): TextGuesses {
    const { log, most, model, endIds } = this.#parts;
    if (!canRewind || most === 0) return { drafts: [], [Symbol.asyncDispose]: () => Promise.resolve() };
    const small = model && new ModelDraft({ log, model, prompt, room, endIds });
    return {
      drafts: [
        { drafter: new NgramDraft(prompt), length: this.#lookupLength },
        ...(small === undefined ? [] : [{ drafter: small, length: this.#modelLength }]),
      ],
      [Symbol.asyncDispose]: async () => await small?.[Symbol.asyncDispose](),
    };
  }
}
