/**
 * Tokens, one after another or several a pass.
 *
 * @module
 */
import { openFirstOf } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { Clock } from "../base/world.ts";
import type { DraftLength } from "./draft_length.ts";
import type { Picker } from "./pick.ts";
import { marginOf } from "./score.ts";
import type { Sequence } from "./sequence.ts";

/** Positions of one pass over a prompt: a caller who leaves is heard, and progress told, between passes. */
export const PROMPT_PASS = 256;
/**
 * A best token that is less than 1.3 times as likely as the second may be another one in a pass over other positions: sums
 * of floating point numbers depend on their order.
 */
const NEAR_TIE = Math.log(1.3);

/** Guesses at what comes next. */
export interface Drafter {
  /** A token was chosen. */
  push(id: number): void;
  /** At most `count` tokens that may follow, at once where that takes no time. Throws nothing but the reason of `signal`. */
  guess(count: number, signal: AbortSignal): readonly number[] | Promise<readonly number[]>;
}

/** One way to guess, and how far ahead it pays. */
export interface Drafting {
  readonly drafter: Drafter;
  readonly length: DraftLength;
}

/** What tokens are made with. */
export interface TokenRun {
  readonly clock: Clock;
  readonly sequence: Sequence;
  readonly picker: Picker;
  /** The prompt's tokens; the sequence holds some of the first of them, and at least the last one is fed. */
  readonly prompt: readonly number[];
  /** How many of them the sequence holds; what it holds beyond is forgotten. */
  readonly held: number;
  /** Tokens wanted at most, 1 or more. */
  readonly maxTokens: number;
  readonly endIds: ReadonlySet<number>;
  /** Whoever is told may stop at any token: nothing is computed before that is known. */
  readonly mayStop?: boolean;
  /** So many of the best scores are all that is needed of each position; all are without it. */
  readonly best?: number | undefined;
  /** Ways to guess ahead, where the sequence can go back: the first one that knows something is heard. */
  readonly drafts?: readonly Drafting[];
}

/** A chosen token. */
export interface Token {
  readonly kind: "token";
  readonly id: number;
  /** Scores as the model gave them, before penalties: `[vocabulary]`. */
  readonly scores: Float32Array;
  /** Whether it was guessed ahead, so that it needed no pass of its own. */
  readonly guessed: boolean;
}

/** So many tokens of the prompt are taken in. */
export interface PromptPass {
  readonly kind: "prompt";
  readonly done: number;
}

/**
 * Takes the prompt in, then chooses tokens until one of `endIds`, which is the last. What is guessed ahead changes nothing:
 * a guess counts only where the picker chooses the same token, and where the best two are nearly equal a pass over that
 * position alone decides. Tokens are told while the next pass is guessed for and under way; who leaves then waits for it.
 */
