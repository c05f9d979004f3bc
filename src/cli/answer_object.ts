/**
 * An answer as the JSON of verbs that ask for text has it.
 *
 * @module
 */
import { blocksOf } from "../api/status.ts";
import type { TextEvent } from "../text/types.ts";

/** How an answer ended. */
export type AnswerEnd = TextEvent & { readonly kind: "end" };

/** Tokens, time, joules where every server tells them, and who computed which blocks. */
export function answerFields({ usage, ids = [] }: AnswerEnd): object {
  const { promptTokens, newTokens, seconds, hops, joules, method } = usage;
  return {
    tokens: ids,
    promptTokens,
    newTokens,
    seconds: Math.round(seconds * 1000) / 1000,
    tokensPerSecond: Math.round(newTokens / Math.max(seconds, 1e-6) * 100) / 100,
    ...(joules === undefined ? {} : { joules, method }),
    hops: hops.map(({ peerId, blocks }) => ({ peerId, blocks: blocksOf(blocks) })),
  };
}
