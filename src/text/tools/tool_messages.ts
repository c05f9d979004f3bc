/**
 * Conversations with calls of tools, as a template takes them.
 *
 * @module
 */
import type { ChatMessage, ChatTemplate } from "../../model/chat_template.ts";
import { isJsonObject, type JsonObject } from "../../model/json_file.ts";
import { CALL_TAGS, type CallStyle, callStyle, knowsCalls, RESULT_TAGS } from "./call_style.ts";
import type { ToolDefinition } from "../types.ts";

/** Messages in the template's form; in plain turns where it knows no calls. */
export function callMessages(template: ChatTemplate, messages: readonly ChatMessage[]): ChatMessage[] {
  if (!messages.some((message) => message.role === "tool" || callsOf(message).length > 0)) {
    return [...messages];
  }
  if (!knowsCalls(template)) return plainTurns(messages);
  return nativeTurns(messages, { ...callStyle(template), hasTexts: putsTogether(template) });
}

/** Whether a template puts arguments together with other text, so that they must be text (DeepSeek V3.1, Functionary 3.2). */
function putsTogether(template: ChatTemplate): boolean {
  const call = { id: "000000000", type: "function", function: { name: "f", arguments: { a: 1 } } };
  try {
    return template.render([
      { role: "user", content: "a" },
      { role: "assistant", content: "", tool_calls: [call] },
      { role: "tool", content: "b", tool_call_id: call.id, name: "f" },
    ]).includes("[object ");
  } catch {
    return false;
  }
}

/** A call within a message. */
interface MessageCall {
  readonly id: string | undefined;
  readonly name: string;
  /** An object; the text itself where it is none. */
  readonly given: unknown;
}

function callsOf({ tool_calls: calls }: ChatMessage): MessageCall[] {
  if (!Array.isArray(calls)) return [];
  return calls.filter(isJsonObject).flatMap((call) => {
    const { id, function: inner } = call;
    const { name, arguments: given = {} } = isJsonObject(inner) ? inner : call;
    if (typeof name !== "string") return [];
    return [{ id: typeof id === "string" ? id : undefined, name, given: parsed(given) }];
  });
}

/** Templates print arguments as JSON themselves: text would be quoted twice. */
function parsed(given: unknown): unknown {
  if (typeof given !== "string") return given;
  try {
    const value: unknown = JSON.parse(given === "" ? "{}" : given);
    return isJsonObject(value) ? value : given;
  } catch {
    return given;
  }
}

function nativeTurns(
  messages: readonly ChatMessage[],
  style: CallStyle & { readonly hasTexts: boolean },
): ChatMessage[] {
  const idOf = (id: unknown) => typeof id === "string" ? (style.hasShortIds ? shortId(id) : id) : undefined;
  const turns: ChatMessage[] = [];
  const results = new Map<string, ChatMessage>();
  for (const message of messages) {
    if (message.role === "tool" && typeof message["tool_call_id"] === "string") {
      results.set(message["tool_call_id"], message);
    }
  }
  const told = new Set<ChatMessage>();
  const tell = (message: ChatMessage) => {
    told.add(message);
    const id = idOf(message["tool_call_id"]);
    turns.push(id === undefined ? message : { ...message, tool_call_id: id });
  };
  for (const message of messages) {
    const calls = callsOf(message);
    if (told.has(message)) continue;
    if (calls.length === 0) {
      tell(message);
      continue;
    }
    const written = calls.map(({ id, name, given }) => ({
      ...(id === undefined ? {} : { id: idOf(id) }),
      type: "function",
      function: {
        name,
        arguments: style.hasTexts && typeof given !== "string" ? JSON.stringify(given) : given,
      },
    }));
    if (!style.isSingle) {
      turns.push({ ...message, tool_calls: written });
      continue;
    }
    for (const [i, call] of written.entries()) {
      turns.push({ ...message, content: i === 0 ? message.content : null, tool_calls: [call] });
      const id = calls[i]!.id;
      const result = id === undefined ? undefined : results.get(id);
      if (result !== undefined && written.length > 1 && !told.has(result)) tell(result);
    }
  }
  return turns;
}

/** Nine letters and digits of an id, the same for the same id. */
function shortId(id: string): string {
  return id.replace(/[^a-zA-Z0-9]/g, "").slice(-9).padStart(9, "0");
}

/** Calls in the words they are asked for, results as what the user says. */
function plainTurns(messages: readonly ChatMessage[]): ChatMessage[] {
  const turns: ChatMessage[] = [];
  let isResult = false;
  for (const message of messages) {
    const { role, content } = message;
    const wasResult = isResult;
    isResult = role === "tool";
    const text = isResult ? `${RESULT_TAGS.open}\n${content ?? ""}\n${RESULT_TAGS.close}` : content ?? "";
    const before = turns.at(-1);
    if (wasResult && before !== undefined && (isResult || role === "user")) {
      // turns of users and models take turns, or some templates refuse them
      turns[turns.length - 1] = { ...before, content: `${before.content}\n${text}` };
    } else if (isResult) turns.push({ role: "user", content: text });
    else {
      const calls = callsOf(message).map(({ name, given }) => callText(name, given));
      const { tool_calls: _, ...rest } = message;
      const parts = text === "" ? calls : [text, ...calls];
      turns.push(calls.length === 0 ? message : { ...rest, content: parts.join("\n") });
    }
  }
  return turns;
}

const callText = (name: string, given: unknown) =>
  `${CALL_TAGS.open}\n${JSON.stringify({ name, arguments: given })}\n${CALL_TAGS.close}`;

/** Messages with the tools told in a system message, for templates that have no place for them. */
export function withToolText(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  tools: readonly ToolDefinition[],
): ChatMessage[] {
  const text = toolText(tools);
  const [first, ...rest] = messages;
  if (first !== undefined && (first.role === "system" || first.role === "developer")) {
    return [{ ...first, content: `${first.content ?? ""}\n\n${text}` }, ...rest];
  }
  if (takesSystem(template)) return [{ role: "system", content: text }, ...messages];
  if (first?.role !== "user") return [{ role: "user", content: text }, ...messages];
  return [{ ...first, content: `${text}\n\n${first.content ?? ""}` }, ...rest];
}

function takesSystem(template: ChatTemplate): boolean {
  try {
    return template.render([{ role: "system", content: "a" }, { role: "user", content: "b" }]).includes("a");
  } catch {
    return false;
  }
}

function toolText(tools: readonly ToolDefinition[]): string {
  const lines = tools.map(({ name, description, parameters }) =>
    JSON.stringify({ name, description, parameters: parameters ?? emptyParameters })
  );
  return [
    "You can call these functions, described by one JSON object a line:",
    ...lines,
    "To call a function, write its name and arguments as JSON between tags, and nothing else:",
    `${CALL_TAGS.open}`,
    '{"name": "the function", "arguments": {"an argument": "its value"}}',
    `${CALL_TAGS.close}`,
    `What it returns is told to you between ${RESULT_TAGS.open} and ${RESULT_TAGS.close}.`,
  ].join("\n");
}

const emptyParameters: JsonObject = { type: "object", properties: {} };
