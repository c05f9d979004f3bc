/**
 * How calls of tools begin and end in a model's text.
 *
 * @module
 */
import { JsonCalls, NamedJson } from "./call_json.ts";
import { PythonCalls, type PythonKind } from "./call_python.ts";
import { CALL_TAGS, DEEPSEEK } from "./call_style.ts";
import { type CallText, FirstLetters, type OfferedTools } from "./call_text.ts";
import { FUNCTION_CLOSER, FUNCTION_OPENER, XmlCall } from "./call_xml.ts";

/** A way to write calls. */
export interface CallForm {
  /** What stands before, anywhere in a text. */
  readonly opener: string;
  /** What may follow, and is none of the text. */
  readonly closers: readonly string[];
  /** Whether further calls may follow with no opener of their own, as long as nothing closed the first. */
  readonly isSeries?: boolean;
  /** Reads what stands behind the opener. */
  readonly read: (tools: OfferedTools) => CallText;
}

/** A name, with an id of the call or without, and the arguments (Mistral's tokenizers of version 11 and later). */
const MISTRAL_HEAD = /^\s*([^\s[\]{}]+)\s*(?:\[CALL_ID\][^[\]{}]*)?(?:\[ARGS\])?\s*$/;
/** DeepSeek R1 names the type and writes JSON in a fence, V3.1 does neither. */
const DEEPSEEK_HEAD =
  /^\s*(?:<｜tool▁call▁begin｜>)?\s*(?:function\s*<｜tool▁sep｜>)?\s*([^\s<{]+)\s*(?:<｜tool▁sep｜>)?\s*(?:```json)?\s*$/;
const DEEPSEEK_CLOSERS = ["```", DEEPSEEK.closeCall, DEEPSEEK.close];

/** JSON, or a list as Python writes it; `other` for what begins otherwise. */
function jsonOr(
  isMarked: boolean,
  other: (letter: string, tools: OfferedTools) => CallText | undefined = () => undefined,
) {
  return (tools: OfferedTools): CallText =>
    new FirstLetters((letters) => {
      if (letters === "{" || letters === "[{") return new JsonCalls(tools, isMarked);
      return letters.startsWith("[") ? python("list", letters.slice(1), tools) : other(letters, tools);
    });
}

const python = (kind: PythonKind, letter: string, tools: OfferedTools): CallText | undefined =>
  /[A-Za-z_]/.test(letter) ? new PythonCalls(tools, kind) : undefined;

const deepSeek = (opener: string): CallForm => ({
  opener,
  closers: DEEPSEEK_CLOSERS,
  read: (tools) => new NamedJson(tools, DEEPSEEK_HEAD),
});

/** Calls behind an opener. */
export const MARKED_CALLS: readonly CallForm[] = [
  { // Hermes, Qwen; Qwen3-Coder has tags within
    opener: CALL_TAGS.open,
    closers: [FUNCTION_CLOSER, CALL_TAGS.close],
    read: jsonOr(true, (_, tools) => new XmlCall(tools, { hasOpener: true })),
  },
  { // Llama 3.1 by a prompt, Functionary 3.1
    opener: FUNCTION_OPENER,
    closers: [FUNCTION_CLOSER, CALL_TAGS.close],
    read: (tools) => new XmlCall(tools),
  },
  { // Mistral: a list up to version 7 of its tokenizers, then a name before the arguments
    opener: "[TOOL_CALLS]",
    closers: [],
    read: jsonOr(true, (_, tools) => new NamedJson(tools, MISTRAL_HEAD)),
  },
  { // Llama 3; built-in tools as Python writes them
    opener: "<|python_tag|>",
    closers: [],
    isSeries: true,
    read: jsonOr(true, (letter, tools) => python("one", letter, tools)),
  },
  { // Llama 4
    opener: "<|python_start|>",
    closers: ["<|python_end|>"],
    isSeries: true,
    read: jsonOr(true, (letter, tools) => python("one", letter, tools)),
  },
  { opener: "<|tool_call|>", closers: [], read: jsonOr(true) }, // Granite 3
  deepSeek(DEEPSEEK.open),
  deepSeek(DEEPSEEK.openCall),
  { opener: "```json", closers: ["```"], read: jsonOr(true) },
];

/** Python between tags (SmolLM3, which has tools told as Python functions): elsewhere that is how a text shows code. */
export const CODE_CALLS: CallForm = {
  opener: "<code>",
  closers: [],
  read: jsonOr(true, (letter, tools) => python("code", letter, tools)),
};

/** Calls with no opener, at the beginning of a line. */
export const PLAIN_CALLS: Omit<CallForm, "opener"> = { closers: [], read: jsonOr(false) };
