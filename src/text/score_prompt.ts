/**
 * How likely a prompt's own tokens are.
 *
 * @module
 */
import { scoreToken, type TextOf } from "./score.ts";
import type { Sequence } from "./sequence.ts";
import type { ScoredToken } from "./types.ts";

/** Rows of scores held at a time: 16 MiB for a vocabulary of 131 072. */
const ROWS = 32;

/** What is asked for. */
export interface PromptScoring {
  readonly ids: readonly number[];
  readonly top: number;
  readonly textOf: TextOf;
}

/**
 * Takes all but the last of `ids` into an empty sequence; each token with its probability behind those before it. The
 * first has none.
 */
export async function scorePrompt(
  sequence: Sequence,
  { ids, top, textOf }: PromptScoring,
  signal: AbortSignal,
): Promise<readonly ScoredToken[]> {
  const scored: ScoredToken[] = [{ id: ids[0]!, text: textOf(ids[0]!), logprob: null, top: [] }];
  for (let at = 0; at < ids.length - 1; at += ROWS) {
    const part = ids.slice(at, Math.min(at + ROWS, ids.length - 1));
    const rows = await sequence.feed(part, { scored: part.length }, signal);
    const width = rows.length / part.length;
    for (let row = 0; row < part.length; row++) {
      const scores = rows.subarray(row * width, (row + 1) * width);
      scored.push(scoreToken(scores, ids[at + row + 1]!, { top, textOf }));
    }
  }
  return scored;
}
