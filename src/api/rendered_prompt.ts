/**
 * Conversations as token ids, for what a template cannot say by itself.
 *
 * @module
 */
import type { Prompt, TextModel } from "../text/types.ts";

type Chat = Prompt & { readonly kind: "chat" };

/** What a model puts before every text; templates write it themselves. */
const leadOf = (model: TextModel): readonly number[] => model.tokenize("");

/** Ids of a conversation, or of a text, as the model takes them. */
export const promptIds = (model: TextModel, prompt: Chat | Prompt & { readonly kind: "text" }) =>
  prompt.kind === "text"
    ? model.tokenize(prompt.text)
    : model.tokenize(model.render(prompt)).slice(leadOf(model).length);

/** The same ids where they follow others: without what begins every text. */
export function withoutLead(model: TextModel, ids: readonly number[]): readonly number[] {
  const lead = leadOf(model);
  return lead.length > 0 && lead.every((id, i) => ids[i] === id) ? ids.slice(lead.length) : ids;
}

/**
 * A conversation; one that ends with words of the model becomes ids that end with them, so that the model goes on where
 * they end. With tools it is left as it is: how calls are read belongs to the template.
 */
export function continuedPrompt(model: TextModel, chat: Chat): Prompt {
  const last = chat.messages.at(-1);
  const begun = last?.content ?? "";
  if (last?.role !== "assistant" || begun === "" || "tool_calls" in last || chat.tools !== undefined) {
    return chat;
  }
  const before: Chat = { ...chat, messages: chat.messages.slice(0, -1) };
  const text = model.render(before) + begun;
  return { kind: "tokens", ids: model.tokenize(text).slice(leadOf(model).length) };
}
