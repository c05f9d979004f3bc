/**
 * Anthropic's messages as a conversation.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { ChatMessage } from "../../model/chat_template.ts";
import type { Prompt, ToolChoice } from "../../text/types.ts";
import type { CountBody } from "./request.ts";

type Chat = Prompt & { readonly kind: "chat" };
type Message = CountBody["messages"][number];

/** The conversation of a request. Throws `NodeError` `usage` for a choice of tools that are not there. */
export function chatPrompt(body: CountBody): Chat {
  const { system, tools = [], tool_choice: choice, thinking } = body;
  const names = new Map<string, string>();
  const messages = mergedTurns([
    ...(system === undefined ? [] : [{ role: "system", content: wordsOf(system) }]),
    ...body.messages.flatMap((message) => turnsOf(message, names)),
  ]);
  return {
    kind: "chat",
    messages,
    ...(tools.length === 0 ? {} : {
      tools: tools.map(({ name, description, input_schema: parameters, strict }) => ({
        name,
        ...(description === undefined ? {} : { description }),
        parameters,
        ...(strict === undefined ? {} : { strict }),
      })),
    }),
    ...choiceOf(choice, tools),
    ...(thinking === undefined ? {} : { variables: { enable_thinking: thinking.type !== "disabled" } }),
  };
}

function choiceOf(
  choice: CountBody["tool_choice"],
  tools: readonly { readonly name: string }[],
): Pick<Chat, "toolChoice" | "parallelToolCalls"> {
  if (choice === undefined) return {};
  const forced = choice.type === "tool"
    ? choice.name
    : choice.type === "any"
    ? tools[0]?.name ?? ""
    : undefined;
  if (forced !== undefined && !tools.some(({ name }) => name === forced)) {
    throw new NodeError("usage", "Cannot answer: tool_choice forces a tool that is not in tools, wanted one");
  }
  const toolChoice: ToolChoice = choice.type === "tool"
    ? { name: choice.name }
    : choice.type === "any"
    ? "required"
    : choice.type;
  return {
    ...(tools.length === 0 ? {} : { toolChoice }),
    ...(choice.disable_parallel_tool_use === true ? { parallelToolCalls: false } : {}),
  };
}

/** Results of tools are turns of their own, before what the user says with them. */
function turnsOf({ role, content }: Message, names: Map<string, string>): ChatMessage[] {
  const results: ChatMessage[] = [];
  const calls: object[] = [];
  const words: string[] = [];
  const thoughts: string[] = [];
  for (const block of content) {
    switch (block.type) {
      case "text":
        words.push(block.text);
        break;
      case "thinking":
        if (role === "assistant" && block.thinking) thoughts.push(block.thinking);
        break;
      case "tool_use": {
        const { id, name, input } = block;
        names.set(id, name);
        calls.push({ id, type: "function", function: { name, arguments: JSON.stringify(input) } });
        break;
      }
      case "tool_result": {
        const { tool_use_id: id, content = [] } = block;
        const name = names.get(id);
        results.push({
          role: "tool",
          content: wordsOf(content),
          tool_call_id: id,
          ...(name === undefined ? {} : { name }),
        });
      }
    }
  }
  const said = words.join("\n");
  const thought = thoughts.length === 0 ? {} : { reasoning_content: thoughts.join("\n") };
  if (calls.length > 0) return [...results, { role, content: said, ...thought, tool_calls: calls }];
  return words.length === 0 && results.length > 0
    ? results
    : [...results, { role, content: said, ...thought }];
}

/** Turns of one speaker that follow each other are one, as Anthropic takes them. */
function mergedTurns(turns: readonly ChatMessage[]): ChatMessage[] {
  const merged: ChatMessage[] = [];
  for (const turn of turns) {
    const before = merged.at(-1);
    const isSame = before?.role === turn.role && turn.role !== "tool" && !("tool_calls" in before);
    if (!isSame) merged.push(turn);
    else merged[merged.length - 1] = { ...before, ...turn, content: `${before.content}\n${turn.content}` };
  }
  return merged;
}

const wordsOf = (words: NonNullable<CountBody["system"]>): string => words.map(({ text }) => text).join("\n");
