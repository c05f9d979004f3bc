/**
 * Tools: how they are told to a model, and how its calls are had back.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { JsonObject } from "../../model/json_file.ts";
import type { ChatMessage, ChatTemplate } from "../../model/chat_template.ts";
import type { CallReader } from "../answer.ts";
import { argumentSchema, exactSchema, looseSchema } from "./argument_schema.ts";
import { CALL_TAGS, type CallStyle, callStyle, DEEPSEEK, knowsCode, namesRecipients } from "./call_style.ts";
import { FUNCTION_CLOSER, FUNCTION_OPENER } from "./call_xml.ts";
import { canBePython } from "./python_grammar.ts";
import { callMessages, withToolText } from "./tool_messages.ts";
import { RecipientParser } from "./recipient_parser.ts";
import { canBeTags } from "./tag_grammar.ts";
import { ToolParser } from "./tool_parser.ts";
import type { AnswerForm, Prompt, ToolDefinition } from "../types.ts";
import { partError } from "../wrong_part.ts";

/** Tools of one request. */
const MAX_TOOLS = 128;
/** Calls of one answer. */
const MAX_CALLS = 64;
/** Calls of one answer that are forced. */
const MAX_FORCED = 8;
/** Names that can be told from what stands around them where they are not quoted. */
const PLAIN_NAME = /^[\w.:/-]+$/;

/** What a conversation with tools is put to the template as. */
export interface ToolPlan {
  readonly messages: readonly ChatMessage[];
  /** For the template; none where they are told in the messages. */
  readonly tools: readonly unknown[];
  /** The form of a call that is forced. */
  readonly form?: AnswerForm;
  /** Finds calls in the answer; absent where nothing but text may come. */
  readonly calls?: CallReader;
}

/** Plans a conversation. Throws `NodeError` `usage` for tools that are none, and for a choice that cannot be met. */
export function toolPlan(
  world: Pick<World, "random">,
  template: ChatTemplate,
  prompt: Prompt & { readonly kind: "chat" },
): ToolPlan {
  const { tools = [], toolChoice = "auto", parallelToolCalls = true } = prompt;
  checkTools(tools);
  const forced = forcedTools(tools, toolChoice);
  const messages = callMessages(template, prompt.messages);
  const hasNames = namesRecipients(template);
  if (tools.length === 0 || toolChoice === "none") {
    const calls = hasNames ? { calls: new RecipientParser(world, { tools: new Map(), most: 0 }) } : {};
    return { messages, tools: [], ...calls };
  }
  const most = parallelToolCalls ? MAX_CALLS : 1;
  const offered = new Map(tools.map(({ name, parameters }) => [name, parameters]));
  const rules = { tools: offered, most, hasCode: knowsCode(template) };
  const calls = hasNames ? new RecipientParser(world, rules) : new ToolParser(world, rules);
  const form = forced && forcedForm(forced, callStyle(template), parallelToolCalls ? MAX_FORCED : 1);
  return {
    messages: template.knowsTools ? messages : withToolText(template, messages, tools),
    tools: template.knowsTools ? tools.map(openAiTool) : [],
    ...(form && { form }),
    calls,
  };
}

function checkTools(tools: readonly ToolDefinition[]): void {
  if (tools.length > MAX_TOOLS) throw fault(`there are ${tools.length} of them`, `at most ${MAX_TOOLS}`);
  const names = new Set<string>();
  for (const { name } of tools) {
    if (name === "" || name.length > 256) {
      throw fault("one has no name, or a very long one", "1 to 256 letters");
    }
    if (names.has(name)) throw fault(`two are named ${JSON.stringify(name)}`, "names that differ");
    names.add(name);
  }
}

const fault = (what: string, wanted: string) =>
  partError("tools", `Cannot offer tools: ${what}, wanted ${wanted}`);

/** The tools one of which must be called; `undefined` where none must. */
function forcedTools(
  tools: readonly ToolDefinition[],
  choice: NonNullable<(Prompt & { readonly kind: "chat" })["toolChoice"]>,
): readonly ToolDefinition[] | undefined {
  if (choice === "auto" || choice === "none") return undefined;
  const chosen = choice === "required" ? tools : tools.filter(({ name }) => name === choice.name);
  if (chosen.length > 0) return chosen;
  const named = choice === "required" ? "there are none" : `there is no ${JSON.stringify(choice.name)}`;
  throw partError("tools", `Cannot force a call: ${named}, wanted tools that are offered`);
}

