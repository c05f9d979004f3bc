/**
 * The grammar of JSON texts that fit a schema.
 *
 * @module
 */
import {
  choice,
  DIGIT,
  type Expression,
  type Grammar,
  HEX_DIGIT,
  letter,
  letterBut,
  oneOf,
  repeat,
  rule,
  sequence,
  text,
} from "./grammar_rules.ts";
import { LAST_LETTER, type LetterRange } from "./letter_set.ts";
import type { Property, ReadSchema, SchemaNode } from "./json_schema.ts";
import { numbersWithin } from "./number_grammar.ts";
import { StringWriter } from "./string_grammar.ts";
import type { AnswerForm } from "../types.ts";

/** Digits of a number's parts: a model that has begun to count goes on, and doubles hold no more. */
const MAX_DIGITS = 15;
/** References from one to the next. */
const MAX_REFERENCES = 32;
/** Spaces at the beginning of a line. */
const MAX_INDENT = 20;
/**
 * Beginnings of names that further names are told apart by, in an object and in all. Each takes 6 ms of preparing with
 * 49,152 tokens, because nearly every token may come there.
 */
const MAX_BEGINNINGS = 32;
const MAX_BEGINNINGS_IN_ALL = 96;

const CONTROL: LetterRange = [0, 0x1f];
const QUOTE: LetterRange = [0x22, 0x22];
const BACKSLASH: LetterRange = [0x5c, 0x5c];
const FIRST_DIGIT = letter([0x31, 0x39]);

const ESCAPE = sequence(text("\\"), choice(oneOf('"\\/bfnrt'), sequence(text("u"), repeat(HEX_DIGIT, 4, 4))));
const SPACE = rule("space");
const integer = sequence(
  repeat(text("-"), 0, 1),
  choice(text("0"), sequence(FIRST_DIGIT, repeat(DIGIT, 0, MAX_DIGITS - 1))),
);

/** A text between quotes; (plain | escape)* would be the same, and a mask takes 40 ms instead of 0.1. */
const quoted = (quote: string, escape: Expression) => quotedBut(quote, escape);

/** The same without further letters, except as escapes. */
function quotedBut(quote: string, escape: Expression, ...others: readonly LetterRange[]): Expression {
  const code = quote.charCodeAt(0);
  const plain = repeat(letterBut(CONTROL, [code, code], BACKSLASH, ...others), 0);
  return sequence(text(quote), plain, repeat(sequence(escape, plain), 0), text(quote));
}

/** Rules that schemas refer to. Spaces are few: a model may fill its answer with them. */
const JSON_RULES: ReadonlyMap<string, Expression> = new Map<string, Expression>([
  ["space", choice(text(""), text(" "), sequence(text("\n"), repeat(oneOf(" \t"), 0, MAX_INDENT)))],
  ["null", text("null")],
  ["boolean", choice(text("true"), text("false"))],
  ["integer", integer],
  [
    "number",
    sequence(
      rule("integer"),
      repeat(sequence(text("."), repeat(DIGIT, 1, MAX_DIGITS)), 0, 1),
      repeat(sequence(oneOf("eE"), repeat(oneOf("+-"), 0, 1), repeat(DIGIT, 1, 2)), 0, 1),
    ),
  ],
  ["string", quoted('"', ESCAPE)],
  ["value", choice(...["object", "array", "string", "number", "boolean", "null"].map(rule))],
  ["object", objectOf(sequence(rule("string"), text(":"), SPACE, rule("value")))],
  ["array", listOf(rule("value"), 0)],
]);

/** How values are written. */
export interface Dialect {
  readonly rules: ReadonlyMap<string, Expression>;
  /** Letters that texts have only as escapes, beside those of JSON. */
  readonly barred: readonly LetterRange[];
  /** The ways to write a value, by the one of JSON. */
  readonly literals: (json: string) => readonly string[];
}

const JSON_DIALECT: Dialect = { rules: JSON_RULES, barred: [], literals: (json) => [json] };

