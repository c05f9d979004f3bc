/**
 * Tokens chosen one after another, as a request asks.
 *
 * @module
 */
import type { DrawnChoice } from "../compute/backend.ts";
import { type Draw, sampleToken } from "../compute/sample_token.ts";
import { adjustScores, leavesScores, type Sampling } from "./sample.ts";

/** A form that the answer has to keep. */
export interface Constraint extends Disposable {
  /** Takes the scores of tokens that may not come next away: they become -Infinity. */
  mask(scores: Float32Array): void;
  /** A token was chosen; what may come behind it is known when this resolves. */
  accept(id: number): Promise<void>;
  /** Whether the answer may, and must, end now. */
  readonly done: boolean;
}

/** What tokens are picked by. */
export interface PickOptions {
  readonly sampling: Sampling;
  readonly draw: Draw;
  readonly prompt: readonly number[];
  readonly constraint?: Constraint | undefined;
}

/** Picks tokens in order: penalties count what was picked before, the form moves on with each. */
export class Picker {
  readonly #options: PickOptions;
  readonly #leavesScores: boolean;
  readonly #soFar: { readonly prompt: ReadonlySet<number>; readonly answer: Map<number, number> };

  constructor(options: PickOptions) {
    this.#options = options;
    this.#leavesScores = leavesScores(options.sampling);
    this.#soFar = { prompt: new Set(options.prompt), answer: new Map() };
  }

  /** Whether the best score alone decides: nothing changes scores, nothing is left to chance. */
  get isGreedy(): boolean {
    return this.#options.sampling.temperature === 0;
  }

  /** Whether scores alone decide, so that whoever has them can choose: nothing changes them, no form is kept. */
  get isPlain(): boolean {
    return this.#leavesScores && this.#options.constraint === undefined;
  }

  /** The form that must be kept, if any. */
  get constraint(): Constraint | undefined {
    return this.#options.constraint;
  }

  /** Scores as the choice sees them; a copy where anything changes them. */
  seen(scores: Float32Array): Float32Array {
    if (this.isPlain) return scores;
    const { constraint, sampling } = this.#options;
    const seen = scores.slice();
    if (!this.#leavesScores) adjustScores(seen, sampling, this.#soFar);
    constraint?.mask(seen);
    return seen;
  }

  /** The next token by scores that {@linkcode seen} gave. Throws `NodeError` `corrupt` when no score is finite. */
  async pick(seen: Float32Array): Promise<number> {
    const { sampling, draw, constraint } = this.#options;
    const id = sampleToken(seen, sampling, draw);
    const { answer } = this.#soFar;
    answer.set(id, (answer.get(id) ?? 0) + 1);
    await constraint?.accept(id);
    return id;
  }

  /** How the next token is to be chosen by somebody else, where that is all there is to it: one draw is spent. */
  draw(): DrawnChoice {
    const { sampling: { temperature, topK, topP, minP }, draw } = this.#options;
    return { temperature, topK, topP, minP, draw: temperature === 0 ? 0 : draw() };
  }
}
