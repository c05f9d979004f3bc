/** A whole run over a toy sequence. */
import type { DraftLength } from "../../src/text/draft_length.ts";
import { type Drafter, generateTokens, type TokenRun } from "../../src/text/generate.ts";
import { Picker } from "../../src/text/pick.ts";
import { type Sampling, seededDraw } from "../../src/text/sample.ts";
import { FakeClock } from "../support/world.ts";
import { scoresFor, ToySequence } from "./toy_sequence.ts";

const never = new AbortController().signal;
/** Ids of toy texts are below it. */
export const VOCABULARY = 12;
/** Ends a toy text. */
export const END = 11;

/** A text that depends on all that came before, and repeats itself often. */
export const nextOf = (ids: readonly number[]): number =>
  (ids.at(-1)! * 3 + (ids.at(-2) ?? 1) + ids.length % 2) % 11;
/** A sequence that says so. */
export const toy = (margin = 5) => new ToySequence((ids) => scoresFor(nextOf(ids), VOCABULARY, margin));

/** A text, and how many of its tokens were guessed. */
export interface Made {
  readonly ids: number[];
  readonly guessed: number;
}

/** Makes a text over `sequence`; greedy, 20 tokens behind `1 2 3` without other words. */
export async function make(
  sequence: ToySequence,
  more: Partial<TokenRun> & { sampling?: Sampling; seed?: number } = {},
): Promise<Made> {
  const { sampling = { temperature: 0 }, seed = 1, prompt = [1, 2, 3], ...rest } = more;
  const picker = new Picker({ sampling, draw: seededDraw(seed), prompt });
  const run: TokenRun = {
    clock: new FakeClock(),
    sequence,
    picker,
    prompt,
    held: 0,
    maxTokens: 20,
    endIds: new Set([END]),
    ...rest,
  };
  const ids: number[] = [];
  let guessed = 0;
  for await (const token of generateTokens(run, never)) {
    if (token.kind !== "token") continue;
    ids.push(token.id);
    if (token.guessed) guessed++;
  }
  return { ids, guessed };
}

/** Guesses of always so many tokens. */
export const drafting = (drafter: Drafter, count = 4) => ({
  drafts: [{ drafter, length: { next: () => count, observe: () => {} } as unknown as DraftLength }],
});