export async function* generateTokens(
  run: TokenRun,
  signal: AbortSignal,
): AsyncGenerator<PromptPass | Token, void, void> {
  const { clock, sequence, picker, endIds, drafts = [], best } = run;
  let scores = yield* feedPrompt(run, signal);
  let made = 0;
  const isOver = (id: number) => endIds.has(id) || made >= run.maxTokens || picker.constraint?.done === true;
  const choose = async (seen: Float32Array): Promise<number> => {
    const id = await picker.pick(seen);
    for (const { drafter } of drafts) drafter.push(id);
    made++;
    return id;
  };
  const leave = new AbortController();
  using guessing = openFirstOf(signal, leave.signal);
  let last = await choose(picker.seen(scores));
  let untold: Token[] = [{ kind: "token", id: last, scores, guessed: false }];
  while (!isOver(last)) {
    if (run.mayStop) yield* untold.splice(0);
    const base = sequence.position;
    const passing = passAhead(run, { last, made }, { signal, guessing: guessing.signal });
    passing.catch(() => {}); // it may fail before anybody waits for it
    let isTold = false;
    try {
      yield* untold;
      isTold = true;
    } finally {
      if (!isTold) leave.abort(new NodeError("aborted", "Nobody listens any more"));
      await passing.catch(() => {}); // one call of a sequence at a time, and its owner may go on with it
    }
    untold = [];
    const { pass, rows, by, guessMs, ...passed } = await passing;
    let { ms } = passed;
    const width = rows.length / pass.length;
    let right = 0;
    try {
      for (let at = 0; at < pass.length; at++) {
        scores = rows.subarray(at * width, (at + 1) * width);
        let seen = picker.seen(scores);
        let isAlone = pass.length === 1;
        if (!isAlone && picker.isGreedy && marginOf(seen) < NEAR_TIE) {
          const startedAtMs = clock.monotonic();
          sequence.rewind(base + at);
          scores = await sequence.feed(pass.slice(at, at + 1), { scored: 1, best }, signal);
          ms += clock.monotonic() - startedAtMs;
          seen = picker.seen(scores);
          isAlone = true;
        }
        last = await choose(seen);
        const fits = last === pass[at + 1];
        if (fits) right++;
        untold.push({ kind: "token", id: last, scores, guessed: at > 0 && !isAlone });
        if (isOver(last)) break;
        if (fits && !(isAlone && pass.length > 1)) continue;
        if (sequence.position > base + at + 1) sequence.rewind(base + at + 1);
        break;
      }
    } catch (error) {
      yield* untold; // they were chosen before it
      throw error;
    }
    for (const drafting of drafts) {
      const own = drafting === by ? { guessed: pass.length - 1, right, guessMs } : NO_GUESSES;
      drafting.length.observe({ positions: pass.length, ms, ...own });
    }
  }
  yield* untold;
}

const NO_GUESSES = { guessed: 0, right: 0, guessMs: 0 };

/** A pass over the last token and what was guessed to follow it. */
interface Pass {
  readonly pass: readonly number[];
  /** Scores `[pass.length, vocabulary]`. */
  readonly rows: Float32Array;
  readonly ms: number;
  /** Who guessed, if anybody did, and what that took. */
  readonly by: Drafting | undefined;
  readonly guessMs: number;
}

/** Guesses as far as it pays and as there is room, then computes; `guessing` ends before the computing begins. */
async function passAhead(
  { clock, sequence, drafts = [], maxTokens, best }: TokenRun,
  { last, made }: { readonly last: number; readonly made: number },
  { signal, guessing }: { readonly signal: AbortSignal; readonly guessing: AbortSignal },
): Promise<Pass> {
  const room = Math.min(sequence.capacity - sequence.position, maxTokens - made) - 1;
  let guesses: readonly number[] = [];
  let by: Drafting | undefined;
  let guessMs = 0;
  for (const drafting of sequence.canRewind ? drafts : []) {
    const count = Math.min(drafting.length.next(), room);
    if (count <= 0) continue;
    const startedAtMs = clock.monotonic();
    const found = drafting.drafter.guess(count, guessing);
    guesses = found instanceof Promise ? await found : found; // the pass begins at once where nothing takes time
    if (guesses.length === 0) continue;
    guessMs = clock.monotonic() - startedAtMs;
    by = drafting;
    break;
  }
  guessing.throwIfAborted();
  const pass = [last, ...guesses];
  const startedAtMs = clock.monotonic();
  const rows = await sequence.feed(pass, { scored: pass.length, best }, signal);
  return { pass, rows, ms: clock.monotonic() - startedAtMs, by, guessMs };
}

/** Takes the rest of the prompt in; the scores of what follows it. */
async function* feedPrompt(
  { sequence, prompt, held, best }: TokenRun,
  signal: AbortSignal,
): AsyncGenerator<PromptPass, Float32Array, void> {
  if (sequence.position < held) {
    throw new RangeError(`Cannot go on at position ${held}: the sequence holds ${sequence.position}`);
  }
  if (sequence.position > held) sequence.rewind(held);
  for (let at = held;;) {
    const end = Math.min(prompt.length, at + PROMPT_PASS);
    const isLast = end === prompt.length;
    const scores = await sequence.feed(prompt.slice(at, end), { scored: isLast ? 1 : 0, best }, signal);
    yield { kind: "prompt", done: end };
    if (isLast) return scores;
    at = end;
  }
}
