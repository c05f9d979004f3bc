/**
 * Grammars as trees: what schemas, GBNF and regular expressions come down to, and the checks that all of them must pass.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { type LetterRange, letterSet } from "./letter_set.ts";

/** What a part of a text looks like. */
export type Expression =
  | { readonly kind: "text"; readonly text: string }
  /** One letter within `ranges`, or outside of all of them. */
  | { readonly kind: "letter"; readonly ranges: readonly LetterRange[]; readonly isNegated: boolean }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "sequence"; readonly parts: readonly Expression[] }
  | { readonly kind: "choice"; readonly options: readonly Expression[] }
  | { readonly kind: "repeat"; readonly of: Expression; readonly least: number; readonly most?: number };

/** Rules by name. */
export interface Grammar {
  readonly root: string;
  readonly rules: ReadonlyMap<string, Expression>;
}

/** Letters, classes and repetitions of a grammar: preparing 20,000 takes up to 2 seconds with 49,152 tokens. */
const MAX_WEIGHT = 20_000;
/** Repetitions that are counted. */
const MAX_REPEAT = 2000;
/** Groups within groups. */
const MAX_DEPTH = 64;
/** Parts in a row that may all be left out: with 500 of them one mask takes minutes. */
const MAX_OPTIONAL_RUN = 40;

/** The text itself. */
export const text = (text: string): Expression => ({ kind: "text", text });
/** One letter within `ranges`. */
export const letter = (...ranges: readonly LetterRange[]): Expression => ({
  kind: "letter",
  ranges,
  isNegated: false,
});
/** One letter that is in none of `ranges`. */
export const letterBut = (...ranges: readonly LetterRange[]): Expression => ({
  kind: "letter",
  ranges,
  isNegated: true,
});
/** One of these letters. */
export const oneOf = (letters: string): Expression =>
  letter(...[...letters].map((one): LetterRange => [one.codePointAt(0)!, one.codePointAt(0)!]));
/** A decimal digit, and a hexadecimal one. */
export const DIGIT: Expression = letter([0x30, 0x39]);
/** See {@linkcode DIGIT}. */
export const HEX_DIGIT: Expression = letter([0x30, 0x39], [0x41, 0x46], [0x61, 0x66]);
/** What the rule of that name says. */
export const rule = (name: string): Expression => ({ kind: "rule", name });
/** All parts, one behind the other. */
export const sequence = (...parts: readonly Expression[]): Expression => ({ kind: "sequence", parts });
/** One of them. */
export const choice = (...options: readonly Expression[]): Expression => ({ kind: "choice", options });
/** `least` to `most` times, or more without `most`. */
export const repeat = (of: Expression, least: number, most?: number): Expression => ({
  kind: "repeat",
  of,
  least,
  ...(most === undefined ? {} : { most }),
});

/** The failure of a grammar that a caller gave. */
export const grammarFault = (what: string, wanted: string): NodeError =>
  new NodeError("usage", `Cannot keep the form: ${what}, wanted ${wanted}`);

/**
 * Holds a grammar to what can be kept: rules that exist, that are not left-recursive and that end, within limits.
 * Throws `NodeError` `usage`.
 */
export function checkGrammar({ root, rules }: Grammar): void {
  if (!rules.has(root)) throw grammarFault(`there is no rule "${root}"`, `"${root} ::= …"`);
  let weight = 0;
  for (const [name, body] of rules) weight += weigh(body, { name, rules, depth: 0 });
  if (weight > MAX_WEIGHT) {
    throw grammarFault(`it has ${weight} letters and repetitions`, `at most ${MAX_WEIGHT}`);
  }
  const nullable = rulesThat(rules, (body, known) => isNullable(body, known));
  checkLeftRecursion(rules, nullable);
  const ending = rulesThat(rules, (body, known) => canEnd(body, known));
  for (const name of rules.keys()) {
    if (!ending.has(name)) throw grammarFault(`rule "${name}" never ends`, "one with an end");
  }
  for (const [name, body] of rules) {
    if (optionalRun(body, nullable) > MAX_OPTIONAL_RUN) {
      throw grammarFault(
        `rule "${name}" has more than ${MAX_OPTIONAL_RUN} parts in a row that may be left out`,
        "fewer",
      );
    }
  }
}

interface Place {
  readonly name: string;
  readonly rules: ReadonlyMap<string, Expression>;
  readonly depth: number;
}

