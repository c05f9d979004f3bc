/**
 * Grammars in the words of xgrammar.
 *
 * @module
 */
import { choice, type Expression, type Grammar, repeat, sequence } from "./grammar_rules.ts";
import { LAST_LETTER, type LetterRange, letterSet, otherLetters } from "./letter_set.ts";

/**
 * EBNF of a grammar. Every group becomes a rule of its own: the library's parser and passes recurse, on a stack of 64 kB
 * (200 parentheses break its memory, chains of 3,000 rules do not).
 */
export function grammarText({ root, rules }: Grammar): string {
  const writer = new Writer([...rules.keys()]);
  for (const [name, body] of rules) writer.define(name, body);
  return [`root ::= ${writer.nameOf(root)}`, ...writer.lines].join("\n") + "\n";
}

class Writer {
  readonly lines: string[] = [];
  readonly #names: ReadonlyMap<string, string>;
  /** Groups that are written already, by their words. */
  readonly #groups = new Map<string, string>();

  constructor(names: readonly string[]) {
    this.#names = new Map(names.map((name, i) => [name, `r${i}`]));
  }

  nameOf(name: string): string {
    return this.#names.get(name)!;
  }

  define(name: string, body: Expression): void {
    this.lines.push(`${this.nameOf(name)} ::= ${this.#body(body)}`);
  }

  /** Words that may stand behind `::=`. */
  #body(body: Expression): string {
    if (body.kind !== "choice") return this.#sequence(body);
    return body.options.map((option) => this.#sequence(option)).join(" | ");
  }

  #sequence(body: Expression): string {
    if (body.kind !== "sequence") return this.#element(body);
    if (body.parts.length === 0) return '""';
    return body.parts.map((part) => this.#element(part)).join(" ");
  }

  #element(body: Expression): string {
    switch (body.kind) {
      case "text":
        return `"${[...body.text].map((letter) => quoted(letter.codePointAt(0)!)).join("")}"`;
      case "letter":
        return this.#letter(body);
      case "rule":
        return this.nameOf(body.name);
      case "repeat":
        return this.#repeat(body);
      case "sequence":
      case "choice":
        return this.#group(body);
    }
  }

  /** A class, or a rule of a class and the letters that no class can hold. */
  #letter({ ranges, isNegated }: Expression & { readonly kind: "letter" }): string {
    const set = letterSet(ranges, isNegated);
    if (set === undefined) throw new RangeError("A class that cannot be kept: the grammar was not checked");
    const { ascii, others } = set;
    if (others === "all") {
      const left = otherLetters([...ascii, [0x80, LAST_LETTER]]);
      return `[^\\u0000${left.map(rangeText).join("")}]`;
    }
    const positive = `[${ascii.map(rangeText).join("")}]`;
    if (others.length === 0) return positive;
    const each = others.map((code) => `"${escaped(code)}"`);
    return this.#rule([...ascii.length === 0 ? [] : [positive], ...each].join(" | "));
  }

  #repeat({ of, least, most }: Expression & { readonly kind: "repeat" }): string {
    if (most === 0) return '""';
    if (least === 0 && most === undefined) {
      const letter = of.kind === "choice" ? of.options.find(({ kind }) => kind === "letter") : undefined;
      if (of.kind === "choice" && letter !== undefined) return this.#lettersFirst(of, letter);
    }
    if (least === 1 && most === 1) return this.#element(of);
    const what = of.kind === "letter"
      ? this.#element(of)
      : of.kind === "rule"
      ? this.nameOf(of.name)
      : this.#group(of);
    if (most === undefined && least <= 1) return what + (least === 0 ? "*" : "+");
    if (most === 1) return `${what}?`;
    // classes by themselves are copied as often as they repeat, rules are not
    const counted = of.kind === "letter" ? this.#group(of) : what;
    return most === undefined ? `${counted}{${least},}` : `${counted}{${least},${most}}`;
  }

  /** `(a | b)*` as `a* (b a*)*`: classes that repeat by themselves make masks in 0.1 ms, others in 40. */
  #lettersFirst({ options }: Expression & { readonly kind: "choice" }, letter: Expression): string {
    const letters = repeat(letter, 0);
    const others = choice(...options.filter((option) => option !== letter));
    return this.#group(sequence(letters, repeat(sequence(others, letters), 0)));
  }

  #group(body: Expression): string {
    return this.#rule(this.#body(body));
  }

  /** The name of a rule of these words. */
  #rule(words: string): string {
    const known = this.#groups.get(words);
    if (known !== undefined) return known;
    const name = `g${this.#groups.size}`;
    this.#groups.set(words, name);
    this.lines.push(`${name} ::= ${words}`);
    return name;
  }
}

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, "0");
const escaped = (code: number) => code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
const quoted = (code: number) =>
  code >= 0x20 && code < 0x7f && code !== 0x22 && code !== 0x5c ? String.fromCharCode(code) : escaped(code);
const rangeText = ([first, last]: LetterRange) =>
  first === last ? escaped(first) : `${escaped(first)}-${escaped(last)}`;
