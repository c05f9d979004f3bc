/**
 * The items of a conversation, as responses have them.
 *
 * @module
 */
import * as v from "valibot";
import type { ChatMessage } from "../../model/chat_template.ts";
import { maybe } from "../request_body.ts";
import { fieldError } from "../wrong_field.ts";
import { text } from "./fields.ts";
import type { Item, KeptResponses } from "./kept_responses.ts";
import type { FunctionName } from "./responses_tools.ts";

/** An item of the input, before it is looked into. */
export const ITEM = v.looseObject({ type: maybe(text), role: maybe(text) }, "an item");

/** What a request says of the conversation. */
export interface ItemsBody {
  readonly input: string | readonly Item[];
  readonly previous_response_id?: string | undefined;
}

/**
 * All items of a conversation: those up to the answer that it goes on from, and those of the request, with what they refer
 * to in its place. Throws `NodeError` `usage` for what is not kept.
 */
export function conversationOf(
  { input, previous_response_id: previous }: ItemsBody,
  kept: KeptResponses,
): readonly Item[] {
  const earlier = previous === undefined ? [] : kept.conversation(previous);
  if (earlier === undefined) throw notKept("previous_response_id", previous!);
  const own = typeof input === "string" ? [{ role: "user", content: input }] : input;
  return [
    ...earlier,
    ...own.map((item, i) => {
      if (item["type"] !== "item_reference") return item;
      const field = `input.${i}`;
      const id = textOf(item, "id", field);
      const found = kept.item(id);
      if (found === undefined) throw notKept(`${field}.id`, id);
      return found;
    }),
  ];
}

const notKept = (field: string, id: string) =>
  fieldError(
    field,
    `is ${
      JSON.stringify(id.slice(0, 60))
    }, which this node does not keep or no longer, wanted all turns in input`,
  );

/** The messages of items, the last `own` of which are those of the request. `told` names functions to the model. */
export function messagesOf(
  items: readonly Item[],
  own: number,
  told: (name: FunctionName) => string,
): readonly ChatMessage[] {
  const messages: ChatMessage[] = [];
  const first = items.length - own;
  for (const [i, item] of items.entries()) addItem(messages, item, { field: `input.${i - first}`, told });
  return messages;
}

const ROLES: Readonly<Record<string, string>> = {
  system: "system",
  developer: "system",
  user: "user",
  assistant: "assistant",
};

interface Place {
  readonly field: string;
  readonly told: (name: FunctionName) => string;
}

function addItem(messages: ChatMessage[], item: Item, { field, told }: Place): void {
  const type = item["type"] ?? "message";
  switch (type) {
    case "message": {
      const role = ROLES[`${item["role"] ?? ""}`];
      if (role === undefined) {
        throw fieldError(`${field}.role`, `is ${JSON.stringify(item["role"])}, wanted a role`);
      }
      messages.push({ role, content: contentOf(item["content"], `${field}.content`) });
      return;
    }
    case "function_call": {
      const { namespace } = item;
      const name = {
        name: textOf(item, "name", field),
        ...(typeof namespace === "string" ? { namespace } : {}),
      };
      const call = {
        id: textOf(item, "call_id", field),
        type: "function",
        function: { name: told(name), arguments: textOf(item, "arguments", field) },
      };
      const last = messages.at(-1);
      // what is said and called at once belongs to one turn
      if (last?.role === "assistant") {
        const { tool_calls: earlier } = last;
        const calls = Array.isArray(earlier) ? [...earlier, call] : [call];
        messages.splice(-1, 1, { ...last, tool_calls: calls });
      } else messages.push({ role: "assistant", content: "", tool_calls: [call] });
      return;
    }
    case "function_call_output": {
      const content = contentOf(item["output"], `${field}.output`);
      messages.push({ role: "tool", content, tool_call_id: textOf(item, "call_id", field) });
      return;
    }
    case "reasoning": // what a model thought before is not given back to it
      return;
    default:
      throw fieldError(
        `${field}.type`,
        `is ${JSON.stringify(`${type}`.slice(0, 60))}, wanted message, function_call or function_call_output`,
      );
  }
}

function textOf(item: Item, name: string, field: string): string {
  const value = item[name];
  if (typeof value === "string") return value;
  throw fieldError(`${field}.${name}`, `is ${value === undefined ? "missing" : typeof value}, wanted text`);
}

/** The field that holds the text of a part, by type. */
const TEXT_FIELDS: Readonly<Record<string, string>> = {
  input_text: "text",
  output_text: "text",
  text: "text",
  refusal: "refusal",
};

function contentOf(content: unknown, field: string): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) {
    throw fieldError(field, "is neither text nor a list of parts, wanted one of them");
  }
  return content.map((part: unknown, i) => {
    if (typeof part !== "object" || part === null) {
      throw fieldError(`${field}.${i}`, "is no part, wanted one");
    }
    const { type } = part as Item;
    const name = typeof type === "string" && Object.hasOwn(TEXT_FIELDS, type) ? TEXT_FIELDS[type] : undefined;
    if (name === undefined) {
      throw fieldError(`${field}.${i}.type`, `is ${JSON.stringify(type)?.slice(0, 60)}, wanted "input_text"`);
    }
    const words = (part as Item)[name];
    if (typeof words !== "string") throw fieldError(`${field}.${i}.${name}`, "is no text, wanted one");
    return words;
  }).join("");
}
