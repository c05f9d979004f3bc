/**
 * Ollama's questions as prompts.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { ChatMessage } from "../../model/chat_template.ts";
import type { Prompt, TextModel } from "../../text/types.ts";
import { idsAfterAnswer, promptIds, withoutLead } from "../rendered_prompt.ts";
import { type ChatBody, type GenerateBody, refuseImages, thinkingOf } from "./request.ts";

type Chat = Prompt & { readonly kind: "chat" };
type Turn = Chat | Prompt & { readonly kind: "text" };

/** A conversation. */
export function chatPrompt({ messages = [], tools = [], think }: ChatBody): Chat {
  const callIds = new CallIds();
  return {
    kind: "chat",
    messages: messages.map((message, i) => {
      refuseImages(`messages.${i}.images`, message.images);
      return messageOf(message, callIds);
    }),
    ...(tools.length === 0 ? {} : {
      tools: tools.map(({ function: { name, description, parameters } }) => ({
        name,
        ...(description === undefined ? {} : { description }),
        ...(parameters === undefined ? {} : { parameters }),
      })),
    }),
    ...thinkingOf(think),
  };
}

type Message = NonNullable<ChatBody["messages"]>[number];

function messageOf(message: Message, callIds: CallIds): ChatMessage {
  const { role, content = "", thinking, tool_calls: calls = [], tool_call_id: id, tool_name: name } = message;
  if (role === "tool") {
    return {
      role,
      content,
      tool_call_id: callIds.answer(id),
      ...(name === undefined ? {} : { name }),
    };
  }
  const said = {
    role,
    content,
    ...(role === "assistant" && thinking ? { reasoning_content: thinking } : {}),
  };
  if (calls.length === 0) return said;
  return {
    ...said,
    tool_calls: calls.map(({ id, function: { name, arguments: given } }) => ({
      id: callIds.call(id),
      type: "function",
      function: { name, arguments: typeof given === "string" ? given : JSON.stringify(given) },
    })),
  };
}

/** Ids of calls, which Ollama's clients may leave out: results then belong to calls in their order. */
class CallIds {
  #made = 0;
  readonly #open: string[] = [];

  call(given: string | undefined): string {
    const id = given ?? `call_${++this.#made}`;
    this.#open.push(id);
    return id;
  }

  answer(given: string | undefined): string {
    const at = given === undefined ? 0 : this.#open.indexOf(given);
    const [id] = at < 0 ? [] : this.#open.splice(at, 1);
    return given ?? id ?? `call_${++this.#made}`;
  }
}

/** A prompt of `/api/generate`, and how its token ids are had for `context`; nothing where none is told. */
export interface GeneratePrompt {
  readonly prompt: Prompt;
  readonly ids: (() => readonly number[]) | undefined;
}

/** What `/api/generate` asks: `raw` text, or one turn, after the tokens of earlier ones. */
export function generatePrompt(body: GenerateBody, model: TextModel): GeneratePrompt {
  const { prompt: text = "", system = "", raw = false, context = [], images, think } = body;
  refuseImages("images", images);
  if (body.suffix !== undefined && body.suffix !== "") {
    throw new NodeError(
      "unsupported",
      "Cannot answer: suffix is given and the model does not insert, wanted none",
    );
  }
  if (raw) return { prompt: { kind: "text", text: system + text }, ids: undefined };
  const turn: Turn = model.card.chats
    ? {
      kind: "chat",
      messages: [...(system === "" ? [] : [{ role: "system", content: system }]), {
        role: "user",
        content: text,
      }],
      ...thinkingOf(think),
    }
    : { kind: "text", text: system === "" ? text : `${system}\n${text}` };
  if (context.length === 0) return { prompt: turn, ids: () => promptIds(model, turn) };
  const ids = turn.kind === "chat"
    ? idsAfterAnswer(model, context, turn)
    : [...context, ...withoutLead(model, promptIds(model, turn))];
  return { prompt: { kind: "tokens", ids }, ids: () => ids };
}
