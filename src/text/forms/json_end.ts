/**
 * Where a JSON text that comes in parts ends.
 *
 * @module
 */

/** Lists and objects within each other. */
const MAX_DEPTH = 200;

/**
 * Follows one object or list, letter by letter. It tells brackets and strings apart, no more: what it calls whole may still
 * be no JSON.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const end = new JsonEnd();
 * assertEquals([end.push(' {"a": "}'), end.push('"} b'), end.read], ["more", "whole", 11]);
 * ```
 */
export class JsonEnd {
  /** Letters that were read, up to the end. */
  read = 0;
  readonly #open: string[] = [];
  #isText = false;
  #isEscaped = false;

  /** More of the text: whether it is whole now, goes on, or can be none. */
  push(text: string): "more" | "whole" | "none" {
    for (const letter of text.split("")) {
      this.read++;
      if (this.#isText) this.#within(letter);
      else if (!this.#between(letter)) return "none";
      else if (this.#open.length === 0 && !/\s/.test(letter)) return "whole";
    }
    return "more";
  }

  #within(letter: string): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (letter === "\\") this.#isEscaped = true;
    else if (letter === '"') this.#isText = false;
  }

  #between(letter: string): boolean {
    if (letter === "{" || letter === "[") return this.#open.push(letter === "{" ? "}" : "]") <= MAX_DEPTH;
    if (letter === "}" || letter === "]") return this.#open.pop() === letter;
    if (letter === '"') this.#isText = true;
    return this.#open.length > 0 || /\s/.test(letter);
  }
}
