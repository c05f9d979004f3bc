/**
 * Reading a text letter by letter, for small languages.
 *
 * @module
 */
import { choice, type Expression, grammarFault, letter, letterBut } from "./grammar_rules.ts";
import type { NodeError } from "../../base/errors.ts";
import { LAST_LETTER, type LetterRange } from "./letter_set.ts";

/** Characters of a grammar or an expression. */
const MAX_CHARACTERS = 64 * 1024;
/** Groups within groups. */
const MAX_GROUPS = 48;

/** A place in a text. */
export class Letters {
  at = 0;
  readonly #letters: readonly string[];
  readonly #what: string;
  #groups = 0;

  /** Throws `NodeError` `usage` for texts that are too long, or no text. */
  constructor(text: string, what: string) {
    this.#what = what;
    if (text.length > MAX_CHARACTERS) {
      throw grammarFault(`the ${what} has ${text.length} characters`, `at most ${MAX_CHARACTERS}`);
    }
    if (!text.isWellFormed()) throw grammarFault(`the ${what} has half a letter in it`, "whole ones");
    this.#letters = [...text];
  }

  /** Whether all is read. */
  get isOver(): boolean {
    return this.at >= this.#letters.length;
  }

  /** The letter here, or `ahead` of here; "" at the end. */
  peek(ahead = 0): string {
    return this.#letters[this.at + ahead] ?? "";
  }

  /** Whether the text goes on with that. */
  isAt(text: string): boolean {
    return [...text].every((letter, i) => this.peek(i) === letter);
  }

  /** Goes behind `text` where it is next. */
  take(text: string): boolean {
    if (!this.isAt(text)) return false;
    this.at += [...text].length;
    return true;
  }

  /** The next letter, taken. */
  next(): string {
    if (this.isOver) throw this.fault("it ends too early", "more");
    return this.#letters[this.at++]!;
  }

  /** Letters that match, taken. */
  while(wanted: RegExp): string {
    const start = this.at;
    while (!this.isOver && wanted.test(this.peek())) this.at++;
    return this.#letters.slice(start, this.at).join("");
  }

  /** What a group holds: groups are bounded in depth. */
  group<T>(read: () => T): T {
    if (++this.#groups > MAX_GROUPS) throw this.fault(`it has groups ${this.#groups} deep`, `${MAX_GROUPS}`);
    const inside = read();
    this.#groups--;
    return inside;
  }

  /** The failure of what stands here. */
  fault(what: string, wanted: string): NodeError {
    return grammarFault(`in the ${this.#what}, at character ${this.at + 1}, ${what}`, wanted);
  }

  /** A letter by `digits` digits of base 16. */
  hexLetter(digits: number): number {
    let value = "";
    for (let i = 0; i < digits; i++) value += this.next();
    return this.letterOf(/^[0-9a-fA-F]+$/.test(value) ? parseInt(value, 16) : Number.NaN);
  }

  /** That code point, if it is one that may stand in a text. */
  letterOf(code: number): number {
    if (code >= 0 && code <= LAST_LETTER && !(code >= 0xd800 && code <= 0xdfff)) return code;
    throw this.fault("a code is no letter", "one of Unicode");
  }

  /** `{2}`, `{2,}`, `{,3}` or `{2,3}` where they are next. */
  counts(): { readonly least: number; readonly most: number | undefined } | undefined {
    const start = this.at;
    if (!this.take("{")) return undefined;
    const least = this.while(/[0-9]/);
    const hasComma = this.take(",");
    const most = hasComma ? this.while(/[0-9]/) : least;
    if (!this.take("}") || least + most === "" || least.length > 9 || most.length > 9) {
      this.at = start;
      throw this.fault("a count is none", "{2}, {2,} or {2,3}");
    }
    return { least: Number(least), most: most === "" ? undefined : Number(most) };
  }
}

/** One letter of `ranges`, or of all others. Throws `NodeError` `usage` where there is none. */
export function letterClass(
  letters: Letters,
  ranges: readonly LetterRange[],
  isNegated: boolean,
): Expression {
  const backward = ranges.find(([first, last]) => first > last);
  if (backward !== undefined) throw letters.fault("a range of letters goes backward", "one that goes up");
  if (ranges.length === 0 && !isNegated) throw letters.fault("a class of letters is empty", "letters in it");
  if (ranges.length === 0) return letter([1, LAST_LETTER]);
  return isNegated ? letterBut(...ranges) : letter(...ranges);
}

/** Options with `|` between them, one or more. */
export function readOptions(letters: Letters, read: () => Expression): Expression {
  const options = [read()];
  while (letters.take("|")) options.push(read());
  return options.length === 1 ? options[0]! : choice(...options);
}
