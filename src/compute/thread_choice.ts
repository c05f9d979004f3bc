/**
 * One thread or many. The threads of ggml wait for each other by spinning after every operation: with other work on one
 * of the cores, two threads were seen to take 2 to 20 times as long as one alone.
 *
 * @module
 */

/** Steps on each side of a trial; the first of each is not counted. */
export const TRIAL_STEPS = 4;
/** Steps of one kind whose median is the usual time. */
const HISTORY = 16;
/** Steps in a row that must be slow before it is looked at. */
const SLOW_STEPS = 3;
/** A step that takes so many times the usual one is slow. */
const SLOW_FACTOR = 2;
/** Steps with one thread before many are tried again; doubled each time that they lose. */
const FIRST_REST = 256;
const MAX_REST = 4096;
/** Steps of another kind than the one compared, in a row, before that one is compared instead. */
const STRANGERS = 32;

interface Trial {
  readonly one: number[];
  readonly many: number[];
}

/**
 * Chooses by trials: some steps with one thread, some with all, of the same kind; the faster side goes on. There is a
 * trial at the start, when steps become slow, and now and then while one thread is used.
 */
export class ThreadChoice {
  readonly #most: number;
  #kind = "";
  #strangers = 0;
  /** Times of a trial: of one thread, then of all. `undefined` outside of trials. */
  #trial: Trial | undefined = { one: [], many: [] };
  #chosen: number;
  #recent: number[] = [];
  #slow = 0;
  #rest = FIRST_REST;
  #untilTrial = Infinity;

  /** `most` threads, or one. */
  constructor(most: number) {
    this.#most = most;
    this.#chosen = most;
  }

  /** Threads of the next computation. */
  get threads(): number {
    if (this.#trial === undefined || this.#most === 1) return this.#chosen;
    return this.#trial.one.length < TRIAL_STEPS ? 1 : this.#most;
  }

  /** Whether a trial is under way. */
  get trying(): boolean {
    return this.#trial !== undefined;
  }

  /** Tells that a step, computed with `threads`, took `ms`. Only steps of the same `kind` are compared. */
  record(kind: string, ms: number): void {
    if (this.#most === 1 || !this.#isCompared(kind)) return;
    if (this.#trial !== undefined) this.#try(this.#trial, ms);
    else this.#watch(ms);
  }

  #isCompared(kind: string): boolean {
    if (kind === this.#kind) {
      this.#strangers = 0;
      return true;
    }
    if (this.#kind !== "" && ++this.#strangers < STRANGERS) return false;
    this.#kind = kind;
    this.#strangers = 0;
    this.#recent = [];
    this.#slow = 0;
    if (this.#trial !== undefined) this.#trial = { one: [], many: [] };
    return true;
  }

  #try({ one, many }: Trial, ms: number): void {
    (one.length < TRIAL_STEPS ? one : many).push(ms);
    const usual = median(one.slice(1));
    const hopeless = many.filter((time) => time > SLOW_FACTOR * usual).length > 1;
    if (many.length < TRIAL_STEPS && !hopeless) return;
    const manyWin = !hopeless && median(many.slice(1)) <= usual;
    this.#chosen = manyWin ? this.#most : 1;
    this.#untilTrial = manyWin ? Infinity : this.#rest;
    this.#rest = manyWin ? FIRST_REST : Math.min(2 * this.#rest, MAX_REST);
    this.#recent = [];
    this.#slow = 0;
    this.#trial = undefined;
  }

  #watch(ms: number): void {
    this.#untilTrial--;
    const isSlow = this.#chosen > 1 && this.#recent.length === HISTORY &&
      ms > SLOW_FACTOR * median(this.#recent);
    this.#slow = isSlow ? this.#slow + 1 : 0;
    if (!isSlow) this.#recent = [...this.#recent.slice(1 - HISTORY), ms];
    if (this.#slow >= SLOW_STEPS || this.#untilTrial <= 0) this.#trial = { one: [], many: [] };
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
