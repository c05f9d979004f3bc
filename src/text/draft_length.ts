/**
 * How many tokens to guess ahead, so that it pays.
 *
 * @module
 */

/** Most tokens guessed ahead of one pass: up to 9 positions are computed as single ones are (docs/decisions/ggml.md). */
export const MAX_DRAFT = 8;
/** Guesses that the hope of the first ones is worth: half of them right. */
const PRIOR_GUESSES = 4;
const PRIOR_RIGHT = 2;
/** Weight of what is older, for each new pass: some 20 passes count. */
const FADE = 0.95;
/** The same for the cost of guesses, which are few where they do not pay: the latest say what else is computed now. */
const GUESS_FADE = 0.5;
/** No pass takes less, whatever the clock says. */
const LEAST_MS = 1e-3;
/** Passes without guesses before they are tried again; doubled each time that it does not pay, up to the most. */
const REST_PASSES = 24;
const MOST_REST_PASSES = 768;
/** A longer pass must promise this much more than none, for measuring is not exact. */
const LEAST_GAIN = 1.05;

/** A pass over all blocks, and what was guessed ahead of it. */
export interface ObservedPass {
  readonly positions: number;
  readonly ms: number;
  /** Tokens guessed, how many of them were right, and what guessing them took. */
  readonly guessed: number;
  readonly right: number;
  readonly guessMs: number;
}

/**
 * Learns from passes what they cost, what guesses cost and how often they are right, and chooses the number that promises
 * the most tokens a second; 0 where guessing does not pay. Costs of passes are taken for a line over the number of
 * positions, those of guesses for the same each.
 */
export class DraftLength {
  #right = PRIOR_RIGHT;
  #guessed = PRIOR_GUESSES;
  /** Sums for the line of cost: passes, positions, squares, milliseconds, products. */
  readonly #sums = { n: 0, x: 0, xx: 0, y: 0, xy: 0 };
  /** Sums for the cost of a guess. */
  readonly #guesses = { n: 0, ms: 0 };
  readonly #most: number;
  #rested = 0;
  #restFor = REST_PASSES;
  #first = true;

  /** `most` tokens are guessed ahead of a pass, up to {@linkcode MAX_DRAFT}. */
  constructor(most: number = MAX_DRAFT) {
    this.#most = Math.min(most, MAX_DRAFT);
  }

  /** How many tokens to guess ahead of the next pass. */
  next(): number {
    return Math.min(this.#most, this.#wanted());
  }

  #wanted(): number {
    if (this.#first) return MAX_DRAFT >> 1;
    const best = this.#best();
    if (best > 0) return best;
    return this.#rested < this.#restFor ? 0 : 2;
  }

  /** Learns from a pass; one ahead of which others guessed tells what passes cost. */
  observe({ positions, ms, guessed, right, guessMs }: ObservedPass): void {
    const sums = this.#sums;
    for (const key of ["n", "x", "xx", "y", "xy"] as const) sums[key] *= FADE;
    sums.n += 1;
    sums.x += positions;
    sums.xx += positions * positions;
    sums.y += ms;
    sums.xy += positions * ms;
    if (guessed === 0) {
      this.#rested++;
      return;
    }
    if (this.#rested >= this.#restFor) this.#restFor = Math.min(2 * this.#restFor, MOST_REST_PASSES);
    this.#first = false;
    this.#rested = 0;
    // the guess after the first wrong one says nothing
    this.#guessed = this.#guessed * FADE + Math.min(guessed, right + 1);
    this.#right = this.#right * FADE + right;
    this.#guesses.n = this.#guesses.n * GUESS_FADE + guessed;
    this.#guesses.ms = this.#guesses.ms * GUESS_FADE + guessMs;
    if (this.#best() > 0) this.#restFor = REST_PASSES;
  }

  #best(): number {
    const rate = Math.min(0.99, this.#right / this.#guessed);
    const guessMs = this.#guesses.ms / this.#guesses.n;
    const speed = (count: number) => tokensOf(rate, count) / (this.#cost(count + 1) + count * guessMs);
    let best = 0;
    let most = speed(0) * LEAST_GAIN;
    for (let count = 1; count <= MAX_DRAFT; count++) {
      if (speed(count) <= most) continue;
      most = speed(count);
      best = count;
    }
    return best;
  }

  /** Milliseconds of a pass over so many positions; never less than a share of the mean, whatever the noise. */
  #cost(positions: number): number {
    const { n, x, xx, y, xy } = this.#sums;
    const spread = n * xx - x * x;
    const mean = y / n;
    if (spread < 1e-9) return Math.max(LEAST_MS, mean);
    const slope = Math.max(0, (n * xy - x * y) / spread);
    return Math.max(LEAST_MS, mean / 20, mean + slope * (positions - x / n));
  }
}

/** Tokens that a pass with `count` guesses gives, each right with chance `rate` if all before it were. */
const tokensOf = (rate: number, count: number): number => (1 - rate ** (count + 1)) / (1 - rate);
