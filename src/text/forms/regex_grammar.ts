/**
 * Regular expressions as grammars.
 *
 * @module
 */
import {
  choice,
  type Expression,
  type Grammar,
  letter,
  letterBut,
  repeat,
  sequence,
  text,
} from "./grammar_rules.ts";
import { LAST_LETTER, type LetterRange, otherLetters } from "./letter_set.ts";
import { letterClass, Letters, readOptions } from "./letters.ts";

const DIGITS: readonly LetterRange[] = [[0x30, 0x39]];
const WORD: readonly LetterRange[] = [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** What `\s` is in ECMAScript. */
const SPACES: readonly LetterRange[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
/** What `\S` leaves out: all letters beyond ASCII, or few, can be kept (letter_set.ts). */
const ASCII_SPACES = SPACES.slice(0, 2);
/** What `.` leaves out. ECMAScript leaves out U+2028 and U+2029 too, which cannot be kept. */
const LINE_ENDS: readonly LetterRange[] = [[0x0a, 0x0a], [0x0d, 0x0d]];
const CLASSES: Readonly<Record<string, readonly LetterRange[]>> = {
  d: DIGITS,
  D: otherLetters(DIGITS),
  w: WORD,
  W: otherLetters(WORD),
  s: SPACES,
  S: otherLetters(ASCII_SPACES),
};
const ESCAPES: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b };

/**
 * Texts that match `pattern` as a whole, by the rules of ECMAScript. Throws `NodeError` `usage` with the place of what is
 * wrong, or cannot be kept: looking around, word boundaries, references back, `\p`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readRegex("^[a-c]+$").rules.get("root")?.kind, "repeat");
 * ```
 */
export function readRegex(pattern: string): Grammar {
  const letters = new Letters(pattern, "regular expression");
  const root = readChoice(letters);
  if (!letters.isOver) throw letters.fault('")" closes nothing', "a group");
  return { root: "root", rules: new Map([["root", root]]) };
}

/** Any text. */
const ANYTHING: Expression = repeat(letter([0, LAST_LETTER]), 0);

/**
 * Whole texts in which `pattern` is found somewhere, unless `^` and `$` say where: what `pattern` means in a JSON schema.
 * Throws as {@linkcode readRegex} does.
 */
export function readSearch(pattern: string): Expression {
  const letters = new Letters(pattern, "regular expression");
  const options: Expression[] = [];
  do {
    const isBeginning = letters.take("^");
    const parts = readParts(letters);
    const isEnd = letters.take("$");
    options.push(sequence(...isBeginning ? [] : [ANYTHING], ...parts, ...isEnd ? [] : [ANYTHING]));
  } while (letters.take("|"));
  if (letters.isAt("$")) throw misplaced(letters);
  if (!letters.isOver) throw letters.fault(`"${letters.peek()}" closes nothing`, "a group");
  return options.length === 1 ? options[0]! : choice(...options);
}

/** Elements up to an end, a `|` or a `$`. */
function readParts(letters: Letters): readonly Expression[] {
  const parts: Expression[] = [];
  while (!letters.isOver && !letters.isAt("|") && !letters.isAt(")") && !letters.isAt("$")) {
    parts.push(readRepeats(letters, readElement(letters)));
  }
  return parts;
}

const readChoice = (letters: Letters): Expression => readOptions(letters, () => readSequence(letters));

function readSequence(letters: Letters): Expression {
  // the whole text matches: what says so is not needed, at its ends
  if (letters.at === 0) letters.take("^");
  const parts = readParts(letters);
  if (letters.isAt("$") && letters.peek(1) !== "") throw misplaced(letters);
  letters.take("$");
  return parts.length === 1 ? parts[0]! : sequence(...parts);
}

/** The failure of a `^` or `$` that is not at an end. */
const misplaced = (letters: Letters) =>
  letters.fault(`"${letters.peek()}" stands within it`, "it at the ends only");

function readElement(letters: Letters): Expression {
  if (letters.take("(")) return readGroup(letters);
  if (letters.take("[")) return readClass(letters);
  if (letters.take(".")) return letterBut(...LINE_ENDS);
  if (letters.isAt("^")) throw misplaced(letters);
  if (/[*+?{}\]]/.test(letters.peek())) {
    throw letters.fault(
      `"${letters.peek()}" has nothing to repeat`,
      `\\${letters.peek()} for the letter itself`,
    );
  }
  if (letters.isAt("\\")) {
    const escaped = readEscape(letters);
    return typeof escaped === "number" ? text(String.fromCodePoint(escaped)) : letter(...escaped);
  }
  return text(String.fromCodePoint(letters.letterOf(letters.next().codePointAt(0)!)));
}

