/**
 * Conversations to the text a model was trained on, over the field's library for Jinja.
 *
 * @module
 */
import { Template } from "@huggingface/jinja";
import { messageOf, NodeError } from "../base/errors.ts";
import { isJsonObject } from "./json_file.ts";
import type { TokenizerFiles } from "./source.ts";
import { tokenText } from "./tokenizer.ts";

/** One turn, with whatever else the model's template knows (`tool_calls`, `tool_call_id`, `name`). */
export interface ChatMessage {
  readonly role: string;
  readonly content: string | null;
  readonly [key: string]: unknown;
}

/** How to render. */
export interface RenderOptions {
  /** Functions the model may call, in OpenAI's form. */
  readonly tools?: readonly unknown[];
  /** End with the opening of the model's own turn (default), so that it answers. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of the template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** A model's template. */
export interface ChatTemplate {
  /** Whether tools have a place in it. */
  readonly knowsTools: boolean;
  /** Its own words, of the template for tools where the model has one: they tell how calls are written. */
  readonly source: string;
  /**
   * The text of a conversation, control tokens by name: encode it without further special tokens.
   * Throws `NodeError` `usage` with the template's own words when it refuses the messages.
   */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
}

const TOKEN_VARIABLES = [
  "bos_token",
  "eos_token",
  "unk_token",
  "pad_token",
  "sep_token",
  "cls_token",
  "mask_token",
];

/**
 * The chat template of a model, `undefined` where it has none (a base model).
 * Throws `NodeError` `unsupported` for a template that is no Jinja.
 */
export function openChatTemplate(files: TokenizerFiles): ChatTemplate | undefined {
  const sources = templateSources(files.config["chat_template"]);
  const usual = sources.get("default");
  if (usual === undefined) return undefined;
  const plain = parse(usual);
  const toolSource = sources.get("tool_use");
  const withTools = toolSource === undefined ? plain : parse(toolSource);
  const tokens = Object.fromEntries(TOKEN_VARIABLES.flatMap((name) => {
    const text = tokenText(files.config[name]);
    return text === undefined ? [] : [[name, text]];
  }));
  return {
    knowsTools: /\btools\b/.test(toolSource ?? usual),
    source: toolSource ?? usual,
    render(messages, options = {}) {
      const tools = options.tools?.length ? options.tools : undefined;
      const variables = {
        ...tokens,
        ...options.variables,
        messages,
        // Templates ask "is not none", which an absent variable would pass
        tools: tools ?? null,
        add_generation_prompt: options.addGenerationPrompt ?? true,
      };
      try {
        return (tools === undefined ? plain : withTools).render(variables);
      } catch (error) {
        throw new NodeError("usage", `Cannot render the conversation: ${messageOf(error)}`, { cause: error });
      }
    },
  };
}

/** Templates by name: one text, or a list of `{name, template}`. */
function templateSources(value: unknown): Map<string, string> {
  if (typeof value === "string") return new Map([["default", value]]);
  if (!Array.isArray(value)) return new Map();
  return new Map(
    value.filter(isJsonObject).flatMap(({ name, template }) =>
      typeof name === "string" && typeof template === "string" ? [[name, template] as const] : []
    ),
  );
}

function parse(source: string): Template {
  try {
    return new Template(source);
  } catch (error) {
    throw new NodeError("unsupported", `Cannot read the model's chat template: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
