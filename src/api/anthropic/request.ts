/**
 * What clients of Anthropic's messages send.
 *
 * @module
 */
import * as v from "valibot";
import type { AnswerForm, TextRequest } from "../../text/types.ts";
import { jsonObject, maybe, numberIn, wholeIn } from "../request_body.ts";
import { fieldError } from "../wrong_field.ts";

const text = v.string("text");
const name = v.pipe(text, v.nonEmpty("a name"));
/** A block of text. */
export const TEXT_BLOCK = v.object({ type: v.literal("text", "text"), text });
// told apart before they are checked, so that a wrong block is named by its place
const blocks = v.transform((content: unknown) =>
  typeof content === "string" ? [{ type: "text", text: content }] : content
);
/** Words before they are looked into: text, or blocks of text. */
export const RAW_WORDS = v.unknown();
const WORDS = v.pipe(RAW_WORDS, blocks, v.array(TEXT_BLOCK, "text or a list of text blocks"));

/** A block of content. */
export const BLOCK = v.variant("type", [
  TEXT_BLOCK,
  v.object({ type: v.literal("tool_use"), id: text, name, input: jsonObject }),
  v.object({ type: v.literal("tool_result"), tool_use_id: text, content: maybe(WORDS) }),
  v.object({ type: v.literal("thinking"), thinking: maybe(text) }),
  // only who made it can read it
  v.object({ type: v.literal("redacted_thinking") }),
], "text, tool_use or tool_result");
/** Content before it is looked into: text, or blocks. */
export const RAW_CONTENT = v.unknown();
const CONTENT = v.pipe(RAW_CONTENT, blocks, v.array(BLOCK, "text or a list of blocks"));
const MESSAGE = v.object({
  role: v.picklist(["user", "assistant", "system"], "user or assistant"),
  content: CONTENT,
});
const TOOL = v.object({
  type: maybe(v.literal("custom", "custom: tools of servers are not at hand")),
  name,
  description: maybe(text),
  input_schema: jsonObject,
  strict: maybe(v.boolean("true or false")),
});
const TOOL_CHOICE = v.variant("type", [
  v.object({
    type: v.picklist(["auto", "any", "none"]),
    disable_parallel_tool_use: maybe(v.boolean("true or false")),
  }),
  v.object({
    type: v.literal("tool"),
    name,
    disable_parallel_tool_use: maybe(v.boolean("true or false")),
  }),
], "auto, any, tool or none");
const FORMAT = v.object({ type: v.literal("json_schema", "json_schema"), schema: jsonObject });

/** A conversation that is kept: this node keeps none. */
export const THREAD = v.optional(v.unknown());

/** Fields of every question: what goes in. */
const PROMPT_FIELDS = {
  model: v.pipe(text, v.nonEmpty("the name of a model")),
  messages: v.pipe(v.array(MESSAGE, "a list of messages"), v.minLength(1, "at least one message")),
  system: maybe(WORDS),
  tools: maybe(v.array(TOOL, "a list of tools")),
  tool_choice: maybe(TOOL_CHOICE),
  thinking: maybe(v.object({ type: text })),
};

/** Body of `/v1/messages/count_tokens`. */
export const COUNT = v.object(PROMPT_FIELDS, "an object");

/** Body of `/v1/messages`. */
export const MESSAGES = v.object({
  ...PROMPT_FIELDS,
  max_tokens: wholeIn(1, 2 ** 31),
  stream: maybe(v.boolean("true or false")),
  stop_sequences: maybe(v.array(text, "a list of texts")),
  temperature: maybe(numberIn(0, 1)),
  top_p: maybe(numberIn(0, 1)),
  top_k: maybe(wholeIn(0, 2 ** 31)),
  output_format: maybe(FORMAT),
  output_config: maybe(v.object({ format: maybe(FORMAT) })),
  thread: THREAD,
}, "an object");

/** Body of `/v1/messages/count_tokens`, checked. */
export type CountBody = v.InferOutput<typeof COUNT>;
/** Body of `/v1/messages`, checked. */
export type MessagesBody = v.InferOutput<typeof MESSAGES>;

/** How the answer is to be, with Anthropic's defaults. */
export function answerSettings(body: MessagesBody): Omit<TextRequest, "prompt"> {
  const { temperature = 1, top_p: topP = 1, top_k: topK = 0, stop_sequences: stop = [] } = body;
  const form = formOf(body);
  return {
    maxTokens: body.max_tokens,
    sampling: {
      temperature,
      // no probability at all is reached by the likeliest token
      ...(topP === 0 ? { topK: 1 } : topK > 0 ? { topK } : {}),
      ...(topP > 0 && topP < 1 ? { topP } : {}),
    },
    ...(stop.some((one) => one !== "") ? { stop: stop.filter((one) => one !== "") } : {}),
    ...(form === undefined ? {} : { form }),
  };
}

/**
 * Throws `NodeError` `usage` where the conversation is to be kept, or one that was is to go on. The tool runners of
 * Anthropic's clients ask for that first (npm 1.14.0, PyPI 2.14.0), and by this name learn to send all turns themselves.
 */
export function refuseThread({ thread }: MessagesBody): void {
  if (thread === undefined || thread === null) return;
  throw fieldError(
    "thread",
    "is given and this node keeps no conversations, wanted all turns in messages",
    "thread_unsupported_request",
  );
}

function formOf({ output_format: older, output_config: config }: MessagesBody): AnswerForm | undefined {
  const format = config?.format ?? older;
  return format === undefined ? undefined : { kind: "schema", schema: format.schema };
}