function readGroup(letters: Letters): Expression {
  if (letters.take("?")) {
    const isNamed = letters.isAt("<") && /[A-Za-z_$]/.test(letters.peek(1));
    if (isNamed) {
      letters.next();
      letters.while(/[A-Za-z0-9_$]/);
      if (!letters.take(">")) throw letters.fault("a name is not closed", ">");
    } else if (!letters.take(":")) {
      throw letters.fault(
        `a group of kind "(?${letters.peek()}" is not supported`,
        "(…), (?:…) or (?<name>…)",
      );
    }
  }
  const inside = letters.group(() => readChoice(letters));
  if (!letters.take(")")) throw letters.fault("a group is not closed", ")");
  return inside;
}

function readRepeats(letters: Letters, part: Expression): Expression {
  const counts = letters.take("*")
    ? { least: 0, most: undefined }
    : letters.take("+")
    ? { least: 1, most: undefined }
    : letters.take("?")
    ? { least: 0, most: 1 }
    : letters.counts();
  if (counts === undefined) return part;
  // how eager it is changes nothing of which texts match
  letters.take("?");
  if (/[*+?{]/.test(letters.peek())) throw letters.fault("an element is repeated twice", "once");
  return repeat(part, counts.least, counts.most);
}

function readClass(letters: Letters): Expression {
  const isNegated = letters.take("^");
  const ranges: LetterRange[] = [];
  while (!letters.take("]")) {
    const first = readClassLetter(letters, isNegated);
    const isRange = typeof first === "number" && letters.isAt("-") && letters.peek(1) !== "]";
    if (!isRange) {
      ranges.push(...typeof first === "number" ? [[first, first] as const] : first);
      continue;
    }
    letters.next();
    const last = readClassLetter(letters, isNegated);
    if (typeof last !== "number") throw letters.fault("a range ends in a class", "a letter");
    ranges.push([first, last]);
  }
  return letterClass(letters, ranges, isNegated);
}

function readClassLetter(letters: Letters, isNegated: boolean): number | readonly LetterRange[] {
  if (isNegated && letters.take("\\s")) return ASCII_SPACES;
  if (letters.take("\\b")) return 0x08;
  return letters.isAt("\\") ? readEscape(letters) : letters.letterOf(letters.next().codePointAt(0)!);
}

function readEscape(letters: Letters): number | readonly LetterRange[] {
  letters.next();
  const escape = letters.next();
  const known = CLASSES[escape] ?? ESCAPES[escape];
  if (known !== undefined) return known;
  if (escape === "x") return letters.hexLetter(2);
  if (escape === "u") {
    if (!letters.take("{")) return letters.hexLetter(4);
    const digits = letters.while(/[0-9a-fA-F]/);
    if (!letters.take("}") || digits.length > 8) throw letters.fault("a code is not closed", "\\u{1F600}");
    return letters.letterOf(parseInt(digits, 16));
  }
  if (/[A-Za-z0-9]/.test(escape)) {
    throw letters.fault(`\\${escape} is not supported`, "\\d, \\w, \\s, \\n, \\t, \\x41 or \\u0041");
  }
  return letters.letterOf(escape.codePointAt(0)!);
}