const PYTHON_ESCAPE = sequence(text("\\"), oneOf("\"'\\bfnrt"));
const TAG_BARRED: readonly LetterRange[] = [[0x3c, 0x3c]];
/** JSON without `<`: nothing in it may be taken for a tag. */
export const TAG_DIALECT: Dialect = {
  rules: new Map<string, Expression>([...JSON_RULES, ["string", quotedBut('"', ESCAPE, ...TAG_BARRED)]]),
  barred: TAG_BARRED,
  literals: (json) => [json.replaceAll("<", "\\u003c")],
};

/** Literals of Python, as far as python_text.ts reads the same value of them as Python does. */
export const PYTHON_DIALECT: Dialect = {
  rules: new Map<string, Expression>([
    ...JSON_RULES,
    ["null", text("None")],
    ["boolean", choice(text("True"), text("False"))],
    ["string", choice(quoted('"', PYTHON_ESCAPE), quoted("'", PYTHON_ESCAPE))],
  ]),
  barred: [],
  literals: (json) => pythonLiterals(JSON.parse(json)),
};

function pythonLiterals(value: unknown): readonly string[] {
  const usual = pythonLiteral(value);
  // texts by themselves in both kinds of quotes
  return typeof value === "string" ? [usual, inSingleQuotes(usual)] : [usual];
}

/** `"it's \\""` as `'it\\'s "'`. */
const inSingleQuotes = (text: string) =>
  `'${text.slice(1, -1).replace(/\\.|'/gs, (part) => part === "'" ? "\\'" : part === '\\"' ? '"' : part)}'`;

