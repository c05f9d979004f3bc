/**
 * What clients of chat completions send.
 *
 * @module
 */
import * as v from "valibot";
import type { ChatMessage } from "../../model/chat_template.ts";
import type { Prompt, TextRequest, ToolChoice, ToolDefinition } from "../../text/types.ts";
import { issueError, jsonObject, maybe, wholeIn } from "../request_body.ts";
import { fieldError } from "../wrong_field.ts";
import {
  FORMAT,
  formOf,
  MODEL_FIELD,
  SAMPLING_FIELDS,
  samplingOf,
  stops,
  STREAM_FIELDS,
  text,
} from "./fields.ts";

/** Most answers to one question. */
export const MAX_ANSWERS = 16;

const PART = v.variant("type", [
  v.object({ type: v.literal("text"), text }),
  v.object({ type: v.literal("refusal"), refusal: text }),
], 'a part of type "text"');
/** Content of a message. */
export const CONTENT = maybe(v.union([text, v.array(PART)], "text or a list of text parts"));
const CALL = v.object({
  id: text,
  function: v.object({ name: text, arguments: maybe(text) }, "a function"),
}, "a call of a tool");
/** The same before it is looked into, which {@linkcode contentOf} does. */
export const RAW_CONTENT = v.optional(v.unknown());
const MESSAGE = v.object({
  role: v.picklist(
    ["system", "developer", "user", "assistant", "tool", "function"],
    "system, developer, user, assistant or tool",
  ),
  content: RAW_CONTENT,
  name: maybe(text),
  reasoning_content: maybe(text),
  // newer vLLM's name of the same; others write objects there
  reasoning: v.optional(v.unknown()),
  tool_calls: maybe(v.array(CALL, "a list")),
  tool_call_id: maybe(text),
  prefix: maybe(v.boolean("true or false")),
}, "a message");
/** A function that may be called. */
export const FUNCTION = v.object({
  name: v.pipe(text, v.regex(/^[A-Za-z0-9_.-]{1,128}$/, "a name of letters, digits, _ . -")),
  description: maybe(text),
  parameters: maybe(jsonObject),
  strict: maybe(v.boolean("true or false")),
}, "a function");
const TOOL = v.object({ type: v.literal("function", '"function"'), function: FUNCTION }, "a tool");
/** Whether one of the allowed tools must be called. */
export const ALLOWED_MODE = v.picklist(["auto", "required"], '"auto" or "required"');
const NAMED = v.object({ type: v.literal("function"), function: v.object({ name: text }) });
const CHOICE = v.union([
  v.picklist(["auto", "none", "required"]),
  NAMED,
  v.object({
    type: v.literal("allowed_tools"),
    allowed_tools: v.object({ mode: ALLOWED_MODE, tools: v.pipe(v.array(NAMED), v.minLength(1)) }),
  }),
], '"auto", "none", "required", a function or allowed tools');

/** Body of `/v1/chat/completions`. */
export const CHAT = v.object({
  ...MODEL_FIELD,
  ...SAMPLING_FIELDS,
  ...STREAM_FIELDS,
  messages: v.pipe(v.array(MESSAGE, "a list of messages"), v.minLength(1, "one message or more")),
  max_tokens: maybe(wholeIn(1, 2 ** 31)),
  max_completion_tokens: maybe(wholeIn(1, 2 ** 31)),
  stop: maybe(stops),
  n: maybe(wholeIn(1, MAX_ANSWERS)),
  logprobs: maybe(v.boolean("true or false")),
  top_logprobs: maybe(wholeIn(0, 20)),
  response_format: maybe(FORMAT),
  tools: maybe(v.pipe(v.array(TOOL, "a list of tools"), v.maxLength(128, "128 tools or fewer"))),
  tool_choice: maybe(CHOICE),
  parallel_tool_calls: maybe(v.boolean("true or false")),
  chat_template_kwargs: maybe(jsonObject),
  continue_final_message: maybe(v.boolean("true or false")),
  functions: maybe(v.array(v.unknown(), "a list")),
}, "an object");

/** The same, checked. */
export type ChatBody = v.InferOutput<typeof CHAT>;

/** A request whose prompt is a conversation. */
export type ChatRequest = TextRequest & { readonly prompt: { readonly kind: "chat" } };

/** A request for one answer. Throws `NodeError` `usage` that names the field. */
export function chatRequest(body: ChatBody): ChatRequest {
  const { max_completion_tokens: most = body.max_tokens, stop, top_logprobs: top } = body;
  if (top !== undefined && body.logprobs !== true) {
    throw fieldError("top_logprobs", `is ${top} without logprobs, wanted logprobs: true beside it`);
  }
  if ((body.functions ?? []).length > 0) {
    throw fieldError("functions", "is the form before tools, wanted the same in tools and tool_choice");
  }
  return {
    prompt: promptOf(body),
    ...samplingOf(body),
    ...(most === undefined ? {} : { maxTokens: most }),
    ...(stop === undefined ? {} : { stop }),
    ...(body.logprobs === true ? { topLogprobs: top ?? 0 } : {}),
    ...formOf(body.response_format, "response_format.json_schema"),
  };
}

