/**
 * What readers of calls have in common.
 *
 * @module
 */
import { isJsonObject, type JsonObject } from "../../model/json_file.ts";

/** A call as a model wrote it. */
export interface FoundCall {
  readonly name: string;
  readonly given: JsonObject;
}

/** Tools that were offered: JSON schemas of arguments by name. Nothing else counts as a call. */
export type OfferedTools = ReadonlyMap<string, JsonObject | undefined>;

/** `whole`: the text ends with this letter; `none`: with it the text can be no call any more. */
export type Verdict = "more" | "whole" | "none";

/** Follows a text that may be calls. It is asked of each letter once, and says `none` at the first one that is wrong. */
export interface CallText {
  next(letter: string): Verdict;
  /** The calls that the letters are, all of them. Control tokens in it are flagged. */
  calls(text: string): readonly FoundCall[] | undefined;
}

/** Spaces that are held back. */
export const MAX_SPACES = 256;
/** Letters of one call; what is longer is text. */
export const MAX_CALL: number = 256 * 1024;
/** Letters of a name. */
export const MAX_NAME = 256;

/** Whether a letter is a space or an end of line. */
export const isSpace = (letter: string): boolean => /\s/.test(letter);

/** The object that arguments are, or that their JSON text is. */
export function argumentsOf(given: unknown): JsonObject | undefined {
  if (isJsonObject(given)) return given;
  return typeof given === "string" ? jsonObject(given) : undefined;
}

/** The object that a JSON text is. */
export function jsonObject(text: string): JsonObject | undefined {
  const value = jsonValue(text);
  return isJsonObject(value) ? value : undefined;
}

/** The value that a JSON text is; `undefined` where it is none. */
export function jsonValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A text whose first letters tell how it goes on: the first that is no space, with the one behind it after `[`. */
export class FirstLetters implements CallText {
  readonly #choose: (letters: string) => CallText | undefined;
  #chosen: CallText | undefined;
  #begun = "";
  #spaces = 0;

  constructor(choose: (letters: string) => CallText | undefined) {
    this.#choose = choose;
  }

  next(letter: string): Verdict {
    if (this.#chosen !== undefined) return this.#chosen.next(letter);
    if (isSpace(letter)) return ++this.#spaces > MAX_SPACES ? "none" : "more";
    this.#begun += letter;
    if (this.#begun === "[") return "more";
    this.#chosen = this.#choose(this.#begun);
    let verdict: Verdict = "none";
    for (const one of this.#chosen === undefined ? "" : this.#begun) verdict = this.#chosen!.next(one);
    return verdict;
  }

  calls(text: string): readonly FoundCall[] | undefined {
    return this.#chosen?.calls(text.trim());
  }
}
