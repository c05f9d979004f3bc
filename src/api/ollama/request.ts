/**
 * What Ollama's clients send.
 *
 * @module
 */
import * as v from "valibot";
import { NodeError } from "../../base/errors.ts";
import type { AnswerForm, TextRequest } from "../../text/types.ts";
import { jsonObject, maybe, numberIn, SEED, seedOf, wholeIn } from "../request_body.ts";

const text = v.string("text");
const stops = v.pipe(
  v.union([text, v.array(text)], "text or a list of texts"),
  v.transform((stop) => (typeof stop === "string" ? [stop] : stop).filter((one) => one !== "")),
);

/** Settings of an answer that mean something here; others are ignored, as Ollama ignores what it does not know. */
const OPTIONS = v.object({
  num_predict: maybe(wholeIn(-2, 2 ** 31)),
  temperature: maybe(numberIn(0, 100)),
  top_k: maybe(wholeIn(-1, 2 ** 31)),
  top_p: maybe(numberIn(0, 1)),
  min_p: maybe(numberIn(0, 1)),
  repeat_penalty: maybe(numberIn(0.01, 100)),
  frequency_penalty: maybe(numberIn(-2, 2)),
  presence_penalty: maybe(numberIn(-2, 2)),
  seed: maybe(SEED),
  stop: maybe(stops),
}, "an object");

/** Fields of every question to a model. */
export const MODEL_FIELD = { model: v.pipe(text, v.nonEmpty("the name of a model")) };

const ANSWER_FIELDS = {
  ...MODEL_FIELD,
  stream: maybe(v.boolean("true or false")),
  format: maybe(v.union([v.picklist(["", "json"]), jsonObject], '"json" or a JSON schema')),
  options: maybe(OPTIONS),
  keep_alive: v.optional(v.unknown()),
  think: maybe(v.union([v.boolean(), v.picklist(["low", "medium", "high"])], "true or false")),
  logprobs: maybe(v.boolean("true or false")),
  top_logprobs: maybe(wholeIn(0, 20)),
};

/** Pictures, which are refused. */
export const IMAGES = maybe(v.array(v.unknown(), "a list"));
const CALL = v.object({
  id: maybe(text),
  function: v.object({ name: text, arguments: v.union([jsonObject, text], "an object") }, "a function"),
}, "a call of a tool");
const MESSAGE = v.object({
  role: v.picklist(["system", "user", "assistant", "tool"], "system, user, assistant or tool"),
  content: maybe(text),
  thinking: maybe(text),
  images: IMAGES,
  tool_calls: maybe(v.array(CALL, "a list")),
  tool_call_id: maybe(text),
  tool_name: maybe(text),
}, "a message");
const TOOL = v.object({
  function: v.object({
    name: v.pipe(text, v.nonEmpty("a name")),
    description: maybe(text),
    parameters: maybe(jsonObject),
  }, "a function"),
}, "a tool");

/** Body of `/api/chat`. */
export const CHAT = v.object({
  ...ANSWER_FIELDS,
  messages: maybe(v.array(MESSAGE, "a list of messages")),
  tools: maybe(v.array(TOOL, "a list of tools")),
}, "an object");

/** Body of `/api/generate`. */
export const GENERATE = v.object({
  ...ANSWER_FIELDS,
  prompt: maybe(text),
  system: maybe(text),
  suffix: maybe(text),
  raw: maybe(v.boolean("true or false")),
  context: maybe(v.array(wholeIn(0, 2 ** 31), "a list of token ids")),
  images: IMAGES,
}, "an object");

/** Body of `/api/chat`, checked. */
export type ChatBody = v.InferOutput<typeof CHAT>;
/** Body of `/api/generate`, checked. */
export type GenerateBody = v.InferOutput<typeof GENERATE>;
/** What both have. */
export type AnswerBody = Pick<ChatBody, Extract<keyof ChatBody, keyof GenerateBody>>;

/** How the answer is to be, with the defaults that Ollama documents. */
export function answerSettings(body: AnswerBody): Omit<TextRequest, "prompt"> {
  const { num_predict: most = -1, seed = -1, stop = [] } = body.options ?? {};
  const form = formOf(body.format);
  return {
    ...(most > 0 ? { maxTokens: most } : {}),
    sampling: samplingOf(body.options),
    ...(seed >= 0 ? { seed: seedOf(seed) } : {}),
    ...(stop.length > 0 ? { stop } : {}),
    ...(body.logprobs === true ? { topLogprobs: body.top_logprobs ?? 0 } : {}),
    ...(form === undefined ? {} : { form }),
    // a model that cannot be kept from thinking is told as it comes; without `think` it thinks as it is used to, and apart
    ...(body.think === false ? { thoughts: "in text" } : {}),
  };
}

function samplingOf(options: AnswerBody["options"] = {}): TextRequest["sampling"] {
  const { temperature = 0.8, top_k: topK = 40, top_p: topP = 0.9, min_p: minP } = options;
  // who asks for the likeliest token gets that, the same as from every other API, unless a penalty is named
  const { repeat_penalty: repetitionPenalty = temperature === 0 ? 1 : 1.1 } = options;
  const { frequency_penalty: frequencyPenalty, presence_penalty: presencePenalty } = options;
  return {
    temperature,
    // no probability at all is reached by the likeliest token
    ...(topP === 0 ? { topK: 1 } : topK > 0 ? { topK } : {}),
    ...(topP > 0 && topP < 1 ? { topP } : {}),
    ...(minP === undefined || minP === 0 ? {} : { minP }),
    ...(repetitionPenalty === 1 ? {} : { repetitionPenalty }),
    ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presencePenalty }),
  };
}

function formOf(format: AnswerBody["format"]): AnswerForm | undefined {
  if (format === undefined || format === "") return undefined;
  return format === "json" ? { kind: "json" } : { kind: "schema", schema: format };
}

/** Variables of the model's template for Ollama's `think`. */
export function thinkingOf(think: AnswerBody["think"]): { readonly variables?: Record<string, unknown> } {
  if (think === undefined) return {};
  return typeof think === "boolean"
    ? { variables: { enable_thinking: think } }
    : { variables: { enable_thinking: true, reasoning_effort: think } };
}

/** Throws `NodeError` `unsupported` where pictures come along. */
export function refuseImages(field: string, found: readonly unknown[] | undefined): void {
  if (found === undefined || found.length === 0) return;
  throw new NodeError("unsupported", `Cannot answer: ${field} holds pictures, wanted text only`);
}
