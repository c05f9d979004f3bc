/**
 * One answer: from ids of a prompt to text that is told as it comes.
 *
 * @module
 */
import type { Clock } from "../base/world.ts";
import type { TextStream } from "../model/tokenizer.ts";
import { sessionEnergy } from "../petals/client/energy.ts";
import { generateTokens, type TokenRun } from "./generate.ts";
import { scoreToken, type TextOf } from "./score.ts";
import { StopWatch } from "./stops.ts";
import { type ReadThoughts, THOUGHT_MARKS, type ThoughtReader } from "./tools/thought_reader.ts";
import type { EndReason, ScoredToken, TextEvent, TextUsage, ToolCall } from "./types.ts";

/** Finds calls of tools in text that comes in parts. */
export interface CallReader {
  /** Text that is none of a call, and calls that are complete. */
  push(text: string): { readonly text: string; readonly calls: readonly ToolCall[] };
  /** A control token of that name came, one that belongs to calls and has no text. */
  mark(name: string): { readonly text: string; readonly calls: readonly ToolCall[] };
  /** What is left when the text has ended. */
  finish(): { readonly text: string; readonly calls: readonly ToolCall[] };
}

/** What an answer is made with. */
export interface AnswerRun {
  readonly clock: Clock;
  readonly tokens: Omit<TokenRun, "clock">;
  readonly words: TextStream;
  readonly textOf: TextOf;
  readonly stop: readonly string[];
  readonly topLogprobs: number | undefined;
  readonly calls: CallReader | undefined;
  /** Tells thoughts apart where it is there. Stops and calls are looked for behind them. */
  readonly thoughts?: ThoughtReader | undefined;
  /** Control tokens by id that belong to calls or stand around thoughts. */
  readonly marks: ReadonlyMap<number, string>;
  /** When the request came, monotonic ms. */
  readonly startedAtMs: number;
  /** Filled with the ids of the answer, the end token included. */
  readonly made: number[];
}

/** Tells an answer. Leaving the iteration ends the computing. */
export async function* tellAnswer(
  run: AnswerRun,
  signal: AbortSignal,
): AsyncGenerator<TextEvent, void, void> {
  const { clock, tokens, made } = run;
  const text = new AnswerText(run);
  const steps = generateTokens({ ...tokens, clock }, signal);
  let firstAtMs: number | undefined;
  let guessed = 0;
  let reason: EndReason = "length";
  for await (const token of steps) {
    if (token.kind === "prompt") {
      yield { ...token, total: tokens.prompt.length };
      continue;
    }
    firstAtMs ??= clock.monotonic();
    made.push(token.id);
    if (token.guessed) guessed++;
    const isEnd = tokens.endIds.has(token.id);
    if (isEnd) reason = "end";
    else {
      yield* text.add(token.id, token.scores);
      if (tokens.picker.constraint?.done) reason = "end";
    }
    if (text.stop !== undefined) {
      reason = "stop";
      break;
    }
  }
  yield* text.finish();
  const { calls, stop, thoughtTokens } = text;
  if (calls.length > 0) {
    yield { kind: "tool_calls", calls };
    if (reason === "end" || reason === "stop") reason = "tool_calls";
  }
  const newTokens = made.filter((id) => !tokens.endIds.has(id)).length;
  const usage = usageOf(run, { newTokens, thoughtTokens, guessed, firstAtMs });
  const stopped = reason === "stop" && stop !== undefined ? { stop } : {};
  yield { kind: "end", reason, ...stopped, ids: [...made], usage };
}

function usageOf(
  { clock, tokens, startedAtMs, made }: AnswerRun,
  { newTokens, thoughtTokens, guessed, firstAtMs }: {
    readonly newTokens: number;
    readonly thoughtTokens: number;
    readonly guessed: number;
    readonly firstAtMs: number | undefined;
  },
): TextUsage {
  const { sequence, prompt, held } = tokens;
  const now = clock.monotonic();
  const seconds = (fromMs: number) => (fromMs - startedAtMs) / 1000;
  return {
    promptTokens: prompt.length,
    cachedTokens: held,
    newTokens,
    ...(thoughtTokens === 0 ? {} : { thoughtTokens }),
    firstTokenSeconds: seconds(firstAtMs ?? now),
    seconds: seconds(now),
    hops: sequence.hops.map(({ peerId, blocks }) => ({ peerId, blocks })),
    ...sessionEnergy(sequence.hops, prompt.length - held + newTokens),
    passes: made.length - guessed,
    guessed,
  };
}

