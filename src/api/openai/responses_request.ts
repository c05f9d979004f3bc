/**
 * What clients of responses send.
 *
 * @module
 */
import * as v from "valibot";
import type { TextRequest } from "../../text/types.ts";
import { jsonObject, maybe, wholeIn } from "../request_body.ts";
import { fieldError } from "../wrong_field.ts";
import { FORMAT, formOf, MODEL_FIELD, SAMPLING_FIELDS, samplingOf, text } from "./fields.ts";
import type { Item } from "./kept_responses.ts";
import { ITEM, messagesOf } from "./responses_items.ts";
import { RAW_TOOL, type ResponseTools, TOOL_CHOICE } from "./responses_tools.ts";

/** A conversation that is kept under a name: this node keeps answers alone. */
export const CONVERSATION = v.optional(v.unknown());

/** Body of `/v1/responses`. */
export const RESPONSES = v.object({
  ...MODEL_FIELD,
  ...SAMPLING_FIELDS,
  input: v.union([text, v.array(ITEM, "a list of items")], "text or a list of items"),
  instructions: maybe(text),
  max_output_tokens: maybe(wholeIn(1, 2 ** 31)),
  stream: maybe(v.boolean("true or false")),
  tools: maybe(v.pipe(v.array(RAW_TOOL, "a list of tools"), v.maxLength(128, "128 tools or fewer"))),
  tool_choice: maybe(TOOL_CHOICE),
  parallel_tool_calls: maybe(v.boolean("true or false")),
  text: maybe(v.object({ format: maybe(FORMAT) }, "an object")),
  top_logprobs: maybe(wholeIn(0, 20)),
  include: maybe(v.array(text, "a list of texts")),
  previous_response_id: maybe(text),
  conversation: CONVERSATION,
  prompt: v.optional(v.unknown()),
  background: maybe(v.boolean("true or false")),
  store: maybe(v.boolean("true or false")),
  metadata: maybe(jsonObject),
  // what follows is told again, and that is all
  safety_identifier: maybe(text),
  prompt_cache_key: maybe(text),
}, "an object");

/** The same, checked. */
export type ResponsesBody = v.InferOutput<typeof RESPONSES>;

/** A request for one answer to a conversation. Throws `NodeError` `usage` that names the field. */
export function responsesRequest(
  body: ResponsesBody,
  conversation: readonly Item[],
  tools: ResponseTools,
): TextRequest {
  if (body.conversation !== undefined && body.conversation !== null) {
    throw fieldError("conversation", "is given and this node keeps none, wanted all turns in input");
  }
  if (body.prompt !== undefined && body.prompt !== null) {
    throw fieldError("prompt", "is given and this node keeps no templates, wanted instructions and input");
  }
  if (body.background === true) throw fieldError("background", "is true, wanted false: answers are made now");
  const { max_output_tokens: most, input, instructions } = body;
  const wantsScores = body.top_logprobs !== undefined ||
    (body.include ?? []).includes("message.output_text.logprobs");
  const own = typeof input === "string" ? 1 : input.length;
  const messages = [
    ...(instructions === undefined ? [] : [{ role: "system", content: instructions }]),
    ...messagesOf(conversation, own, (name) => tools.told(name)),
  ];
  if (messages.length === 0) throw fieldError("input", "is empty, wanted one item or more");
  return {
    prompt: { kind: "chat", messages, ...tools.forPrompt() },
    ...samplingOf(body),
    ...(most === undefined ? {} : { maxTokens: most }),
    ...(wantsScores ? { topLogprobs: body.top_logprobs ?? 0 } : {}),
    ...formOf(body.text?.format, "text.format.schema"),
  };
}
