/**
 * Calls of tools in tags: `<function=name>{…}</function>`, or with a tag for each argument.
 *
 * @module
 */
import { isJsonObject, type JsonObject } from "../../model/json_file.ts";
import { unmarked } from "./call_marks.ts";
import {
  type CallText,
  type FoundCall,
  isSpace,
  jsonObject,
  jsonValue,
  MAX_NAME,
  MAX_SPACES,
  type OfferedTools,
  type Verdict,
} from "./call_text.ts";
import { JsonEnd } from "../forms/json_end.ts";
import { pythonValue } from "./python_text.ts";

/** What stands before a function's name. */
export const FUNCTION_OPENER = "<function=";
/** What stands behind its arguments. */
export const FUNCTION_CLOSER = "</function>";
/** What stands before an argument's name. */
export const PARAMETER_OPENER = "<parameter=";
/** What stands behind its value. */
export const PARAMETER_CLOSER = "</parameter>";
/** What ends a value whose own closer was left out. */
const NEXT_PARAMETER = `\n${PARAMETER_OPENER}`;
const NO_MORE_PARAMETERS = `\n${FUNCTION_CLOSER}`;
const VALUE_ENDS = [PARAMETER_CLOSER, NEXT_PARAMETER, NO_MORE_PARAMETERS];
const LONGEST_END = Math.max(...VALUE_ENDS.map(({ length }) => length));
/** References from schema to schema. */
const MAX_REFERENCES = 8;

/** What is being read. */
type State = "opener" | "name" | "between" | "tag" | "value" | "json";

/**
 * A function's tag with JSON or parameters in it. The text begins behind {@linkcode FUNCTION_OPENER}, or with it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const schema = { properties: { count: { type: "integer" } } };
 * const text = new XmlCall(new Map([["add", schema]]));
 * assertEquals(text.calls("add>\n<parameter=count>\n3\n</parameter>\n</function>"), [
 *   { name: "add", given: { count: 3 } },
 * ]);
 * ```
 */
export class XmlCall implements CallText {
  readonly #tools: OfferedTools;
  #state: State;
  /** The tag or the name that is being read. */
  #word = "";
  #spaces = 0;
  /** The last letters of a value. */
  #tail = "";
  readonly #json = new JsonEnd();

  constructor(tools: OfferedTools, { hasOpener = false }: { readonly hasOpener?: boolean } = {}) {
    this.#tools = tools;
    this.#state = hasOpener ? "opener" : "name";
  }

  next(letter: string): Verdict {
    switch (this.#state) {
      case "opener":
        return this.#opener(letter);
      case "name":
        return this.#name(letter);
      case "between":
        return this.#between(letter);
      case "tag":
        return this.#tag(letter);
      case "value":
        return this.#value(letter);
      case "json":
        return this.#json.push(letter);
    }
  }