function pythonLiteral(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${pythonLiteral(one)}`);
  return `{${entries.join(", ")}}`;
}

function objectOf(member: Expression): Expression {
  return sequence(text("{"), SPACE, repeat(sequence(separated(member, 1), SPACE), 0, 1), text("}"));
}

function listOf(item: Expression, least: number, most?: number): Expression {
  if (most === 0) return sequence(text("["), SPACE, text("]"));
  const items = sequence(separated(item, Math.max(1, least), most), SPACE);
  return sequence(text("["), SPACE, least === 0 ? repeat(items, 0, 1) : items, text("]"));
}

/** `least` (1 or more) to `most` of them with commas between. */
export function separated(item: Expression, least: number, most?: number): Expression {
  const more = sequence(text(","), SPACE, item);
  return sequence(item, repeat(more, least - 1, most === undefined ? undefined : most - 1));
}

/** Texts that stand around JSON. */
type Around = Pick<AnswerForm & { readonly kind: "schema" }, "before" | "after" | "around">;

/** The grammar of what fits `schema`, with `before` and `after` around it, and `around` around each of its branches. */
export function schemaGrammar(
  { root, definitions }: ReadSchema,
  { before = "", after = "", around }: Around = {},
): Grammar {
  const writer = new SchemaWriter();
  const body = around === undefined || root.kind !== "choice" ? writer.value(root) : choice(
    ...root.options.map((option, i) =>
      sequence(text(around[i]?.before ?? ""), writer.value(option), text(around[i]?.after ?? ""))
    ),
  );
  writer.rules.set("root", sequence(text(before), body, text(after)));
  writer.define(definitions);
  return { root: "root", rules: writer.rules };
}

/** The grammar of any JSON object. */
export const anyObjectGrammar = (): Grammar =>
  schemaGrammar({
    root: { kind: "object", properties: [], taken: [], additional: { kind: "any" } },
    definitions: new Map(),
  });

/** Writes the rules of schemas, of one or of several whose definitions are their own. */
export class SchemaWriter {
  readonly rules: Map<string, Expression>;
  readonly #dialect: Dialect;
  readonly #strings: StringWriter;
  /** What stands before the pointers of the schema that is being written. */
  #scope = "";
  #beginningsLeft = MAX_BEGINNINGS_IN_ALL;

  constructor(dialect: Dialect = JSON_DIALECT) {
    this.#dialect = dialect;
    this.rules = new Map(dialect.rules);
    this.#strings = new StringWriter(this.rules);
  }

  /** Begins another schema. */
  begin(scope: string): void {
    this.#scope = scope;
  }

  /** The rules of what the schema refers to. */
  define(definitions: ReadSchema["definitions"]): void {
    for (const [pointer, node] of definitions) this.rules.set(this.#scope + pointer, this.value(node));
  }

  value(node: SchemaNode): Expression {
    switch (node.kind) {
      case "any":
        return rule("value");
      case "literals":
        return choice(...node.texts.flatMap((json) => this.#dialect.literals(json).map(text)));
      case "scalar":
        return rule(node.type);
      case "array":
        return this.#array(node);
      case "counted":
        return this.#strings.counted(node.length);
      case "text":
        return this.#strings.through(node.places);
      case "range":
        return numbersWithin(node.range, this.rules) ?? rule("number");
      case "choice":
        return choice(...node.options.map((option) => this.value(option)));
      case "ref":
        return rule(this.#scope + node.pointer);
      case "object":
        return this.#object(node);
    }
  }

  /** A rule of its own for what is used several times. */
  named(body: Expression): Expression {
    if (body.kind === "rule") return body;
    const name = `part ${this.rules.size}`;
    this.rules.set(name, body);
    return rule(name);
  }

  #array({ first, items, least, most }: SchemaNode & { readonly kind: "array" }): Expression {
    const further = items && this.named(this.value(items));
    if (first.length === 0) return listOf(further ?? rule("value"), least, further === undefined ? 0 : most);
    const comma = sequence(text(","), SPACE);
    const count = first.length;
    // what follows the items that have places, from the last one on
    let rest: Expression = further === undefined ? SPACE : sequence(
      repeat(sequence(comma, further), Math.max(0, least - count), most === undefined ? most : most - count),
      SPACE,
    );
    for (let i = count - 1; i >= 0; i--) {
      const item = this.value(first[i]!);
      const taken = i === 0 ? sequence(item, this.named(rest)) : sequence(comma, item, this.named(rest));
      rest = i >= least ? choice(i === 0 ? text("") : SPACE, taken) : taken;
    }
    return sequence(text("["), SPACE, rest, text("]"));
  }

  #object({ properties, taken, additional, count }: SchemaNode & { readonly kind: "object" }): Expression {
    if (count !== undefined && additional !== undefined) {
      const member = this.named(sequence(rule("string"), text(":"), SPACE, this.value(additional)));
      const { least, most } = count;
      if (most === 0) return sequence(text("{"), SPACE, text("}"));
      const members = sequence(separated(member, Math.max(1, least), most), SPACE);
      return sequence(text("{"), SPACE, least === 0 ? repeat(members, 0, 1) : members, text("}"));
    }
    if (properties.length === 0 && taken.length === 0) {
      if (additional === undefined) return sequence(text("{"), SPACE, text("}"));
      if (additional.kind === "any") return rule("object");
    }
    const further = additional && this.named(
      sequence(this.#otherName(taken), text(":"), SPACE, this.value(additional)),
    );
    const key = ({ name }: Property) =>
      sequence(text(`${this.#dialect.literals(JSON.stringify(name))[0]}:`), SPACE);
    return sequence(text("{"), SPACE, this.members(properties, key, further), text("}"));
  }

  /** Members in the order of their schema; those that are not required may be left out. */
  members(
    properties: readonly Property[],
    key: (property: Property) => Expression,
    further?: Expression,
  ): Expression {
    const members = properties.map((property) =>
      this.named(sequence(key(property), this.value(property.value)))
    );
    const comma = sequence(text(","), SPACE);
    // behind[i]: what may follow, from property i on, where something came before
    let behind = further === undefined ? SPACE : sequence(repeat(sequence(comma, further), 0), SPACE);
    const first: Expression[] = further === undefined ? [] : [sequence(further, behind)];
    let canBeEmpty = true;
    for (let i = properties.length - 1; i >= 0; i--) {
      behind = this.named(behind);
      const member = members[i]!;
      if (properties[i]!.isRequired) {
        first.length = 0;
        canBeEmpty = false;
      }
      first.unshift(sequence(member, behind));
      const taken = sequence(comma, member, behind);
      behind = properties[i]!.isRequired ? taken : choice(taken, behind);
    }
    return canBeEmpty ? choice(...first, text("")) : choice(...first);
  }

  /** The name of a further property: none of `taken`, and without escapes, which could spell one of them. */
  #otherName(taken: readonly string[]): Expression {
    if (taken.length === 0) return rule("string");
    if (!this.rules.has("name rest")) {
      this.rules.set("name rest", sequence(repeat(this.#plainBut(), 0), text('"')));
    }
    const most = Math.max(1, Math.min(MAX_BEGINNINGS, this.#beginningsLeft));
    const { tree, count } = beginningsOf(taken, most);
    this.#beginningsLeft -= count;
    return sequence(text('"'), this.#otherThan(tree));
  }

  /** A letter that needs no escape, but these. */
  #plainBut(...others: readonly LetterRange[]): Expression {
    return letterBut(CONTROL, QUOTE, BACKSLASH, ...this.#dialect.barred, ...others);
  }

  #otherThan({ isName, next }: Beginning): Expression {
    const codes = [...next.keys()].map((letter) => letter.codePointAt(0)!);
    const letters = codes.map((code): LetterRange => [code, code]);
    // some letters beyond ASCII cannot be left out (letter_set.ts), so all of them are
    if (codes.some((code) => code > 0x7f)) letters.push([0x80, LAST_LETTER]);
    const options = [sequence(this.#plainBut(...letters), rule("name rest"))];
    if (!isName) options.push(text('"'));
    for (const [letter, longer] of next) {
      // a name that needs an escape cannot be spelt here
      if (longer === undefined || letter < " " || letter === '"' || letter === "\\") continue;
      if (
        this.#dialect.barred.some(([first, last]) =>
          first <= letter.codePointAt(0)! && letter.codePointAt(0)! <= last
        )
      ) {
        continue;
      }
      options.push(sequence(text(letter), this.named(this.#otherThan(longer))));
    }
    return choice(...options);
  }
}

/** What names begin with. */
interface Beginning {
  isName: boolean;
  /** By the letter that follows; nothing else may follow one that is not looked into. */
  readonly next: Map<string, Beginning | undefined>;
}

/** The shortest beginnings of names, `most` at most. */
function beginningsOf(names: readonly string[], most: number): { tree: Beginning; count: number } {
  const tree: Beginning = { isName: false, next: new Map() };
  let count = 1;
  let longer = names.map((name) => ({ letters: [...name], at: tree }));
  for (let length = 0; longer.length > 0; length++) {
    longer = longer.flatMap(({ letters, at }) => {
      const letter = letters[length];
      if (letter === undefined) {
        at.isName = true;
        return [];
      }
      if (!at.next.has(letter)) {
        at.next.set(letter, count++ < most ? { isName: false, next: new Map() } : undefined);
      }
      const next = at.next.get(letter);
      return next === undefined ? [] : [{ letters, at: next }];
    });
  }
  return { tree, count: Math.min(count, most) };
}

/** Where references lead to; `undefined` where they lead in a circle. */
export function followed(node: SchemaNode, { definitions }: ReadSchema): SchemaNode | undefined {
  let found: SchemaNode | undefined = node;
  for (let i = 0; i < MAX_REFERENCES && found?.kind === "ref"; i++) found = definitions.get(found.pointer);
  return found?.kind === "ref" ? undefined : found;
}

/** The object that a schema of arguments is; `undefined` where it lists none and lets any through. */
export function argumentsOf(schema: ReadSchema): (SchemaNode & { readonly kind: "object" }) | undefined {
  const node = followed(schema.root, schema);
  if (node?.kind !== "object") return undefined;
  return node.properties.length === 0 && node.additional !== undefined ? undefined : node;
}