function weigh(body: Expression, place: Place): number {
  if (place.depth > MAX_DEPTH) {
    throw grammarFault(`rule "${place.name}" has groups ${MAX_DEPTH} deep`, "fewer");
  }
  const within = (part: Expression) => weigh(part, { ...place, depth: place.depth + 1 });
  switch (body.kind) {
    case "text":
      if (body.text.includes("\0")) throw grammarFault(`rule "${place.name}" has the letter 0`, "others");
      return 1 + body.text.length;
    case "letter":
      return weighLetters(body, place);
    case "rule":
      if (place.rules.has(body.name)) return 1;
      throw grammarFault(`rule "${place.name}" names "${body.name}", which is not there`, "rules that are");
    case "sequence":
      return body.parts.reduce((sum, part) => sum + within(part), 1);
    case "choice":
      return body.options.reduce((sum, option) => sum + within(option), 1);
    case "repeat": {
      const { least, most = least } = body;
      if (most < least) {
        throw grammarFault(`rule "${place.name}" repeats ${least} to ${most} times`, "a range that goes up");
      }
      if (most > MAX_REPEAT) {
        throw grammarFault(
          `rule "${place.name}" repeats ${most} times`,
          `at most ${MAX_REPEAT}, or any number`,
        );
      }
      return within(body.of) + most + 1;
    }
  }
}

function weighLetters({ ranges, isNegated }: Expression & { readonly kind: "letter" }, { name }: Place) {
  const set = letterSet(ranges, isNegated);
  const { ascii = [], others = [] } = set ?? {};
  if (set === undefined || (ascii.length === 0 && others.length === 0)) {
    throw grammarFault(
      `rule "${name}" has a class of letters that ${
        set === undefined ? "holds some of very many letters beyond ASCII" : "is empty"
      }`,
      "letters of ASCII, and few of the others or all of them",
    );
  }
  return 1 + ascii.length + 3 * others.length;
}

/** Rules of which something holds that follows from the rules they name. */
function rulesThat(
  rules: Grammar["rules"],
  holds: (body: Expression, known: ReadonlySet<string>) => boolean,
): ReadonlySet<string> {
  const users = new Map<string, string[]>();
  for (const [name, body] of rules) {
    for (const used of namedIn(body)) users.set(used, [...users.get(used) ?? [], name]);
  }
  const known = new Set<string>();
  const left = [...rules.keys()];
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (known.has(name) || !holds(rules.get(name)!, known)) continue;
    known.add(name);
    left.push(...users.get(name) ?? []);
  }
  return known;
}

function namedIn(body: Expression, found = new Set<string>()): Set<string> {
  if (body.kind === "rule") found.add(body.name);
  for (const part of partsOf(body)) namedIn(part, found);
  return found;
}

function partsOf(body: Expression): readonly Expression[] {
  if (body.kind === "sequence") return body.parts;
  if (body.kind === "choice") return body.options;
  return body.kind === "repeat" ? [body.of] : [];
}

function isNullable(body: Expression, known: ReadonlySet<string>): boolean {
  switch (body.kind) {
    case "text":
      return body.text === "";
    case "letter":
      return false;
    case "rule":
      return known.has(body.name);
    case "sequence":
      return body.parts.every((part) => isNullable(part, known));
    case "choice":
      return body.options.some((option) => isNullable(option, known));
    case "repeat":
      return body.least === 0 || isNullable(body.of, known);
  }
}

function canEnd(body: Expression, known: ReadonlySet<string>): boolean {
  switch (body.kind) {
    case "text":
    case "letter":
      return true;
    case "rule":
      return known.has(body.name);
    case "sequence":
      return body.parts.every((part) => canEnd(part, known));
    case "choice":
      return body.options.some((option) => canEnd(option, known));
    case "repeat":
      return body.least === 0 || canEnd(body.of, known);
  }
}

/** Rules that may stand at the very beginning of `body`. */
function firstRules(body: Expression, nullable: ReadonlySet<string>, found: Set<string>): void {
  if (body.kind === "rule") found.add(body.name);
  for (const part of partsOf(body)) {
    firstRules(part, nullable, found);
    if (body.kind === "sequence" && !isNullable(part, nullable)) return;
  }
}

function checkLeftRecursion(rules: Grammar["rules"], nullable: ReadonlySet<string>): void {
  const first = new Map<string, readonly string[]>();
  for (const [name, body] of rules) {
    const found = new Set<string>();
    firstRules(body, nullable, found);
    first.set(name, [...found]);
  }
  const done = new Set<string>();
  for (const start of rules.keys()) {
    // depth first without recursion: chains of rules may be long
    const path: { readonly name: string; next: number }[] = [{ name: start, next: 0 }];
    const onPath = new Set([start]);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const following = done.has(top.name) ? undefined : first.get(top.name)![top.next++];
      if (following === undefined) {
        done.add(top.name);
        onPath.delete(top.name);
        path.pop();
      } else if (onPath.has(following)) {
        throw grammarFault(`rule "${following}" begins with itself`, "no left recursion");
      } else if (!done.has(following)) {
        onPath.add(following);
        path.push({ name: following, next: 0 });
      }
    }
  }
}

/** The longest run of parts that may all be left out, in any sequence of `body`. */
function optionalRun(body: Expression, nullable: ReadonlySet<string>): number {
  let most = 0, run = 0;
  for (const part of partsOf(body)) {
    most = Math.max(most, optionalRun(part, nullable));
    run = body.kind === "sequence" && isNullable(part, nullable) ? run + 1 : 0;
    most = Math.max(most, run);
  }
  return most;
}
