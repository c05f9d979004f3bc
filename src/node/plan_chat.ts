/**
 * Conversations in the words of the model's template.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import type { ChatTemplate } from "../model/chat_template.ts";
import type { ChatPlan } from "../text/text_model.ts";
import { toolPlan } from "../text/tools/tools.ts";
import type { Prompt } from "../text/types.ts";

/** The text of a conversation, and how calls of its tools come back. Throws `NodeError` `usage`. */
export function planChat(
  world: Pick<World, "random">,
  template: ChatTemplate,
  prompt: Prompt & { readonly kind: "chat" },
): ChatPlan {
  const { messages, tools, form, calls } = toolPlan(world, template, prompt);
  const { variables } = prompt;
  const text = template.render(messages, { tools, ...(variables === undefined ? {} : { variables }) });
  return { text, form, calls };
}
