/**
 * What clients of responses send.
 *
 * @module
 */
import * as v from "valibot";
import type { ChatMessage } from "../../model/chat_template.ts";
import type { TextRequest, ToolChoice } from "../../text/types.ts";
import { issueError, jsonObject, maybe, wholeIn } from "../request_body.ts";
import { fieldError } from "../wrong_field.ts";
import { FUNCTION, toolOf } from "./chat_request.ts";
import { FORMAT, formOf, MODEL_FIELD, SAMPLING_FIELDS, samplingOf, text } from "./fields.ts";

/** An item of the input, before it is looked into. */
export const ITEM = v.looseObject({ type: maybe(text), role: maybe(text) }, "an item");
const CHOICE = v.union([
  v.picklist(["auto", "none", "required"]),
  v.object({ type: v.literal("function"), name: text }),
], '"auto", "none", "required" or a function');

/** A tool, before it is looked into. */
export const RAW_TOOL = v.unknown();
/** A tool. */
export const TOOL = v.object({ type: v.literal("function", '"function"'), ...FUNCTION.entries }, "a tool");
/** An answer that was kept: this node keeps none. */
export const KEPT = v.optional(v.unknown());

/** Body of `/v1/responses`. */
export const RESPONSES = v.object({
  ...MODEL_FIELD,
  ...SAMPLING_FIELDS,
  input: v.union([text, v.array(ITEM, "a list of items")], "text or a list of items"),
  instructions: maybe(text),
  max_output_tokens: maybe(wholeIn(1, 2 ** 31)),
  stream: maybe(v.boolean("true or false")),
  tools: maybe(v.pipe(v.array(RAW_TOOL, "a list of tools"), v.maxLength(128, "128 tools or fewer"))),
  tool_choice: maybe(CHOICE),
  parallel_tool_calls: maybe(v.boolean("true or false")),
  text: maybe(v.object({ format: maybe(FORMAT) }, "an object")),
  top_logprobs: maybe(wholeIn(0, 20)),
  include: maybe(v.array(text, "a list of texts")),
  previous_response_id: KEPT,
  conversation: KEPT,
  background: maybe(v.boolean("true or false")),
  store: maybe(v.boolean("true or false")),
  metadata: maybe(jsonObject),
}, "an object");

/** The same, checked. */
export type ResponsesBody = v.InferOutput<typeof RESPONSES>;

/** A request for one answer. Throws `NodeError` `usage` that names the field. */
export function responsesRequest(body: ResponsesBody): TextRequest {
  for (const kept of ["previous_response_id", "conversation"] as const) {
    if (body[kept] !== undefined && body[kept] !== null) {
      throw fieldError(kept, "is given and this node keeps no answers, wanted all turns in input");
    }
  }
  if (body.background === true) throw fieldError("background", "is true, wanted false: answers are made now");
  const { max_output_tokens: most } = body;
  const wantsScores = body.top_logprobs !== undefined ||
    (body.include ?? []).includes("message.output_text.logprobs");
  return {
    prompt: {
      kind: "chat",
      messages: messagesOf(body),
      ...toolsOf(body),
    },
    ...samplingOf(body),
    ...(most === undefined ? {} : { maxTokens: most }),
    ...(wantsScores ? { topLogprobs: body.top_logprobs ?? 0 } : {}),
    ...formOf(body.text?.format),
  };
}

function toolsOf(body: ResponsesBody) {
  const { tools = [], tool_choice: choice, parallel_tool_calls: parallel } = body;
  if (tools.length === 0) {
    if (choice === undefined || choice === "auto" || choice === "none") return {};
    throw fieldError("tool_choice", "asks for a call without tools, wanted tools");
  }
  const definitions = tools.map((tool, i) => {
    const { success, output, issues } = v.safeParse(TOOL, tool, { abortEarly: true });
    if (success) return toolOf(output);
    throw issueError(issues[0], `tools.${i}`);
  });
  const toolChoice: ToolChoice | undefined = typeof choice === "object" ? { name: choice.name } : choice;
  if (typeof toolChoice === "object" && !definitions.some(({ name }) => name === toolChoice.name)) {
    throw fieldError("tool_choice.name", `is "${toolChoice.name.slice(0, 60)}", wanted one of the tools`);
  }
  return {
    tools: definitions,
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(parallel === undefined ? {} : { parallelToolCalls: parallel }),
  };
}

function messagesOf({ input, instructions }: ResponsesBody): readonly ChatMessage[] {
  const messages: ChatMessage[] = instructions === undefined
    ? []
    : [{ role: "system", content: instructions }];
  if (typeof input === "string") return [...messages, { role: "user", content: input }];
  for (const [index, item] of input.entries()) addItem(messages, item, `input.${index}`);
  if (messages.length === 0) throw fieldError("input", "is empty, wanted one item or more");
  return messages;
}

const ROLES: Readonly<Record<string, string>> = {
  system: "system",
  developer: "system",
  user: "user",
  assistant: "assistant",
};

function addItem(messages: ChatMessage[], item: v.InferOutput<typeof ITEM>, field: string): void {
  const { type = "message" } = item;
  const textOf = (name: string): string => {
    const value = item[name];
    if (typeof value === "string") return value;
    throw fieldError(`${field}.${name}`, `is ${value === undefined ? "missing" : typeof value}, wanted text`);
  };
  switch (type) {
    case "message": {
      const role = ROLES[item.role ?? ""];
      if (role === undefined) {
        throw fieldError(`${field}.role`, `is ${JSON.stringify(item.role)}, wanted a role`);
      }
      messages.push({ role, content: contentOf(item["content"], `${field}.content`) });
      return;
    }
    case "function_call": {
      const call = {
        id: textOf("call_id"),
        type: "function",
        function: { name: textOf("name"), arguments: textOf("arguments") },
      };
      const last = messages.at(-1);
      // calls made at once belong to one turn
      if (last?.role === "assistant" && Array.isArray(last["tool_calls"])) {
        messages.splice(-1, 1, { ...last, tool_calls: [...last["tool_calls"], call] });
      } else messages.push({ role: "assistant", content: "", tool_calls: [call] });
      return;
    }
    case "function_call_output": {
      const content = contentOf(item["output"], `${field}.output`);
      messages.push({ role: "tool", content, tool_call_id: textOf("call_id") });
      return;
    }
    case "reasoning": // what a model thought before is not given back to it
      return;
    default:
      throw fieldError(
        `${field}.type`,
        `is ${JSON.stringify(type.slice(0, 60))}, wanted message, function_call or function_call_output`,
      );
  }
}

const TEXT_PARTS: ReadonlySet<unknown> = new Set(["input_text", "output_text", "text"]);

function contentOf(content: unknown, field: string): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) {
    throw fieldError(field, "is neither text nor a list of parts, wanted one of them");
  }
  return content.map((part: unknown, i) => {
    if (typeof part !== "object" || part === null) {
      throw fieldError(`${field}.${i}`, "is no part, wanted one");
    }
    const { type, text } = part as { readonly type?: unknown; readonly text?: unknown };
    if (!TEXT_PARTS.has(type)) {
      throw fieldError(`${field}.${i}.type`, `is ${JSON.stringify(type)?.slice(0, 60)}, wanted "input_text"`);
    }
    if (typeof text !== "string") throw fieldError(`${field}.${i}.text`, "is no text, wanted one");
    return text;
  }).join("");
}
