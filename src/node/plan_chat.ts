/**
 * Conversations in the words of the model's template.
 *
 * @module
 */
import type { ChatTemplate } from "../model/chat_template.ts";
import type { ChatPlan } from "../text/text_model.ts";
import type { Prompt } from "../text/types.ts";

/** The text of a conversation. */
export function planChat(
  template: ChatTemplate,
  { messages, variables }: Prompt & { kind: "chat" },
): ChatPlan {
  return { text: template.render(messages, variables === undefined ? {} : { variables }) };
}
