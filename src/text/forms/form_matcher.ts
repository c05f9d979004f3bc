/**
 * Which tokens may come next in a text.
 *
 * @module
 */
import { type FormNext, type FormTokens, tokenBits } from "./form_messages.ts";
import type { GrammarMatcher } from "./xgrammar.ts";

/** A letter that has no meaning (private use): where it may come, any text may, and no control token is to come between. */
const ANY_LETTER = "\ue000";

/** Follows one text, token by token. Dispose to free it. */
export class FormMatcher implements Disposable {
  readonly #matcher: GrammarMatcher;
  readonly #tokens: FormTokens;
  #isOver = false;

  constructor(matcher: GrammarMatcher, tokens: FormTokens) {
    this.#matcher = matcher;
    this.#tokens = tokens;
  }

  /** What may come next. */
  next(): FormNext {
    const bits = this.#isOver ? this.#only(this.#tokens.endIds) : this.#read();
    return { kind: "next", bits, isDone: this.#isOver || this.#mayOnlyEnd(bits) };
  }

  /** A token was chosen. Throws `RangeError` for one that may not come. */
  accept(id: number): void {
    if (this.#isOver) return;
    if (this.#tokens.endIds.has(id)) this.#isOver = true;
    else if (!this.#take(id)) throw new RangeError(`Token ${id} does not keep the form`);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#matcher.dispose();
  }

  #mayOnlyEnd(allowed: Int32Array): boolean {
    const { endIds } = this.#tokens;
    for (const [word, bits] of allowed.entries()) {
      if (bits === 0) continue;
      for (let bit = 0; bit < 32; bit++) {
        if ((bits >>> bit & 1) === 1 && !endIds.has(word * 32 + bit)) return false;
      }
    }
    return true;
  }

  #read(): Int32Array {
    const mark = this.#nextMark();
    if (mark !== undefined) return this.#only([mark]);
    const list = this.#matcher.handle.GetNextTokenBitmask(this.#tokens.vocabularySize);
    const bits = Int32Array.from({ length: list.size() }, (_, word) => list.get(word));
    list.delete();
    for (
      const [id, name] of this.#tokens.marks.size > 0 && !this.#fits(ANY_LETTER) ? this.#tokens.marks : []
    ) {
      if (this.#fits(name)) bits[id >> 5]! |= 1 << (id & 31);
    }
    return bits;
  }

  #take(id: number): boolean {
    const name = this.#tokens.marks.get(id);
    return name === undefined ? this.#matcher.acceptToken(id) : this.#matcher._acceptString(name);
  }

  /** Whether the name of a control token may come next, where there is a choice. */
  #fits(name: string): boolean {
    if (!this.#matcher._acceptString(name)) return false;
    this.#matcher.rollBack(1);
    return true;
  }

  /** The control token whose name must come next. */
  #nextMark(): number | undefined {
    const { marks, vocabularySize } = this.#tokens;
    if (marks.size === 0) return undefined;
    const next = this.#matcher.findJumpForwardString();
    const [id] = [...marks].find(([id, name]) => id < vocabularySize && next.startsWith(name)) ?? [];
    return id;
  }

  /** Behind the end nothing but an end may come, and the library must not be asked there; control tokens it knows not. */
  #only(ids: Iterable<number>): Int32Array {
    return tokenBits(ids, this.#tokens.vocabularySize);
  }
}
