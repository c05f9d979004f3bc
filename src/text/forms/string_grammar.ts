/**
 * The grammar of JSON strings whose letters are counted, or told one by one.
 *
 * @module
 */
import {
  choice,
  type Expression,
  HEX_DIGIT,
  letter,
  letterBut,
  oneOf,
  repeat,
  rule,
  sequence,
  text,
} from "./grammar_rules.ts";
import { LAST_LETTER, type LetterRange, otherLetters } from "./letter_set.ts";
import type { TextLength, TextPlace } from "./text_places.ts";

/**
 * Letters of a block. Each place within one takes 8 ms of preparing with 49,152 tokens, once for all strings that are
 * counted; tokens that reach beyond a block are looked at one by one whenever a mask is made. With 32 that is 0.5 s and 5
 * ms a mask, whatever the bound; a place for each of 500 letters takes 6 s, and a repetition of one letter 1 s a mask.
 */
const BLOCK = 32;
/** Letters of blocks of blocks, which make long strings few rules. */
const LARGE_BLOCK = 32 * BLOCK;

/** What stands for itself in no JSON string. */
const NOT_PLAIN: readonly LetterRange[] = [[0, 0x1f], [0x22, 0x22], [0x5c, 0x5c]];
const PLAIN = letterBut(...NOT_PLAIN);
const QUOTE = text('"');
const NAMED: Readonly<Record<number, string>> = {
  0x08: "b",
  0x09: "t",
  0x0a: "n",
  0x0c: "f",
  0x0d: "r",
  0x22: '"',
  0x5c: "\\",
};

/** One letter as an escape, two halves of it included; halves by themselves are left out. */
const ONE_ESCAPED = sequence(
  text("\\"),
  choice(
    oneOf('"\\/bfnrt'),
    sequence(
      text("u"),
      choice(
        sequence(
          letter([0x30, 0x39], [0x41, 0x43], [0x45, 0x46], [0x61, 0x63], [0x65, 0x66]),
          HEX_DIGIT,
          HEX_DIGIT,
          HEX_DIGIT,
        ),
        sequence(oneOf("Dd"), letter([0x30, 0x37]), HEX_DIGIT, HEX_DIGIT),
        sequence(
          oneOf("Dd"),
          letter([0x38, 0x39], [0x41, 0x42], [0x61, 0x62]),
          ...[HEX_DIGIT, HEX_DIGIT, text("\\u")],
          ...[oneOf("Dd"), letter([0x43, 0x46], [0x63, 0x66]), HEX_DIGIT, HEX_DIGIT],
        ),
      ),
    ),
  ),
);

/** Writes strings, sharing the rules of all that are counted. */
export class StringWriter {
  readonly #rules: Map<string, Expression>;
  readonly #automata = new Map<readonly TextPlace[], Expression>();

  constructor(rules: Map<string, Expression>) {
    this.#rules = rules;
  }

