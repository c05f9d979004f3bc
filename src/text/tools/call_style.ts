/**
 * How families of models write calls of tools.
 *
 * @module
 */
import type { ChatTemplate } from "../../model/chat_template.ts";

/** One family's way. */
export interface CallStyle {
  /**
   * `tagged`: each call between tags; `tags`: a tag for each argument as well; `list`: all calls in a list; `named`: a name before the arguments; `function`: a
   * tag with the name; `deepseek`: control tokens around the name and the arguments; `python`: a list as Python writes
   * it; `recipient`: a line with the name before the arguments; `bare`: a call by itself.
   */
  readonly kind:
    | "tagged"
    | "tags"
    | "list"
    | "named"
    | "function"
    | "deepseek"
    | "python"
    | "recipient"
    | "bare";
  /** What stands before a list of calls, or before a name. */
  readonly opener: string;
  /** What arguments are called. */
  readonly argumentsKey: "arguments" | "parameters";
  /** Ids of calls are 9 letters and digits, or the template refuses them (Mistral). */
  readonly hasShortIds: boolean;
  /** The id of a call stands between its name and its arguments (Mistral's tokenizers of version 11). */
  readonly hasIdsWithin: boolean;
  /** The arguments stand in a fence, and a type before the name (DeepSeek R1 and V3; V3.1 has neither). */
  readonly isFenced: boolean;
  /** A turn holds one call, or the template refuses it (Llama 3). */
  readonly isSingle: boolean;
}

/** What stands before and behind a call between tags (Hermes, Qwen), and what we ask models for that know of no tools. */
export const CALL_TAGS = { open: "<tool_call>", close: "</tool_call>" } as const;
/** What stands before and behind a tool's result there. */
export const RESULT_TAGS = { open: "<tool_response>", close: "</tool_response>" } as const;

/** Control tokens of DeepSeek. */
export const DEEPSEEK = {
  open: "<｜tool▁calls▁begin｜>",
  openCall: "<｜tool▁call▁begin｜>",
  separator: "<｜tool▁sep｜>",
  closeCall: "<｜tool▁call▁end｜>",
  close: "<｜tool▁calls▁end｜>",
} as const;

const TAGGED: CallStyle = {
  kind: "tagged",
  opener: "",
  argumentsKey: "arguments",
  hasShortIds: false,
  hasIdsWithin: false,
  isFenced: false,
  isSingle: false,
};

/** A list of calls as templates tell of it: `[func_name1(params_name1=params_value1, …` (Llama 3.2 and 4). */
const PYTHON_LIST = /\[(?!namespace\()[A-Za-z_]\w*\([A-Za-z_]\w*=[A-Za-z_"']/;

/** The way of a model, by its template. */
export function callStyle(template: ChatTemplate): CallStyle {
  const { knowsTools, source } = template;
  if (!knowsTools) return TAGGED;
  if (source.includes(CALL_TAGS.open)) {
    const hasParameters = source.includes("<function=") && source.includes("<parameter=");
    return hasParameters ? { ...TAGGED, kind: "tags" } : TAGGED;
  }
  if (source.includes("[TOOL_CALLS]")) {
    const kind = source.includes("[ARGS]") ? "named" : "list";
    const hasIdsWithin = source.includes("[CALL_ID]");
    return { ...TAGGED, kind, opener: "[TOOL_CALLS]", hasShortIds: true, hasIdsWithin };
  }
  if (source.includes("<|tool_call|>")) return { ...TAGGED, kind: "list", opener: "<|tool_call|>" };
  if (source.includes(DEEPSEEK.open)) {
    return { ...TAGGED, kind: "deepseek", isFenced: source.includes("```json") };
  }
  if (source.includes("<function=")) return { ...TAGGED, kind: "function" };
  if (PYTHON_LIST.test(source)) return { ...TAGGED, kind: "python" };
  if (namesRecipients(template)) return { ...TAGGED, kind: "recipient" };
  const isLlama = source.includes("<|python_tag|>") || /"name":[^}]*"parameters":/.test(source);
  if (isLlama) return { ...TAGGED, kind: "bare", argumentsKey: "parameters", isSingle: true };
  return { ...TAGGED, kind: "bare" };
}

/**
 * Whether calls and results have a place in the template's conversations. One that has a place for them and none for tools
 * (DeepSeek R1's distilled Llamas) would show calls in other words than those that tools are told in.
 */
export const knowsCalls = ({ knowsTools, source }: ChatTemplate): boolean =>
  knowsTools && /\btool_calls\b/.test(source) && /["'](tool|ipython)["']/.test(source);

/** Whether calls may stand in `<code>`: where the template says so. */
export const knowsCode = ({ source }: ChatTemplate): boolean => source.includes("<code>");

/**
 * Whether an answer begins with the name of who it is for: the template speaks of such names, and opens the model's turn
 * with what stands before them (Functionary 3.2).
 */
export function namesRecipients(template: ChatTemplate): boolean {
  if (!template.source.includes(">>>all")) return false;
  try {
    return template.render([{ role: "user", content: "a" }]).endsWith(">>>");
  } catch {
    return false;
  }
}
