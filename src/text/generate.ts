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
  /** Whoever is told may stop at any token: nothing is asked for before that is known. */
  readonly mayStop?: boolean;
  /** Nobody wants to see scores: whoever has them may choose, where scores alone decide. */
  readonly idsOnly?: boolean;
  /** Guesses take the engine's time: it is not to go on by itself with a token that it chose. */
  readonly sharesEngine?: boolean;
  /** So many of the best scores are all that is needed of each position; all are without it. */
  readonly best?: number | undefined;
  /** Ways to guess ahead, where the sequence can go back: the first one that knows something is heard. */
  readonly drafts?: readonly Drafting[];
}

/** A chosen token. */
export interface Token {
  readonly kind: "token";
  readonly id: number;
  /** Scores as the model gave them, before penalties: `[vocabulary]`; not where ids alone are wanted. */
  readonly scores?: Float32Array;
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
  const { sequence, drafts = [] } = run;
  const found = yield* feedPrompt(run, signal);
  const text = new Text(run);
  let untold = [await text.choose(found, false)];
  const leave = new AbortController();
  using guessing = openFirstOf(signal, leave.signal);
  while (!text.isOver) {
    if (run.mayStop) yield* untold.splice(0);
    const base = sequence.position;
    const passing = passAhead(run, text, { signal, guessing: guessing.signal });
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
    const pass = await passing;
    try {
      const { right, ms } = await judge(run, { text, pass, base, tokens: untold }, signal);
      for (const drafting of drafts) {
        const own = drafting === pass.by
          ? { guessed: pass.ids.length - 1, right, guessMs: pass.guessMs }
          : NO_GUESSES;
        drafting.length.observe({ positions: pass.ids.length, ms: pass.ms + ms, ...own });
      }
    } catch (error) {
      yield* untold; // they were chosen before it
      throw error;
    }
  }
  yield* untold;
}

const NO_GUESSES = { guessed: 0, right: 0, guessMs: 0 };

/** What a pass found: scores `[scored, vocabulary]`, or the id that was chosen by those of its last position. */
type Found =
  | { readonly kind: "scores"; readonly rows: Float32Array }
  | { readonly kind: "id"; readonly id: number };

/** A pass over the last token and what was guessed to follow it. */
interface Pass {
  readonly ids: readonly number[];
  readonly found: Found;
  readonly ms: number;
  /** Who guessed, if anybody did, and what that took. */
  readonly by: Drafting | undefined;
  readonly guessMs: number;
}

/** The tokens chosen so far. */
class Text {
  made = 0;
  last = -1;
  readonly #run: TokenRun;

  constructor(run: TokenRun) {
    this.#run = run;
  }

  /** Whether the last token is the last one. */
  get isOver(): boolean {
    const { endIds, maxTokens, picker } = this.#run;
    return endIds.has(this.last) || this.made >= maxTokens || picker.constraint?.done === true;
  }

  /** The next token, by what a pass found for its position. */
  async choose(found: Found, guessed: boolean): Promise<Token> {
    const { picker } = this.#run;
    if (found.kind === "id") return this.#add({ kind: "token", id: found.id, guessed });
    return await this.pick(found.rows, picker.seen(found.rows), guessed);
  }

  /** The next token by scores as the picker sees them. */
  async pick(scores: Float32Array, seen: Float32Array, guessed: boolean): Promise<Token> {
    return this.#add({ kind: "token", id: await this.#run.picker.pick(seen), scores, guessed });
  }

  #add(token: Token): Token {
    for (const { drafter } of this.#run.drafts ?? []) drafter.push(token.id);
    this.made++;
    this.last = token.id;
    return token;
  }
}

/**
 * Chooses on as far as the guesses of `pass`, whose first position is `base`, are right, and takes the sequence back to
 * there. What is chosen goes to `tokens`, at once. How many guesses were right, and what further passes took.
 */
async function judge(
  run: TokenRun,
  { text, pass: { ids, found }, base, tokens }: {
    readonly text: Text;
    readonly pass: Pass;
    readonly base: number;
    readonly tokens: Token[];
  },
  signal: AbortSignal,
): Promise<{ readonly right: number; readonly ms: number }> {
  if (found.kind === "id" || ids.length === 1) {
    tokens.push(await text.choose(found, false));
    return { right: 0, ms: 0 };
  }
  const { clock, sequence, picker, best } = run;
  const width = found.rows.length / ids.length;
  let ms = 0;
  for (let at = 0, right = 0;; at++) {
    let scores = found.rows.subarray(at * width, (at + 1) * width);
    let seen = picker.seen(scores);
    const isAlone = picker.isGreedy && marginOf(seen) < NEAR_TIE;
    if (isAlone) {
      const startedAtMs = clock.monotonic();
      sequence.rewind(base + at);
      scores = await sequence.feed(ids.slice(at, at + 1), { scored: 1, best }, signal);
      ms += clock.monotonic() - startedAtMs;
      seen = picker.seen(scores);
    }
    const token = await text.pick(scores, seen, at > 0 && !isAlone);
    tokens.push(token);
    const fits = token.id === ids[at + 1];
    if (fits) right++;
    if (text.isOver) return { right, ms };
    if (fits && !isAlone) continue;
    if (sequence.position > base + at + 1) sequence.rewind(base + at + 1);
    return { right, ms };
  }
}

/** Guesses as far as it pays and as there is room, then computes; `guessing` ends before the computing begins. */
async function passAhead(
  run: TokenRun,
  { last, made }: { readonly last: number; readonly made: number },
  { signal, guessing }: { readonly signal: AbortSignal; readonly guessing: AbortSignal },
): Promise<Pass> {
  const { clock, sequence, drafts = [], maxTokens } = run;
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
  const ids = [last, ...guesses];
  const startedAtMs = clock.monotonic();
  const found = await score(run, { ids, scored: ids.length, made }, signal);
  return { ids, found, ms: clock.monotonic() - startedAtMs, by, guessMs };
}

/** Takes the rest of the prompt in; what follows it. */
async function* feedPrompt(run: TokenRun, signal: AbortSignal): AsyncGenerator<PromptPass, Found, void> {
  const { sequence, prompt, held, best } = run;
  if (sequence.position < held) {
    throw new RangeError(`Cannot go on at position ${held}: the sequence holds ${sequence.position}`);
  }
  if (sequence.position > held) sequence.rewind(held);
  let at = held;
  for (; prompt.length - at > PROMPT_PASS; at += PROMPT_PASS) {
    await sequence.feed(prompt.slice(at, at + PROMPT_PASS), { scored: 0, best }, signal);
    yield { kind: "prompt", done: at + PROMPT_PASS };
  }
  const found = await score(run, { ids: prompt.slice(at), scored: 1, made: 0 }, signal);
  yield { kind: "prompt", done: prompt.length };
  return found;
}

/** Takes `ids` in, behind `made` tokens of the answer, and finds what follows the last `scored` of them. */
async function score(
  { sequence, picker, idsOnly, sharesEngine, endIds, maxTokens, best }: TokenRun,
  { ids, scored, made }: { readonly ids: readonly number[]; readonly scored: number; readonly made: number },
  signal: AbortSignal,
): Promise<Found> {
  if (scored > 1 || !idsOnly || !picker.isPlain) {
    return { kind: "scores", rows: await sequence.feed(ids, { scored, best }, signal) };
  }
  const isLast = made + 1 >= maxTokens;
  const goOn = isLast || sharesEngine ? {} : { goOnUnless: [...endIds] };
  return { kind: "id", id: await sequence.next(ids, { choice: picker.draw(), ...goOn }, signal) };
}
