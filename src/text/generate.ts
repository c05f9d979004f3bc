/**
 * Tokens, one after another or several a pass.
 *
 * @module
 */
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
  /** At most `count` tokens that may follow. */
  guess(count: number): readonly number[];
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
  /** Guessing ahead, where the sequence can go back. */
  readonly draft?: { readonly drafter: Drafter; readonly length: DraftLength } | undefined;
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
 * position alone decides. Tokens are told while the next pass is under way; who leaves then waits for it.
 */
export async function* generateTokens(
  run: TokenRun,
  signal: AbortSignal,
): AsyncGenerator<PromptPass | Token, void, void> {
  const { sequence, picker, endIds, draft, best } = run;
  let scores = yield* feedPrompt(run, signal);
  let made = 0;
  const isOver = (id: number) => endIds.has(id) || made >= run.maxTokens || picker.constraint?.done === true;
  let last = picker.pick(await picker.seen(scores));
  draft?.drafter.push(last);
  made++;
  let untold: Token[] = [{ kind: "token", id: last, scores, guessed: false }];
  while (!isOver(last)) {
    if (run.mayStop) yield* untold.splice(0);
    const base = sequence.position;
    const pass = [last, ...guesses(run, made)];
    const feeding = timed(run.clock, sequence.feed(pass, { scored: pass.length, best }, signal));
    try {
      yield* untold;
    } finally {
      await feeding.catch(() => {}); // one call of a sequence at a time, and its owner may go on with it
    }
    untold = [];
    const { result: rows, ms } = await feeding;
    const width = rows.length / pass.length;
    let right = 0;
    for (let at = 0; at < pass.length; at++) {
      scores = rows.subarray(at * width, (at + 1) * width);
      let seen = await picker.seen(scores);
      let isAlone = pass.length === 1;
      if (!isAlone && picker.isGreedy && marginOf(seen) < NEAR_TIE) {
        sequence.rewind(base + at);
        scores = await sequence.feed(pass.slice(at, at + 1), { scored: 1, best }, signal);
        seen = await picker.seen(scores);
        isAlone = true;
      }
      last = picker.pick(seen);
      draft?.drafter.push(last);
      made++;
      const fits = last === pass[at + 1];
      if (fits) right++;
      untold.push({ kind: "token", id: last, scores, guessed: at > 0 });
      if (isOver(last)) break;
      if (fits && !(isAlone && pass.length > 1)) continue;
      if (sequence.position > base + at + 1) sequence.rewind(base + at + 1);
      break;
    }
    draft?.length.observe({ positions: pass.length, ms, guessed: pass.length - 1, right });
  }
  yield* untold;
}

/** The result of `work` and what it took. It may fail before anybody waits for it. */
function timed<T>(clock: Clock, work: Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  const startedAtMs = clock.monotonic();
  const done = work.then((result) => ({ result, ms: clock.monotonic() - startedAtMs }));
  done.catch(() => {});
  return done;
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

/** As many guesses as pay and as there is room for. */
function guesses({ draft, sequence, maxTokens }: TokenRun, made: number): readonly number[] {
  if (draft === undefined || !sequence.canRewind) return [];
  const room = Math.min(sequence.capacity - sequence.position, maxTokens - made) - 1;
  const count = Math.min(draft.length.next(), room);
  return count > 0 ? draft.drafter.guess(count) : [];
}
