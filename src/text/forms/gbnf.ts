/**
 * Grammars as llama.cpp writes them.
 *
 * @module
 */
import {
  type Expression,
  type Grammar,
  grammarFault,
  letter,
  repeat,
  rule,
  sequence,
  text,
} from "./grammar_rules.ts";
import { LAST_LETTER, type LetterRange } from "./letter_set.ts";
import { letterClass, Letters, readOptions } from "./letters.ts";

const NAME = /[a-zA-Z0-9_-]/;
const ESCAPES: Readonly<Record<string, number>> = {
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  b: 0x08,
  f: 0x0c,
  v: 0x0b,
};
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
/** Rules of one grammar. */
const MAX_RULES = 2000;

/**
 * Reads a grammar whose root is `root`. Throws `NodeError` `usage` with the place of a mistake.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readGbnf('root ::= "yes" | "no"').rules.get("root")?.kind, "choice");
 * ```
 */
export function readGbnf(source: string): Grammar {
  const letters = new Letters(source, "grammar");
  const rules = new Map<string, Expression>();
  skipSpace(letters);
  while (!letters.isOver) {
    const name = letters.while(NAME);
    skipSpace(letters);
    if (name === "" || !letters.take("::=")) {
      throw letters.fault("a rule does not begin", 'name ::= …, such as root ::= "yes" | "no"');
    }
    if (rules.has(name)) throw grammarFault(`the grammar has two rules "${name}"`, "one");
    if (rules.size >= MAX_RULES) throw grammarFault(`the grammar has more than ${MAX_RULES} rules`, "fewer");
    rules.set(name, readChoice(letters));
  }
  return { root: "root", rules };
}

const readChoice = (letters: Letters): Expression => readOptions(letters, () => readSequence(letters));

function readSequence(letters: Letters): Expression {
  const parts: Expression[] = [];
  for (;;) {
    skipSpace(letters);
    const part = readElement(letters);
    if (part === undefined) return parts.length === 1 ? parts[0]! : sequence(...parts);
    parts.push(readRepeats(letters, part));
  }
}

/** The next element, `undefined` where the sequence ends. */
function readElement(letters: Letters): Expression | undefined {
  if (letters.take('"')) return readText(letters);
  if (letters.take("[")) return readClass(letters);
  if (letters.take(".")) return letter([1, LAST_LETTER]);
  if (letters.take("(")) {
    const inside = letters.group(() => readChoice(letters));
    if (!letters.take(")")) throw letters.fault("a group is not closed", ")");
    return inside;
  }
  const start = letters.at;
  const name = letters.while(NAME);
  if (name !== "") {
    const end = letters.at;
    skipSpace(letters);
    const isNextRule = letters.isAt("::=");
    letters.at = isNextRule ? start : end;
    return isNextRule ? undefined : rule(name);
  }
  if (letters.isOver || letters.isAt("|") || letters.isAt(")")) return undefined;
  throw letters.fault(`"${letters.peek()}" is nothing`, 'a name, "text", [letters] or (…)');
}

function readRepeats(letters: Letters, part: Expression): Expression {
  let whole = part;
  for (let many = 0;; many++) {
    if (letters.take("*")) whole = repeat(whole, 0);
    else if (letters.take("+")) whole = repeat(whole, 1);
    else if (letters.take("?")) whole = repeat(whole, 0, 1);
    else {
      const counts = letters.counts();
      if (counts === undefined) return whole;
      whole = repeat(whole, counts.least, counts.most);
    }
    if (many > 3) throw letters.fault("an element is repeated again and again", "once");
  }
}

function readText(letters: Letters): Expression {
  let value = "";
  while (!letters.take('"')) value += String.fromCodePoint(readLetter(letters));
  return text(value);
}

function readClass(letters: Letters): Expression {
  const isNegated = letters.take("^");
  const ranges: LetterRange[] = [];
  while (!letters.take("]")) {
    const first = readLetter(letters);
    const isRange = letters.isAt("-") && letters.peek(1) !== "]";
    if (isRange) letters.next();
    ranges.push([first, isRange ? readLetter(letters) : first]);
  }
  return letterClass(letters, ranges, isNegated);
}

function readLetter(letters: Letters): number {
  const letter = letters.next();
  if (letter !== "\\") return letters.letterOf(letter.codePointAt(0)!);
  const escape = letters.next();
  const digits = HEX_DIGITS[escape];
  if (digits !== undefined) return letters.hexLetter(digits);
  const known = ESCAPES[escape];
  if (known !== undefined) return known;
  if (/[a-zA-Z0-9]/.test(escape)) {
    throw letters.fault(`\\${escape} is no escape`, "\\n, \\r, \\t, \\x41, \\u0041");
  }
  return letters.letterOf(escape.codePointAt(0)!);
}

function skipSpace(letters: Letters): void {
  for (;;) {
    letters.while(/\s/);
    if (!letters.take("#")) return;
    letters.while(/[^\n]/);
  }
}