/** The text of an answer: held back where a letter, a tag, a stop or a call may be incomplete. */
class AnswerText {
  readonly calls: ToolCall[] = [];
  /** Tokens of thoughts that were told apart, and of what stands around them. */
  thoughtTokens = 0;
  stop: string | undefined;
  readonly #run: AnswerRun;
  readonly #stops: StopWatch;
  #ids: number[] = [];
  #scored: ScoredToken[] = [];

  constructor(run: AnswerRun) {
    this.#run = run;
    this.#stops = new StopWatch(run.stop);
  }

  *add(id: number, scores: Float32Array | undefined): Generator<TextEvent> {
    const { words, topLogprobs, textOf } = this.#run;
    const mark = this.#markOf(id);
    if (mark !== undefined) yield* this.#flush(); // its id belongs to what follows
    this.#ids.push(id);
    if (topLogprobs !== undefined && scores !== undefined) {
      this.#scored.push(scoreToken(scores, id, { top: topLogprobs, textOf }));
    }
    if (mark === undefined) yield* this.#read(words.push(id));
    else if (this.stop === undefined) yield* this.#readMark(mark);
    if (this.#run.thoughts?.isThinking) {
      // they are none of the text's
      this.thoughtTokens += this.#ids.length;
      this.#ids = [];
      this.#scored = [];
    }
  }

  *finish(): Generator<TextEvent> {
    if (this.stop === undefined) {
      yield* this.#flush();
      if (this.stop === undefined && this.#run.thoughts !== undefined) {
        yield* this.#part(this.#run.thoughts.finish());
      }
      if (this.stop === undefined) yield* this.#tell(this.#stops.finish());
    }
    const left = this.#run.calls?.finish();
    if (left !== undefined) yield* this.#take(left);
  }

  /** What letters and stops held back: no more text comes that would complete them. */
  *#flush(): Generator<TextEvent> {
    yield* this.#read(this.#run.words.finish());
    if (this.stop === undefined) yield* this.#tell(this.#stops.finish());
  }

  /** The name of a control token that somebody reads. */
  #markOf(id: number): string | undefined {
    const { calls, thoughts, marks } = this.#run;
    const name = marks.get(id);
    if (name === undefined || (thoughts !== undefined && !thoughts.isOver)) return name;
    return calls === undefined || THOUGHT_MARKS.includes(name) ? undefined : name;
  }

  *#readMark(name: string): Generator<TextEvent> {
    const { calls, thoughts } = this.#run;
    if (thoughts !== undefined) yield* this.#part(thoughts.mark(name));
    if (calls === undefined || THOUGHT_MARKS.includes(name)) return;
    if (thoughts === undefined || thoughts.isOver) yield* this.#take(calls.mark(name));
  }

  *#read(text: string): Generator<TextEvent> {
    const { thoughts } = this.#run;
    yield* thoughts === undefined || thoughts.isOver ? this.#check(text) : this.#part(thoughts.push(text));
  }

  *#part({ thought, text }: ReadThoughts): Generator<TextEvent> {
    if (thought !== "") yield { kind: "thought", text: thought };
    if (text !== "") yield* this.#check(text);
  }

  *#check(text: string): Generator<TextEvent> {
    const checked = this.#stops.push(text);
    this.stop = checked.stop;
    yield* this.#tell(checked.text);
  }

  *#tell(text: string): Generator<TextEvent> {
    const { calls } = this.#run;
    if (calls === undefined) return yield* this.#emit(text);
    yield* this.#take(calls.push(text));
  }

  *#take({ text, calls }: ReturnType<CallReader["push"]>): Generator<TextEvent> {
    this.calls.push(...calls);
    yield* this.#emit(text);
  }

  *#emit(text: string): Generator<TextEvent> {
    if (text === "") return;
    yield { kind: "text", text, ids: this.#ids, tokens: this.#scored };
    this.#ids = [];
    this.#scored = [];
  }
}
