/**
 * Strings and numbers of JSON schemas.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { JsonObject } from "../../model/json_file.ts";
import type { Expression } from "./grammar_rules.ts";
import { type Bound, decimalOf, type NumberRange, numbersWithin, wholeEnds } from "./number_grammar.ts";
import { readRegex, readSearch } from "./regex_grammar.ts";
import { schemaFault as fault } from "./schema_places.ts";
import { TEXT_FORMATS } from "./text_formats.ts";
import { MAX_WORK, type TextLength, type TextPlace, textPlaces } from "./text_places.ts";

/** What a schema says of a value that holds no others. */
export type ScalarNode =
  | { readonly kind: "scalar"; readonly type: "null" | "boolean" | "integer" | "number" | "string" }
  /** A string of some length. */
  | { readonly kind: "counted"; readonly length: TextLength }
  /** A string of which each letter is told. */
  | { readonly kind: "text"; readonly places: readonly TextPlace[] }
  | { readonly kind: "range"; readonly range: NumberRange };

/** Letters of a string that are counted. */
const MAX_LENGTH = 100_000;
/** Letters that must come, at least. */
const MAX_LEAST = 10_000;
/** Numbers whose multiples are told by a rule for each rest and each digit; times a power of ten. */
const MAX_STEP = 32;
/** What OpenAPI says of how a number is stored. */
const NUMBER_FORMATS: ReadonlySet<unknown> = new Set(["int64", "float", "double", "decimal"]);
const INT32 = { least: -(2 ** 31), most: 2 ** 31 - 1 };

/** The texts of a schema that are read already, and the work that is left for others. */
export interface KnownTexts {
  readonly places: Map<string, readonly TextPlace[]>;
  readonly budget: { nodes: number };
}

/** None yet. */
export const noTexts = (): KnownTexts => ({ places: new Map(), budget: { nodes: MAX_WORK } });

/** What is said of a string. Throws `NodeError` `usage`. */
export function readText(schema: JsonObject, path: string, known: KnownTexts): ScalarNode {
  const { pattern } = schema;
  const least = lengthAt(schema, "minLength", path) ?? 0;
  const most = lengthAt(schema, "maxLength", path);
  if (most !== undefined && most < least) {
    throw fault(`"maxLength" at ${path} is ${most}, below "minLength"`, `${least} or more`);
  }
  if (least > MAX_LEAST) throw fault(`"minLength" at ${path} is ${least}`, `at most ${MAX_LEAST}`);
  const length = { least, ...(most === undefined ? {} : { most }) };
  const key = JSON.stringify([pattern, schema["format"], least, most]);
  const same = known.places.get(key);
  if (same !== undefined) return { kind: "text", places: same };
  const wholes = at(path, "pattern", () => patternsOf(pattern, path));
  const format = formatOf(schema, path);
  if (format !== undefined) wholes.push(format);
  if (wholes.length > 0) {
    const keyword = pattern === undefined ? "format" : "pattern";
    const places = at(path, keyword, () => textPlaces(wholes, length, known.budget));
    known.places.set(key, places);
    return { kind: "text", places };
  }
  return least === 0 && most === undefined ? { kind: "scalar", type: "string" } : { kind: "counted", length };
}

/** What is said of a number. Throws `NodeError` `usage`. */
export function readNumber(schema: JsonObject, type: "integer" | "number", path: string): ScalarNode {
  const step = stepOf(schema, path);
  const least = boundOf(schema, "minimum", path);
  const most = boundOf(schema, "maximum", path);
  const isInt32 = numberFormatOf(schema, path) === "int32";
  const range: NumberRange = {
    // multiples of whole numbers are whole
    isWhole: type === "integer" || step !== undefined || isInt32,
    ...(least && { least }),
    ...(most && { most }),
    ...(step !== undefined && { step }),
  };
  const within = isInt32 ? within32(range) : range;
  if (within.least === undefined && within.most === undefined && step === undefined) {
    return { kind: "scalar", type };
  }
  if (numbersWithin(within, new Map()) === undefined) {
    throw fault(`no number fits at ${path}`, "one that does");
  }
  return { kind: "range", range: within };
}

/** Whether values fit what is said of strings and numbers. Throws `NodeError` `usage`. */
export function readFitting(
  schema: JsonObject,
  path: string,
  known: KnownTexts,
): (value: unknown) => boolean {
  const isAbout = (...keywords: string[]) => keywords.some((keyword) => keyword in schema);
  const text = isAbout("minLength", "maxLength", "pattern", "format")
    ? readText(schema, path, known)
    : undefined;
  const number = isAbout("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf");
  if (number) readNumber(schema, "number", path);
  return (value) => {
    if (typeof value === "string" && text !== undefined) return fitsText(value, text);
    return typeof value !== "number" || !number || fitsNumber(value, schema);
  };
}

function fitsText(value: string, node: ScalarNode): boolean {
  if (node.kind === "counted") {
    const count = [...value].length;
    return count >= node.length.least && count <= (node.length.most ?? count);
  }
  if (node.kind !== "text") return true;
  let place = node.places[0];
  for (const letter of value) {
    const code = letter.codePointAt(0)!;
    const way = place?.next.find(({ ranges }) =>
      ranges.some(([first, last]) => first <= code && code <= last)
    );
    place = way && node.places[way.to];
  }
  return place?.isEnd === true;
}

