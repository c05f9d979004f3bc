/**
 * Answers in the words of Anthropic, whole.
 *
 * @module
 */
import type { EndReason, TextEvent, TextUsage } from "../../text/types.ts";
import { argumentsOf, type WholeAnswer } from "../whole_answer.ts";

/** What names an answer. */
export interface MessageName {
  readonly id: string;
  /** As the client named it. */
  readonly model: string;
}

/** The end of an answer. */
export type AnswerEnd = TextEvent & { readonly kind: "end" };

const STOP_REASONS: Readonly<Record<EndReason, string>> = {
  end: "end_turn",
  stop: "stop_sequence",
  length: "max_tokens",
  tool_calls: "tool_use",
};

/** Why an answer ended. */
export const stopOf = ({ reason, stop }: AnswerEnd): object => ({
  stop_reason: STOP_REASONS[reason],
  stop_sequence: reason === "stop" ? stop ?? null : null,
});

/** Tokens. What an earlier request left computed is not apart: nobody pays for it. */
export const usageOf = ({ promptTokens, newTokens }: Pick<TextUsage, "promptTokens" | "newTokens">) => ({
  input_tokens: promptTokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: newTokens,
});

/** A message before anything was said. */
export const emptyMessage = ({ id, model }: MessageName, promptTokens: number) => ({
  id,
  type: "message",
  role: "assistant",
  model,
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: usageOf({ promptTokens, newTokens: 0 }),
});

/** A message that is whole. */
export function messageOf(name: MessageName, { text, calls, end }: WholeAnswer): object {
  return {
    ...emptyMessage(name, end.usage.promptTokens),
    content: [
      ...(text !== "" || calls.length === 0 ? [{ type: "text", text }] : []),
      ...calls.map((call) => ({
        type: "tool_use",
        id: call.id,
        name: call.name,
        input: argumentsOf(call),
      })),
    ],
    ...stopOf(end),
    usage: usageOf(end.usage),
  };
}
