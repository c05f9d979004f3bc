/**
 * What all of OpenAI's answers are made of.
 *
 * @module
 */
import { encodeUtf8, toHex } from "../../base/bytes.ts";
import type { World } from "../../base/world.ts";
import type { EndReason, ScoredToken, TextUsage, TokenScore } from "../../text/types.ts";
import { failureBody, failureOf } from "../http_error.ts";
import type { RequestFacts } from "../access.ts";
import type { StreamForm } from "../streamed_answer.ts";

/** A new id, such as `chatcmpl-3f2a…`. */
export const newId = ({ random }: Pick<World, "random">, prefix: string): string =>
  `${prefix}${toHex(random(12))}`;

/** Unix seconds. */
export const secondsNow = ({ clock }: Pick<World, "clock">): number => Math.floor(clock.now() / 1000);

/** Seconds from now on, whenever asked. */
export function openStopwatch(clock: World["clock"]): () => number {
  const startedAtMs = clock.monotonic();
  return () => (clock.monotonic() - startedAtMs) / 1000;
}

/** OpenAI's word for why an answer ended. */
export const finishReason = (reason: EndReason): "stop" | "length" | "tool_calls" =>
  reason === "length" || reason === "tool_calls" ? reason : "stop";

/** Tokens of one or more answers to one question: a prompt that is asked several times counts once. */
export function usageOf(all: readonly TextUsage[]): object {
  const sum = (read: (usage: TextUsage) => number) => all.reduce((total, usage) => total + read(usage), 0);
  const [first] = all;
  const promptTokens = first?.promptTokens ?? 0;
  const newTokens = sum(({ newTokens }) => newTokens);
  const thoughtTokens = sum(({ thoughtTokens = 0 }) => thoughtTokens);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: newTokens,
    total_tokens: promptTokens + newTokens,
    prompt_tokens_details: { cached_tokens: first?.cachedTokens ?? 0 },
    ...(thoughtTokens === 0 ? {} : { completion_tokens_details: { reasoning_tokens: thoughtTokens } }),
  };
}

/**
 * What this program tells beyond: who computed at the end, that all of it took `seconds`, and what all of it cost where
 * all answers tell. No field of OpenAI's.
 */
export function kwaaiOf(all: readonly TextUsage[], seconds: number): object {
  const last = all.at(-1);
  if (last === undefined || (last.hops.length === 0 && last.joules === undefined)) return {};
  const sum = (read: (usage: TextUsage) => number) => all.reduce((total, usage) => total + read(usage), 0);
  const methods = new Set(all.flatMap(({ method = [] }) => method));
  return {
    kwaai: {
      passes: sum(({ passes }) => passes),
      guessed: sum(({ guessed }) => guessed),
      seconds,
      first_token_seconds: all[0]!.firstTokenSeconds,
      hops: last.hops.map(({ peerId, blocks: { start, end } }) => ({ peer: peerId, blocks: [start, end] })),
      ...(all.every(({ joules }) => joules !== undefined)
        ? { joules: sum(({ joules = 0 }) => joules), method: [...methods].join(", ") }
        : {}),
    },
  };
}

/** A token's probability, as chat and responses tell it. */
export const logprobOf = (token: ScoredToken): object => ({
  ...bare(token),
  top_logprobs: token.top.map(bare),
});

/** Part of a letter, or a letter that is none: which bytes it stands for is not known. */
const INCOMPLETE = "\uFFFD";

const bare = ({ text, logprob }: TokenScore): object => ({
  token: text,
  logprob: logprob ?? 0,
  bytes: text.includes(INCOMPLETE) ? null : [...encodeUtf8(text)],
});

/** One event of a stream of server-sent events whose data is JSON. */
export const dataOf = (document: object): string => `data: ${JSON.stringify(document)}\n\n`;

/** The end of a stream of completions. */
export const DONE = "data: [DONE]\n\n";

/** The same while nothing comes. */
export const WAITING = ": waiting\n\n";

/** Keeps a connection, and those who watch it, awake while a long prompt is taken in. */
export const promptComment = ({ done, total }: { readonly done: number; readonly total: number }): string =>
  `: prompt ${done} of ${total} tokens\n\n`;

/** Server-sent events; a failure in the middle is one more of them. */
export const eventStream = (
  facts: RequestFacts,
  { clock, log }: Pick<World, "clock" | "log">,
): StreamForm => ({
  contentType: "text/event-stream; charset=utf-8",
  log,
  quiet: { clock, part: WAITING },
  failed: (error) => dataOf(failureBody(failureOf(error), facts)),
});
