/**
 * Calls of tools in JSON.
 *
 * @module
 */
import { isJsonObject } from "../../model/json_file.ts";
import { spelt, unmarked } from "./call_marks.ts";
import {
  argumentsOf,
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

/** Keys that a call may begin with. */
const KEYS = ["name", "arguments", "parameters", "function", "type", "id"];
/** Letters before the arguments where a name stands there: the name, and what is written around it. */
const MAX_HEAD = MAX_NAME + 128;

/**
 * An object with a name and arguments, or a list of them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const text = new JsonCalls(new Map([["add", undefined]]), false);
 * assertEquals([...'{"name"'].map((letter) => text.next(letter)).at(-1), "more");
 * assertEquals(text.calls('{"name": "add", "arguments": {"a": 1}}'), [{ name: "add", given: { a: 1 } }]);
 * ```
 */
export class JsonCalls implements CallText {
  readonly #tools: OfferedTools;
  readonly #isMarked: boolean;
  readonly #json = new JsonEnd();
  /** Letters up to the first key; `undefined` once that is one of a call. */
  #head: string | undefined = "";
  #spaces = 0;

  /** With `isMarked` the text stands where calls are told, so that one may come without arguments. */
  constructor(tools: OfferedTools, isMarked: boolean) {
    this.#tools = tools;
    this.#isMarked = isMarked;
  }

  next(letter: string): Verdict {
    if (this.#head !== undefined && !this.#mayBegin(letter)) return "none";
    return this.#json.push(letter);
  }

  calls(text: string): readonly FoundCall[] | undefined {
    const value = jsonValue(unmarked(text));
    const list = Array.isArray(value) ? value : [value];
    const calls = list.flatMap((entry) => this.#callOf(entry) ?? []);
    return calls.length === list.length && calls.length > 0 ? calls : undefined;
  }

  /** Whether the first letters are those of a call. */
  #mayBegin(letter: string): boolean {
    const head = this.#head ?? "";
    if (isSpace(letter) && !head.includes('"')) return ++this.#spaces <= MAX_SPACES;
    this.#head = head + letter;
    const [, key] = /^\[?\{"(.*)$/s.exec(this.#head) ?? [];
    if (key === undefined) return ["[{", "{"].some((begun) => begun.startsWith(this.#head!));
    if (!key.endsWith('"')) return KEYS.some((known) => known.startsWith(key));
    this.#head = undefined;
    return KEYS.includes(key.slice(0, -1));
  }

  /** Name and arguments, in one of the forms that models write them. */
  #callOf(entry: unknown): FoundCall | undefined {
    if (!isJsonObject(entry)) return undefined;
    const inner = isJsonObject(entry["function"]) ? entry["function"] : entry;
    const { name, arguments: stated = inner["parameters"] } = inner;
    // a call without arguments may be anything, unless it is marked as one
    if (typeof name !== "string" || (stated === undefined && !this.#isMarked)) return undefined;
    const given = argumentsOf(stated ?? {});
    return given === undefined || !this.#tools.has(name) ? undefined : { name, given };
  }
}

/** A name, and what is written around it, before the JSON of the arguments. `name` is the first group of `head`. */
export class NamedJson implements CallText {
  readonly #tools: OfferedTools;
  readonly #pattern: RegExp;
  readonly #json = new JsonEnd();
  #head = "";
  #name: string | undefined;

  constructor(tools: OfferedTools, head: RegExp) {
    this.#tools = tools;
    this.#pattern = head;
  }

  next(letter: string): Verdict {
    if (this.#name === undefined) {
      if (letter !== "{") {
        this.#head += letter;
        return this.#head.length > MAX_HEAD ? "none" : "more";
      }
      this.#name = this.#nameIn(this.#head);
      if (this.#name === undefined) return "none";
    }
    return this.#json.push(letter);
  }

  calls(text: string): readonly FoundCall[] | undefined {
    const at = text.indexOf("{");
    const name = this.#nameIn(spelt(text.slice(0, Math.max(0, at))));
    const given = jsonObject(unmarked(text.slice(Math.max(0, at))));
    return name === undefined || given === undefined ? undefined : [{ name, given }];
  }

  #nameIn(head: string): string | undefined {
    // one space stands for many: patterns with spaces around a name would try every way to share them out
    const name = this.#pattern.exec(head.replace(/\s+/g, " "))?.[1];
    return name !== undefined && this.#tools.has(name) ? name : undefined;
  }
}
