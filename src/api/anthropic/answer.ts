/**
 * Answers in the words of Anthropic, whole.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { EndReason, TextEvent, TextUsage } from "../../text/types.ts";
import { argumentsOf, type WholeAnswer } from "../whole_answer.ts";
import type { MessagesBody } from "./request.ts";

/** What names an answer. */
export interface MessageName {
  readonly id: string;
  /** As the client named it. */
  readonly model: string;
}

/** How the client wants it. */
export interface MessageForm {
  /** Whether thoughts are told, as blocks; else they are left out. */
  readonly hasThoughts: boolean;
}

/** As a request asks for it. */
export const formOf = ({ thinking }: MessagesBody): MessageForm => ({
  hasThoughts: thinking !== undefined && thinking.type !== "disabled",
});

/**
 * What clients keep beside a thought: some drop thoughts without one when they send the conversation back. It is the hash
 * of the thought, and nobody checks it.
 */
export const signatureOf = (thought: string): string => createHash("sha256").update(thought).digest("base64");

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
export function messageOf(
  name: MessageName,
  { thought, text, calls, end }: WholeAnswer,
  { hasThoughts }: MessageForm,
): object {
  const thoughts = hasThoughts && thought !== ""
    ? [{ type: "thinking", thinking: thought, signature: signatureOf(thought) }]
    : [];
  return {
    ...emptyMessage(name, end.usage.promptTokens),
    content: [
      ...thoughts,
      ...(text !== "" || calls.length + thoughts.length === 0 ? [{ type: "text", text }] : []),
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
