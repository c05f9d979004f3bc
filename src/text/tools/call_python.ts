/**
 * Calls of tools as Python writes them: `[weather(city="Rome", days=3), clock()]`. Nothing is evaluated.
 *
 * @module
 */
import { isJsonObject, type JsonObject } from "../../model/json_file.ts";
import { unmarked } from "./call_marks.ts";
import { type CallText, type FoundCall, isSpace, type OfferedTools, type Verdict } from "./call_text.ts";
import { MAX_DEPTH, PythonText } from "./python_text.ts";

/** What closes Python between tags. */
export const CODE_CLOSER = "</code>";
/** What Llama 3 writes behind the names of built-in tools. */
const CALL_SUFFIX = ".call";
const CLOSERS: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** `list`: calls in brackets; `one`: a call by itself; `code`: calls up to {@linkcode CODE_CLOSER}. */
export type PythonKind = "list" | "one" | "code";

/**
 * Calls with literals as arguments, by name or in the order of their schema.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const text = new PythonCalls(new Map([["add", undefined]]), "list");
 * assertEquals(text.calls("[add(a=1, b=[True, None])]"), [{ name: "add", given: { a: 1, b: [true, null] } }]);
 * ```
 */
export class PythonCalls implements CallText {
  readonly #tools: OfferedTools;
  readonly #kind: PythonKind;
  /** What closes the brackets that are open. */
  readonly #open: string[] = [];
  /** The quote that is open, and whether a backslash was the last letter. */
  #quote = "";
  #isEscaped = false;
  /** The name of the call that comes next, as far as it is there. */
  #name = "";
  /** Whether a call ended and nothing came between. */
  #isBehind = false;
  #made = 0;
  /** The closing tag, as far as it is there. */
  #tag = "";

  constructor(tools: OfferedTools, kind: PythonKind) {
    this.#tools = tools;
    this.#kind = kind;
  }

  next(letter: string): Verdict {
    if (this.#quote !== "") return this.#quoted(letter);
    const depth = this.#open.length - (this.#kind === "list" ? 1 : 0);
    if (depth === 0) return this.#between(letter);
    if (depth < 0) {
      this.#open.push("]");
      return letter === "[" ? "more" : "none";
    }
    const verdict = this.#inside(letter);
    if (verdict === "none" || this.#open.length > (this.#kind === "list" ? 1 : 0)) return verdict;
    this.#isBehind = true;
    this.#made++;
    return this.#kind === "one" ? "whole" : "more";
  }

  calls(text: string): readonly FoundCall[] | undefined {
    const source = new PythonText(unmarked(text).trim());
    const calls: FoundCall[] = [];
    try {
      const isList = this.#kind === "list" && source.take("[");
      for (source.skip(isList); !source.isOver && !source.isAt("]") && !source.isAt(CODE_CLOSER);) {
        const { name, byPlace, byName } = source.call();
        const known = this.#known(name);
        const given = known === undefined ? undefined : argumentsOf(byPlace, byName, this.#tools.get(known));
        if (known === undefined || given === undefined) return undefined;
        calls.push({ name: known, given });
        if (isList && !source.take(",")) break;
        source.skip(isList);
      }
      const isClosed = isList ? source.take("]") : source.take(CODE_CLOSER) || this.#kind !== "list";
      return isClosed && source.isOver && calls.length > 0 ? calls : undefined;
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  #quoted(letter: string): Verdict {
    if (letter === "\n") return "none";
    if (this.#isEscaped) this.#isEscaped = false;
    else if (letter === "\\") this.#isEscaped = true;
    else if (letter === this.#quote) this.#quote = "";
    return "more";
  }

  /** Between the brackets of a call's arguments. */
  #inside(letter: string): Verdict {
    if (letter === '"' || letter === "'") this.#quote = letter;
    const closer = CLOSERS[letter];
    if (closer !== undefined) return this.#open.push(closer) > MAX_DEPTH ? "none" : "more";
    if (")]}".includes(letter) && this.#open.pop() !== letter) return "none";
    return "more";
  }

  /** Before, between and behind calls. */
  #between(letter: string): Verdict {
    if (this.#tag !== "" || (letter === "<" && this.#kind === "code" && this.#made > 0)) {
      this.#tag += letter;
      if (!CODE_CLOSER.startsWith(this.#tag)) return "none";
      return this.#tag === CODE_CLOSER ? "whole" : "more";
    }
    if (letter === "(") {
      if (this.#isBehind || this.#known(this.#name) === undefined) return "none";
      this.#name = "";
      this.#open.push(")");
      return "more";
    }
    if (this.#name === "" && letter === "]" && this.#kind === "list") {
      return this.#made > 0 ? "whole" : "none";
    }
    const isSeparator = this.#kind === "list" ? letter === "," : letter === "\n" || letter === ";";
    if (this.#name === "" && (isSeparator || isSpace(letter))) {
      if (isSeparator && this.#kind === "list" && !this.#isBehind) return "none";
      if (isSeparator) this.#isBehind = false;
      return "more";
    }
    this.#name += letter;
    const mayBe = [...this.#tools.keys()].some((name) => `${name}${CALL_SUFFIX}`.startsWith(this.#name));
    return this.#isBehind || !mayBe ? "none" : "more";
  }

  /** The tool that a name means. */
  #known(name: string): string | undefined {
    const isMethod = !this.#tools.has(name) && name.endsWith(CALL_SUFFIX);
    const known = isMethod ? name.slice(0, -CALL_SUFFIX.length) : name;
    return this.#tools.has(known) ? known : undefined;
  }
}

/** Arguments by name; those by place take the names of the schema's properties in their order. */
function argumentsOf(
  byPlace: readonly unknown[],
  byName: ReadonlyMap<string, unknown>,
  schema: JsonObject | undefined,
): JsonObject | undefined {
  const { properties } = schema ?? {};
  const names = isJsonObject(properties) ? Object.keys(properties).slice(0, byPlace.length) : [];
  if (names.length < byPlace.length || names.some((name) => byName.has(name))) return undefined;
  return Object.fromEntries([...names.map((name, i) => [name, byPlace[i]] as const), ...byName]);
}
