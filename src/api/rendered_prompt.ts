/**
 * Conversations as token ids, for what a template cannot say by itself.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { opensThoughts, THOUGHT_TAGS } from "../text/tools/thought_reader.ts";
import type { Prompt, TextModel } from "../text/types.ts";

type Chat = Prompt & { readonly kind: "chat" };

/** What a model puts before every text; templates write it themselves. */
const leadOf = (model: TextModel): readonly number[] => model.tokenize("");

/** Ids of a conversation, or of a text, as the model takes them. */
export const promptIds = (model: TextModel, prompt: Chat | Prompt & { readonly kind: "text" }) =>
  prompt.kind === "text"
    ? model.tokenize(prompt.text)
    : model.tokenize(model.render(prompt)).slice(leadOf(model).length);

/** Behind an opening tag: nothing was thought, in the form that Qwen 3 was trained with. */
const NO_THOUGHTS = `\n\n${THOUGHT_TAGS.close}\n\n`;

/** Words that no template has, in the place of what the model answered. */
const ANSWERED = "kwaainet-answered";

/**
 * The ids of earlier turns, up to the end of an answer, and those that a conversation has from there: what closes a turn
 * of the model, and the turns of `chat`. A template that refuses turns in that order has them as a conversation of their
 * own.
 */
export function idsAfterAnswer(model: TextModel, earlier: readonly number[], chat: Chat): readonly number[] {
  const lead = leadOf(model);
  const rest = textAfterAnswer(model, chat);
  if (rest === undefined) return [...earlier, ...withoutLead(model, promptIds(model, chat))];
  const ids = model.tokenize(rest).slice(lead.length);
  // the model itself may have closed its turn
  const isClosed = earlier.at(-1) === ids[0] && withoutEnd(model, ids.slice(0, 1)).length === 0;
  return [...earlier, ...(isClosed ? ids.slice(1) : ids)];
}

function textAfterAnswer(model: TextModel, chat: Chat): string | undefined {
  const before = [{ role: "user", content: "kwaainet-asked" }, { role: "assistant", content: ANSWERED }];
  try {
    const text = model.render({ ...chat, messages: [...before, ...chat.messages] });
    const at = text.indexOf(ANSWERED);
    return at < 0 ? undefined : text.slice(at + ANSWERED.length);
  } catch (error) {
    if (error instanceof NodeError && error.code === "usage") return undefined;
    throw error;
  }
}

/** Ids without what begins every text. */
export function withoutLead(model: TextModel, ids: readonly number[]): readonly number[] {
  const lead = leadOf(model);
  return lead.length > 0 && lead.every((id, i) => ids[i] === id) ? ids.slice(lead.length) : ids;
}

/** The ids of an answer without the control token that ended it. */
export function withoutEnd(model: TextModel, ids: readonly number[]): readonly number[] {
  const last = ids.at(-1);
  return last !== undefined && model.detokenize([last]) === "" ? ids.slice(0, -1) : ids;
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
  const rendered = model.render(before);
  // words of an answer come behind its thoughts
  const text = (opensThoughts(rendered) ? `${rendered.trimEnd()}${NO_THOUGHTS}` : rendered) + begun;
  return { kind: "tokens", ids: model.tokenize(text).slice(leadOf(model).length) };
}