  calls(text: string): readonly FoundCall[] | undefined {
    const source = unmarked(text);
    const start = source.startsWith(FUNCTION_OPENER) ? FUNCTION_OPENER.length : 0;
    const end = source.indexOf(">", start);
    const name = source.slice(start, Math.max(start, end));
    if (end < 0 || !this.#tools.has(name)) return undefined;
    const body = source.slice(end + 1).trim();
    const given = body.startsWith("{") ? jsonObject(body) : parametersOf(body, this.#tools.get(name));
    return given === undefined ? undefined : [{ name, given }];
  }

  #opener(letter: string): Verdict {
    this.#word += letter;
    if (!FUNCTION_OPENER.startsWith(this.#word)) return "none";
    if (this.#word === FUNCTION_OPENER) this.#enter("name");
    return "more";
  }

  #name(letter: string): Verdict {
    if (letter !== ">") {
      this.#word += letter;
      return this.#word.length > MAX_NAME || isSpace(letter) ? "none" : "more";
    }
    if (!this.#tools.has(this.#word)) return "none";
    this.#enter("between");
    return "more";
  }

  #between(letter: string): Verdict {
    if (isSpace(letter)) return ++this.#spaces > MAX_SPACES ? "none" : "more";
    if (letter === "<") {
      this.#enter("tag");
      return this.#tag(letter);
    }
    if (letter !== "{") return "none";
    this.#enter("json");
    return this.#json.push(letter);
  }

  #tag(letter: string): Verdict {
    this.#word += letter;
    const word = this.#word;
    if (FUNCTION_CLOSER.startsWith(word)) return word === FUNCTION_CLOSER ? "whole" : "more";
    if (PARAMETER_OPENER.startsWith(word)) return "more";
    if (!word.startsWith(PARAMETER_OPENER) || word.length > PARAMETER_OPENER.length + MAX_NAME) return "none";
    if (letter === ">") this.#enter("value");
    return "more";
  }

  #value(letter: string): Verdict {
    const tail = (this.#tail + letter).slice(-LONGEST_END);
    this.#tail = tail;
    if (tail.endsWith(NO_MORE_PARAMETERS)) return "whole";
    if (tail.endsWith(PARAMETER_CLOSER)) this.#enter("between");
    else if (tail.endsWith(NEXT_PARAMETER)) {
      this.#enter("tag");
      this.#word = PARAMETER_OPENER;
    }
    return "more";
  }

  #enter(state: State): void {
    this.#state = state;
    this.#word = "";
    this.#spaces = 0;
    this.#tail = "";
  }
}

/** What tags of parameters give; `undefined` where there is anything else. */
function parametersOf(body: string, schema: JsonObject | undefined): JsonObject | undefined {
  const given = new Map<string, unknown>();
  let at = 0;
  const skip = () => {
    while (at < body.length && isSpace(body[at]!)) at++;
  };
  for (skip(); body.startsWith(PARAMETER_OPENER, at); skip()) {
    const start = body.indexOf(">", at) + 1;
    const ends = VALUE_ENDS.map((closer) => body.indexOf(closer, start)).filter((end) => end >= 0);
    if (start === 0 || ends.length === 0) return undefined;
    const end = Math.min(...ends);
    const name = body.slice(at + PARAMETER_OPENER.length, start - 1).trim();
    const text = body.slice(start, end).replace(/^\n/, "").replace(/\n$/, "");
    given.set(name, valueOf(text, typesOf(schema, name)));
    at = body.startsWith(PARAMETER_CLOSER, end) ? end + PARAMETER_CLOSER.length : end;
  }
  return at === body.length - FUNCTION_CLOSER.length && body.endsWith(FUNCTION_CLOSER)
    ? Object.fromEntries(given)
    : undefined;
}

/** A text as the types that its schema names read it; text where they may be text, or are not known. */
function valueOf(text: string, types: ReadonlySet<string>): unknown {
  const word = text.trim();
  if (types.has("null") && (word === "null" || word === "None")) return null;
  if (types.size === 0 || types.has("string")) return text;
  const value = jsonValue(word) ?? pythonValue(word);
  return value === undefined ? text : value;
}

/** Types that a property may have, by what its schema says first of all. */
export function typesOf(root: JsonObject | undefined, name: string): ReadonlySet<string> {
  const { properties } = root ?? {};
  const types = new Set<string>();
  const left: unknown[] = isJsonObject(properties) && Object.hasOwn(properties, name)
    ? [properties[name]]
    : [];
  for (let i = 0, references = 0; i < left.length; i++) {
    const schema = left[i];
    if (!isJsonObject(schema)) continue;
    const { type, enum: values = "const" in schema ? [schema["const"]] : undefined, $ref: pointer } = schema;
    for (const one of Array.isArray(type) ? type : [type]) if (typeof one === "string") types.add(one);
    if (type === undefined && Array.isArray(values)) values.forEach((value) => types.add(typeName(value)));
    for (const branches of [schema["anyOf"], schema["oneOf"], schema["allOf"]]) {
      if (Array.isArray(branches)) left.push(...branches.slice(0, MAX_REFERENCES));
    }
    if (typeof pointer === "string" && ++references <= MAX_REFERENCES) left.push(resolve(root, pointer));
    if (left.length > MAX_REFERENCES ** 2) break;
  }
  return types;
}

const typeName = (value: unknown): string => value === null ? "null" : typeof value;

function resolve(root: unknown, pointer: string): unknown {
  let at = root;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    at = isJsonObject(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  }
  return at;
}
