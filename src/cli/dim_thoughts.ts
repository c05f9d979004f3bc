/**
 * What a model thinks, on a terminal: faint, with a line between it and the answer.
 *
 * @module
 */
import type { Output } from "./output.ts";

/** Faint letters, and letters as usual (ECMA-48). */
const FAINT = "\x1b[2m";
const USUAL = "\x1b[22m";

/** Shows thoughts to a person who looks at stdout; elsewhere they are left out. */
export class DimThoughts {
  readonly #output: Pick<Output, "text">;
  readonly #isShown: boolean;
  #isOpen = false;

  constructor(output: Pick<Output, "text" | "isTerminal">, json: boolean) {
    this.#output = output;
    this.#isShown = output.isTerminal && !json;
  }

  /** More of the thoughts. */
  tell(text: string): void {
    if (!this.#isShown) return;
    this.#output.text(this.#isOpen ? text : FAINT + text);
    this.#isOpen = true;
  }

  /** They are over: the answer follows, or nothing. */
  end(): void {
    if (this.#isOpen) this.#output.text(`${USUAL}\n\n`);
    this.#isOpen = false;
  }
}
