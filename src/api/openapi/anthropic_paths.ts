/**
 * Routes of Anthropic's messages.
 *
 * @module
 */
import {
  BLOCK,
  COUNT as COUNTED,
  MESSAGES,
  RAW_CONTENT,
  RAW_WORDS,
  TEXT_BLOCK,
  THREAD,
} from "../anthropic/request.ts";
import { answer, failures, jsonAnswer, operation, type Part, STREAM } from "./operation.ts";
import { COUNT, listOf, oneOf, orNull, type Schema, schemaOf, shape, TEXT } from "./schema.ts";

const refusals = failures("AnthropicError", 400, 401, 403, 404, 413, 429, 500, 502, 503, 504);
const WORDS: readonly [unknown, Schema] = [RAW_WORDS, { anyOf: [TEXT, listOf(schemaOf(TEXT_BLOCK))] }];
const INSTEAD = new Map<unknown, Schema>([
  WORDS,
  [RAW_CONTENT, { anyOf: [TEXT, listOf(schemaOf(BLOCK, new Map([WORDS])))] }],
  [THREAD, { type: "null" }],
]);
const BLOCKS = listOf({
  anyOf: [
    shape({ type: { const: "thinking" }, thinking: TEXT, signature: TEXT }),
    shape({ type: { const: "text" }, text: TEXT }),
    shape({ type: { const: "tool_use" }, id: TEXT, name: TEXT, input: { type: "object" } }),
  ],
});
const MESSAGE = shape({
  id: TEXT,
  type: { const: "message" },
  role: { const: "assistant" },
  model: TEXT,
  content: BLOCKS,
  stop_reason: oneOf("end_turn", "stop_sequence", "max_tokens", "tool_use"),
  stop_sequence: orNull(TEXT),
  usage: shape({
    input_tokens: COUNT,
    cache_creation_input_tokens: COUNT,
    cache_read_input_tokens: COUNT,
    output_tokens: COUNT,
  }),
});

/** By path. */
export const ANTHROPIC_PATHS: Readonly<Record<string, Part>> = {
  "/v1/messages": {
    post: operation({
      tag: "anthropic",
      summary: "Answers a conversation.",
      body: schemaOf(MESSAGES, INSTEAD),
      answers: {
        200: answer("Whole, or in events where `stream` is true.", {
          "application/json": MESSAGE,
          "text/event-stream": STREAM,
        }),
        ...refusals,
      },
    }),
  },
  "/v1/messages/count_tokens": {
    post: operation({
      tag: "anthropic",
      summary: "How many tokens a conversation has.",
      body: schemaOf(COUNTED, INSTEAD),
      answers: { 200: jsonAnswer("The number.", shape({ input_tokens: COUNT })), ...refusals },
    }),
  },
};
