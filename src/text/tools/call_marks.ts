/**
 * Control tokens that belong to calls of tools.
 *
 * @module
 */
import type { Tokenizer } from "../../model/tokenizer.ts";

/**
 * Names that families of models may have as control tokens, which have no text of their own. Where a vocabulary has them
 * as ordinary tokens, or not at all, they are letters like any others.
 */
export const CALL_MARKS = [
  "<tool_call>", // Hermes, Qwen, Granite 4
  "</tool_call>",
  "[TOOL_CALLS]", // Mistral
  "[CALL_ID]",
  "[ARGS]",
  "<|python_tag|>", // Llama 3
  "<|python_start|>", // Llama 4
  "<|python_end|>",
  "<|tool_call|>", // Granite 3
  "<｜tool▁calls▁begin｜>", // DeepSeek
  "<｜tool▁call▁begin｜>",
  "<｜tool▁sep｜>",
  "<｜tool▁call▁end｜>",
  "<｜tool▁calls▁end｜>",
] as const;

/** Stands before the name of a control token. Half a letter: no text has it before another whole one. */
export const FLAG = "\uD800";

const escaped = CALL_MARKS.map((name) => name.replace(/[[\]|]/g, "\\$&")).join("|");
const MARKED = new RegExp(`${FLAG}(?:${escaped})`, "g");
const FLAGGED = new RegExp(`${FLAG}(?=${escaped})`, "g");

/** Text without control tokens: what a user may see. */
export const unmarked = (text: string): string => text.includes(FLAG) ? text.replace(MARKED, "") : text;

/** Text with control tokens as their names. */
export const spelt = (text: string): string => text.includes(FLAG) ? text.replace(FLAGGED, "") : text;

/** The name of the control token at `at`; "" where there is none. */
export function markAt(text: string, at: number): string {
  return text[at] === FLAG ? CALL_MARKS.find((name) => text.startsWith(name, at + 1)) ?? "" : "";
}

/** Those of the names that are control tokens of a vocabulary, by their ids. */
export function markIds(
  { idOf, decode }: Pick<Tokenizer, "idOf" | "decode">,
  names: readonly string[] = CALL_MARKS,
): ReadonlyMap<number, string> {
  return new Map(names.flatMap((name) => {
    const id = idOf(name);
    return id === undefined || decode([id]) !== "" ? [] : [[id, name] as const];
  }));
}