  /** Strings of that many letters (code points). */
  counted({ least, most }: TextLength): Expression {
    return sequence(QUOTE, this.#counted(least, most));
  }

  /** Strings that an automaton goes through. */
  through(places: readonly TextPlace[]): Expression {
    const known = this.#automata.get(places);
    if (known !== undefined) return known;
    const nameOf = (at: number) => `text ${this.#automata.size} ${at}`;
    for (const [at, place] of places.entries()) this.#rules.set(nameOf(at), bodyOf(place, at, nameOf));
    const whole = sequence(QUOTE, rule(nameOf(0)));
    this.#automata.set(places, whole);
    return whole;
  }

  /** What stands behind the first quote. */
  #counted(least: number, most: number | undefined): Expression {
    const first = least > LARGE_BLOCK ? LARGE_BLOCK : BLOCK;
    if (least > first) {
      return sequence(
        this.#exactly(first),
        this.#counted(least - first, most === undefined ? most : most - first),
      );
    }
    if (least > 0) {
      return this.#named(
        `letters ${least} ${most ?? "more"}`,
        () => this.#one(this.#counted(least - 1, most === undefined ? most : most - 1)),
      );
    }
    return most === undefined ? this.#any() : this.#atMost(most);
  }

  #any(): Expression {
    return this.#named("letters 0 more", () => {
      const plain = repeat(PLAIN, 0);
      return sequence(plain, repeat(sequence(this.#escaped(), plain), 0), QUOTE);
    });
  }

  #atMost(most: number): Expression {
    if (most <= BLOCK) return this.#upTo(most);
    const block = most > LARGE_BLOCK ? LARGE_BLOCK : BLOCK;
    const first = most % block || block;
    return this.#named(
      `letters 0 ${most}`,
      () => choice(this.#atMost(first - 1), sequence(this.#exactly(first), this.#atMost(most - first))),
    );
  }

  /** Up to `most` letters, and the quote. */
  #upTo(most: number): Expression {
    return this.#named(
      `letters up to ${most}`,
      () => most === 0 ? QUOTE : choice(QUOTE, this.#one(this.#upTo(most - 1))),
    );
  }

  #exactly(count: number): Expression {
    return this.#named(`${count} letters`, () => {
      if (count <= BLOCK) return this.#one(count === 1 ? text("") : this.#exactly(count - 1));
      const rest = count % BLOCK === 0 ? [] : [this.#exactly(count % BLOCK)];
      return sequence(
        ...rest,
        ...Array.from({ length: Math.floor(count / BLOCK) }, () => this.#exactly(BLOCK)),
      );
    });
  }

  /** A letter and what follows it: in one rule with it, so that tokens of several letters are known beforehand. */
  #one(then: Expression): Expression {
    return choice(sequence(PLAIN, then), sequence(this.#escaped(), then));
  }

  #escaped(): Expression {
    return this.#named("escaped letter", () => ONE_ESCAPED);
  }

  #named(name: string, body: () => Expression): Expression {
    if (!this.#rules.has(name)) this.#rules.set(name, body());
    return rule(name);
  }
}

function bodyOf({ isEnd, next }: TextPlace, at: number, nameOf: (at: number) => string): Expression {
  const options: Expression[] = isEnd ? [QUOTE] : [];
  const lead: Expression[] = [];
  for (const { ranges, to } of next) {
    const plain = plainOf(ranges);
    // what repeats by itself makes masks in 0.1 ms
    if (to === at && plain !== undefined) lead.push(repeat(plain, 0));
    else if (plain !== undefined) options.push(sequence(plain, rule(nameOf(to))));
    for (const escaped of escapesOf(ranges)) options.push(sequence(escaped, rule(nameOf(to))));
  }
  return lead.length === 0 ? choice(...options) : choice(...options.map((one) => sequence(...lead, one)));
}

/** Those of `ranges` that stand for themselves in a JSON string. */
function plainOf(ranges: readonly LetterRange[]): Expression | undefined {
  // a gap of half letters is none
  const left = otherLetters([...NOT_PLAIN, ...otherLetters(ranges)]).filter(([first]) =>
    first <= LAST_LETTER
  );
  return left.length === 0 ? undefined : letter(...left);
}

/** Those of `ranges` that stand in a JSON string as escapes. */
function escapesOf(ranges: readonly LetterRange[]): readonly Expression[] {
  const has = (code: number) => ranges.some(([first, last]) => first <= code && code <= last);
  const codes = [...Array(0x20).keys(), 0x22, 0x5c].filter(has);
  const named = codes.filter((code) => code in NAMED);
  const others = codes.filter((code) => !(code in NAMED));
  const some: Expression[] = [];
  if (named.length > 0) {
    some.push(sequence(text("\\"), oneOf(named.map((code) => NAMED[code]).join(""))));
  }
  for (const code of others) some.push(text(`\\u00${code.toString(16).padStart(2, "0")}`));
  return some;
}