/** As OpenAI's API writes a tool, and templates read it. */
function openAiTool({ name, description, parameters }: ToolDefinition) {
  return {
    type: "function",
    function: {
      name,
      // templates print what is there; some fail on what is not
      description: description ?? "",
      parameters: parameters ?? { type: "object", properties: {} },
    },
  };
}

/** The form of a call of one of `tools`, as the model's family writes it; in JSON where it cannot. */
function forcedForm(
  tools: readonly ToolDefinition[],
  style: CallStyle,
  most: number,
): AnswerForm {
  const { argumentsKey, opener } = style;
  let { kind } = style;
  if (kind === "python") {
    const written = schemasKept(tools, canBePython);
    if (written !== undefined) return { kind: "python_calls", tools: written, most };
    kind = "bare";
  }
  if (kind === "tags") {
    const written = schemasKept(tools, canBeTags);
    if (written !== undefined) return { kind: "tag_calls", tools: written, hasMarks: true };
    kind = "tagged";
  }
  if (kind === "recipient") return namedForm(tools, style);
  if (kind === "named" || kind === "function" || kind === "deepseek") {
    if (tools.every(({ name }) => PLAIN_NAME.test(name))) return namedForm(tools, style);
    kind = kind === "named" ? "list" : "tagged";
  }
  const place = kind === "list" ? "#/items/anyOf" : "#/anyOf";
  const calls = tools.map((tool, i) => ({
    type: "object",
    properties: {
      name: { const: tool.name },
      [argumentsKey]: argumentSchema({ tool, place: `${place}/${i}/properties/${argumentsKey}` }),
    },
    required: ["name", argumentsKey],
    additionalProperties: false,
  }));
  const one = { anyOf: calls };
  if (kind === "list") {
    const list = { type: "array", items: one, minItems: 1, maxItems: most };
    return { kind: "schema", schema: list, before: opener, hasMarks: true };
  }
  if (kind === "bare") return { kind: "schema", schema: one };
  return {
    kind: "schema",
    schema: one,
    before: `${CALL_TAGS.open}\n`,
    after: `\n${CALL_TAGS.close}`,
    hasMarks: true,
  };
}

/** A tool with a schema that is kept, beside the one it was offered with. */
interface WrittenTool {
  readonly name: string;
  readonly parameters: JsonObject;
  readonly offered: ToolDefinition["parameters"];
}

/** All tools with what their schemas say, or with less where `canBe` is not true of that; `undefined` where of neither. */
function schemasKept(
  tools: readonly ToolDefinition[],
  canBe: (tools: readonly WrittenTool[]) => boolean,
): readonly WrittenTool[] | undefined {
  const written = tools.map((tool) => {
    const { name, parameters: offered } = tool;
    const of = { tool, place: "#" };
    const exact = exactSchema(of);
    const one = (parameters: JsonObject) => ({ name, parameters, offered });
    return exact !== undefined && canBe([one(exact)]) ? one(exact) : one(looseSchema(of));
  });
  return canBe(written) ? written : undefined;
}

/** One call whose name stands before its arguments. */
function namedForm(tools: readonly ToolDefinition[], style: CallStyle): AnswerForm {
  const around = tools.map(({ name }) => aroundArguments(name, style));
  const anyOf = tools.map((tool, i) => argumentSchema({ tool, place: `#/anyOf/${i}` }));
  return { kind: "schema", schema: { anyOf }, around, hasMarks: true };
}

function aroundArguments(name: string, { kind, opener, hasIdsWithin, isFenced }: CallStyle) {
  if (kind === "function") return { before: `${FUNCTION_OPENER}${name}>`, after: FUNCTION_CLOSER };
  if (kind === "recipient") return { before: `${name}\n`, after: "" };
  if (kind === "deepseek") {
    const { open, openCall, separator, closeCall, close } = DEEPSEEK;
    return isFenced
      ? {
        before: `${open}${openCall}function${separator}${name}\n\`\`\`json\n`,
        after: `\n\`\`\`${closeCall}${close}`,
      }
      : { before: `${open}${openCall}${name}${separator}`, after: `${closeCall}${close}` };
  }
  // the id is for the form's sake: calls are given new ones
  return { before: `${opener}${name}${hasIdsWithin ? "[CALL_ID]000000000" : ""}[ARGS]`, after: "" };
}