/**
 * Whether the answer goes on where the last message ends, which is the model's: vLLM's `continue_final_message`, or
 * `prefix` of that message, as DeepSeek and Mistral have it. Throws `NodeError` `usage` where the user had the last word.
 */
export function goesOn(body: ChatBody): boolean {
  const last = body.messages.at(-1);
  if (last?.role === "assistant") return last.prefix === true || body.continue_final_message === true;
  if (body.continue_final_message !== true) return false;
  throw fieldError("continue_final_message", "is true behind another's message, wanted one of the assistant");
}

function promptOf(body: ChatBody): Prompt & { readonly kind: "chat" } {
  const { tools = [], tool_choice: choice, parallel_tool_calls: parallel } = body;
  const prompt = {
    kind: "chat" as const,
    messages: body.messages.map(messageOf),
    ...(body.chat_template_kwargs === undefined ? {} : { variables: body.chat_template_kwargs }),
  };
  if (tools.length === 0) {
    if (choice === undefined || choice === "auto" || choice === "none") return prompt;
    throw fieldError("tool_choice", "asks for a call without tools, wanted tools");
  }
  const definitions = tools.map((tool) => toolOf(tool.function));
  return {
    ...prompt,
    ...(choice === undefined ? { tools: definitions } : chosenOf(choice, definitions)),
    ...(parallel === undefined ? {} : { parallelToolCalls: parallel }),
  };
}

/** A tool in the program's own form. */
export const toolOf = (
  { name, description, parameters, strict }: v.InferOutput<typeof FUNCTION>,
): ToolDefinition => ({
  name,
  ...(description === undefined ? {} : { description }),
  ...(parameters === undefined ? {} : { parameters }),
  ...(strict === undefined ? {} : { strict }),
});

/** Which tools are offered, and which of them must be called. */
function chosenOf(
  choice: v.InferOutput<typeof CHOICE>,
  tools: readonly ToolDefinition[],
): { readonly tools: readonly ToolDefinition[]; readonly toolChoice: ToolChoice } {
  if (typeof choice === "string") return { tools, toolChoice: choice };
  const find = (name: string, field: string): ToolDefinition => {
    const found = tools.find((tool) => tool.name === name);
    if (found !== undefined) return found;
    throw fieldError(field, `is "${name.slice(0, 60)}", wanted one of the tools`);
  };
  if (choice.type === "function") {
    const { name } = find(choice.function.name, "tool_choice.function.name");
    return { tools, toolChoice: { name } };
  }
  const { mode, tools: allowed } = choice.allowed_tools;
  const field = (i: number) => `tool_choice.allowed_tools.tools.${i}.function.name`;
  const found = allowed.map((one, i) => find(one.function.name, field(i)));
  return { tools: [...new Set(found)], toolChoice: mode };
}

function messageOf(message: ChatBody["messages"][number], index: number): ChatMessage {
  const {
    role,
    name,
    tool_calls: calls = [],
    tool_call_id: callId,
    reasoning_content: thought = message.reasoning,
  } = message;
  return {
    role: role === "developer" ? "system" : role === "function" ? "tool" : role,
    content: contentOf(message.content, `messages.${index}.content`),
    ...(name === undefined ? {} : { name }),
    ...(role === "assistant" && typeof thought === "string" && thought !== ""
      ? { reasoning_content: thought }
      : {}),
    ...(callId === undefined ? {} : { tool_call_id: callId }),
    ...(calls.length === 0 ? {} : {
      tool_calls: calls.map(({ id, function: { name, arguments: given = "{}" } }) => ({
        id,
        type: "function",
        function: { name, arguments: given },
      })),
    }),
  };
}

/** Parts put together. A part of another kind is named: the union of schemas would only say that something is wrong. */
export function contentOf(content: unknown, field: string): string {
  if (Array.isArray(content)) {
    content.forEach((part: unknown, i) => {
      const { success, issues } = v.safeParse(PART, part, { abortEarly: true });
      if (!success) throw issueError(issues[0], `${field}.${i}`);
    });
  }
  const { success, output } = v.safeParse(CONTENT, content);
  if (!success) throw fieldError(field, "is neither text nor a list of text parts, wanted one of them");
  if (typeof output !== "object") return output ?? "";
  return output.map((part) => part.type === "text" ? part.text : part.refusal).join("");
}