function fitsNumber(value: number, schema: JsonObject): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const isLow = (bound: unknown, isExclusive: boolean) =>
    typeof bound === "number" && (isExclusive ? value <= bound : value < bound);
  const isHigh = (bound: unknown, isExclusive: boolean) =>
    typeof bound === "number" && (isExclusive ? value >= bound : value > bound);
  return !isLow(minimum, exclusiveMinimum === true) && !isLow(exclusiveMinimum, true) &&
    !isHigh(maximum, exclusiveMaximum === true) && !isHigh(exclusiveMaximum, true) &&
    (typeof multipleOf !== "number" || value % multipleOf === 0);
}

/** Tells where what cannot be kept stands. */
function at<T>(path: string, keyword: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof NodeError) || error.code !== "usage") throw error;
    const { message } = error;
    if (message.startsWith("Cannot keep the JSON schema")) throw error;
    const [what = message, wanted = "another one"] = message.replace(/^[^:]*: /, "").split(", wanted ");
    throw fault(`"${keyword}" at ${path}: ${what}`, wanted);
  }
}

function patternsOf(pattern: unknown, path: string): Expression[] {
  // several hold together where schemas do
  return [pattern ?? []].flat().map((one: unknown) => {
    if (typeof one !== "string") throw fault(`"pattern" at ${path} is no text`, "a regular expression");
    return readSearch(one);
  });
}

function formatOf({ format }: JsonObject, path: string): Expression | undefined {
  if (format === undefined || NUMBER_FORMATS.has(format) || format === "int32") return undefined;
  if (typeof format !== "string" || !TEXT_FORMATS.has(format)) {
    throw fault(
      `"format" at ${path} is ${JSON.stringify(format)?.slice(0, 100)}`,
      `${[...TEXT_FORMATS.keys()].join(", ")}`,
    );
  }
  const whole = TEXT_FORMATS.get(format);
  return whole === undefined ? undefined : readRegex(whole).rules.get("root");
}

function numberFormatOf({ format }: JsonObject, path: string): unknown {
  const isKnown = format === undefined || NUMBER_FORMATS.has(format) || format === "int32" ||
    (typeof format === "string" && TEXT_FORMATS.has(format));
  if (isKnown) return format;
  throw fault(
    `"format" at ${path} is ${JSON.stringify(format)?.slice(0, 100)}`,
    "int32, int64, float, double",
  );
}

function lengthAt(schema: JsonObject, keyword: string, path: string): number | undefined {
  const length = schema[keyword];
  if (length === undefined) return undefined;
  if (typeof length !== "number" || !Number.isInteger(length) || length < 0) {
    throw fault(
      `"${keyword}" at ${path} is ${JSON.stringify(length)?.slice(0, 100)}`,
      "a whole number, 0 or more",
    );
  }
  if (length <= MAX_LENGTH) return length;
  throw fault(`"${keyword}" at ${path} is ${length}`, `at most ${MAX_LENGTH}`);
}

function boundOf(schema: JsonObject, keyword: "minimum" | "maximum", path: string): Bound | undefined {
  const exclusive = keyword === "minimum" ? "exclusiveMinimum" : "exclusiveMaximum";
  const value = schema[keyword];
  const beyond = schema[exclusive];
  // before draft 6 it says how the other one is meant
  if (typeof beyond === "boolean") {
    return value === undefined ? undefined : bound(value, beyond, keyword, path);
  }
  const inner = value === undefined ? undefined : bound(value, false, keyword, path);
  const outer = beyond === undefined ? undefined : bound(beyond, true, exclusive, path);
  if (inner === undefined || outer === undefined) return inner ?? outer;
  const isOuter = keyword === "minimum" ? Number(beyond) >= Number(value) : Number(beyond) <= Number(value);
  return isOuter ? outer : inner;
}

function bound(value: unknown, isExclusive: boolean, keyword: string, path: string): Bound {
  const decimal = typeof value === "number" ? decimalOf(value) : undefined;
  if (decimal !== undefined) return { at: decimal, isExclusive };
  throw fault(
    `"${keyword}" at ${path} is ${JSON.stringify(value)?.slice(0, 100)}`,
    "a number of at most 15 digits without an exponent",
  );
}

function stepOf({ multipleOf }: JsonObject, path: string): bigint | undefined {
  if (multipleOf === undefined) return undefined;
  let step = Number.isSafeInteger(multipleOf) ? Number(multipleOf) : 0;
  while (step > 0 && step % 10 === 0) step /= 10;
  if (step >= 1 && step <= MAX_STEP) return BigInt(multipleOf as number);
  throw fault(
    `"multipleOf" at ${path} is ${JSON.stringify(multipleOf)?.slice(0, 100)}`,
    `1 to ${MAX_STEP}, or one of them times 10, 100 and so on`,
  );
}

function within32(range: NumberRange): NumberRange {
  const { first, last } = wholeEnds(range);
  const least = Math.max(Number(first), INT32.least), most = Math.min(Number(last), INT32.most);
  return {
    ...range,
    least: { at: decimalOf(least)!, isExclusive: false },
    most: { at: decimalOf(most)!, isExclusive: false },
  };
}
