/**
 * A small part of Python's grammar: calls with literals.
 *
 * @module
 */

const NAME = /[A-Za-z_][\w.-]*/y;
const KEYWORD = /([A-Za-z_]\w*)[ \t\n]*=(?!=)/y;
const NUMBER = /[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])/y;
const WORD = /[A-Za-z_]\w*/y;
/** Words of Python, and those of JSON that models write instead. */
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["True", true],
  ["False", false],
  ["None", null],
  ["true", true],
  ["false", false],
  ["null", null],
]);
const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "0": "\0",
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
};
/** Lists and dicts within each other. */
export const MAX_DEPTH = 64;
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** A call, its arguments as they stand. */
export interface PythonCall {
  readonly name: string;
  readonly byPlace: readonly unknown[];
  readonly byName: ReadonlyMap<string, unknown>;
}

/** The value that all of a text is as a literal; `undefined` where it is none. */
export function pythonValue(text: string): unknown {
  const source = new PythonText(text);
  try {
    const value = source.value();
    return source.isOver ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A place in a Python text. All readings throw `SyntaxError` for what is anything else. */
export class PythonText {
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Whether all is read. */
  get isOver(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Whether the text goes on with that. */
  isAt(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  /** Goes behind `text` and the spaces around it where it is next. */
  take(text: string): boolean {
    this.skip(true);
    if (!this.isAt(text)) return false;
    this.#at += text.length;
    this.skip(true);
    return true;
  }

  /** Goes behind spaces, and behind `;` where statements are. */
  skip(isExpression: boolean): void {
    const passed = isExpression ? /[ \t\r\n]/ : /[ \t\r\n;]/;
    while (!this.isOver && passed.test(this.#text[this.#at]!)) this.#at++;
  }

  /** A name with arguments, those by name last. */
  call(): PythonCall {
    const name = this.#match(NAME)?.[0];
    if (name === undefined || !this.isAt("(")) throw new SyntaxError("no call");
    this.#at++;
    const byPlace: unknown[] = [];
    const byName = new Map<string, unknown>();
    this.#each(")", () => {
      const key = this.#match(KEYWORD)?.[1];
      this.skip(true);
      if (key === undefined ? byName.size > 0 : byName.has(key)) throw new SyntaxError("no such argument");
      const value = this.#value(0);
      if (key === undefined) byPlace.push(value);
      else byName.set(key, value);
    });
    return { name, byPlace, byName };
  }

  /** A literal. */
  value(): unknown {
    return this.#value(0);
  }

  #value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new SyntaxError("too deep");
    const letter = this.#text[this.#at] ?? "";
    if (letter === '"' || letter === "'") return this.#string();
    if (letter === "[") return this.#list(depth);
    if (letter === "{") return this.#dict(depth);
    const number = this.#match(NUMBER)?.[0];
    if (number !== undefined) {
      if (!Number.isFinite(Number(number))) throw new SyntaxError("no number");
      return Number(number);
    }
    const word = this.#match(WORD)?.[0] ?? "";
    if (!WORDS.has(word)) throw new SyntaxError("no value");
    return WORDS.get(word);
  }

  #list(depth: number): unknown[] {
    this.#at++;
    const list: unknown[] = [];
    this.#each("]", () => list.push(this.#value(depth + 1)));
    return list;
  }

  #dict(depth: number): Record<string, unknown> {
    this.#at++;
    const entries: [string, unknown][] = [];
    this.#each("}", () => {
      const key = this.#string();
      if (!this.take(":")) throw new SyntaxError("no value of a key");
      entries.push([key, this.#value(depth + 1)]);
    });
    return Object.fromEntries(entries);
  }

  /** Reads what stands between commas, up to `closer`; one comma may stand before it. */
  #each(closer: string, read: () => void): void {
    for (this.skip(true); !this.isAt(closer);) {
      read();
      if (!this.take(",") && !this.isAt(closer)) throw new SyntaxError("no comma");
    }
    this.#at += closer.length;
  }

  #string(): string {
    const quote = this.#text[this.#at++];
    if (quote !== '"' && quote !== "'") throw new SyntaxError("no string");
    const parts: string[] = [];
    let start = this.#at;
    for (; !this.isOver; this.#at++) {
      const letter = this.#text[this.#at];
      if (letter === "\n") break;
      if (letter !== quote && letter !== "\\") continue;
      parts.push(this.#text.slice(start, this.#at++));
      if (letter === quote) return parts.join("");
      parts.push(this.#escape());
      start = this.#at--;
    }
    throw new SyntaxError("a string without end");
  }

  /** What an escape stands for, behind its backslash. */
  #escape(): string {
    const letter = this.#text[this.#at++] ?? "";
    const known = ESCAPES[letter];
    if (known !== undefined) return known;
    const digits = HEX_DIGITS[letter];
    // Python leaves what is no escape as it is
    if (digits === undefined) return `\\${letter}`;
    const hex = this.#text.slice(this.#at, this.#at + digits);
    const code = new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(hex) ? parseInt(hex, 16) : Number.NaN;
    if (!(code <= 0x10ffff)) throw new SyntaxError("no letter");
    this.#at += digits;
    return String.fromCodePoint(code);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found;
  }
}
