/**
 * Calls of tools in an answer that comes in parts.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import type { World } from "../base/world.ts";
import { isJsonObject } from "../model/json_file.ts";
import { CALL_TAGS } from "./call_style.ts";
import { JsonEnd } from "./json_end.ts";
import type { ToolCall } from "./types.ts";

/** Text that is none of a call, and calls that are complete. */
export interface ReadCalls {
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

/** What may be called. */
export interface CallRules {
  /** Names of the tools that were offered: nothing else counts as a call. */
  readonly names: ReadonlySet<string>;
  /** Calls in one answer; further ones are dropped. */
  readonly most: number;
}

/** What may stand before a call, and what may follow where it does. */
const OPENERS: ReadonlyMap<string, string> = new Map([
  [CALL_TAGS.open, CALL_TAGS.close], // Hermes, Qwen
  ["[TOOL_CALLS]", ""], // Mistral
  ["<|python_tag|>", ""], // Llama 3
  ["```json", "```"],
]);
/** Keys that a call may begin with. */
const KEYS = ["name", "arguments", "parameters", "function", "type", "id"];
/** Characters of one call; what is longer is text. */
const MAX_CALL = 256 * 1024;
/** Spaces that are held back. */
const MAX_SPACES = 256;

/** A call that may be one. */
interface Candidate {
  readonly closer: string;
  /** Where its JSON begins, in what is held. */
  readonly start: number;
  readonly json: JsonEnd;
  /** Whether it is known to be held until its end. */
  isLikely: boolean;
}

/**
 * Takes calls out of a text, in the forms of Hermes and Qwen, Llama 3, Mistral, and as plain JSON at the beginning of a line.
 * What may be the beginning of a call is held back, what turns out not to be one is given as text.
 */
export class ToolParser {
  readonly #world: Pick<World, "random">;
  readonly #rules: CallRules;
  #held = "";
  #candidate: Candidate | undefined;
  /** Whether only spaces stand between the last end of line and what is held. */
  #isLineStart = true;
  /** What may close the call that was the last thing; `undefined` when text came since. */
  #closer: string | undefined;
  #made = 0;

  constructor(world: Pick<World, "random">, rules: CallRules) {
    this.#world = world;
    this.#rules = rules;
  }

  /** More of the answer. */
  push(text: string): ReadCalls {
    this.#held += text;
    const calls: ToolCall[] = [];
    let told = "";
    for (let before = -1; before !== this.#held.length;) {
      before = this.#held.length;
      if (this.#candidate === undefined) told += this.#search();
      if (this.#candidate !== undefined) told += this.#follow(this.#candidate, calls);
    }
    return { text: told, calls };
  }

  /** What is left when the answer has ended. */
  finish(): ReadCalls {
    const isCall = this.#candidate === undefined && this.#closer !== undefined;
    const left = this.#held;
    const rest = left.trim();
    this.#held = "";
    this.#candidate = undefined;
    return { text: isCall && (rest === "" || isPartOf(rest, this.#closer ?? "")) ? "" : left, calls: [] };
  }

  /** Looks for where a call may begin; the text before it. */
  #search(): string {
    if (this.#closer !== undefined && !this.#passCloser(this.#closer)) return "";
    const held = this.#held;
    for (let at = 0; at < held.length; at++) {
      const begun = this.#begin(at);
      if (begun === "no") {
        if (held[at] === "\n") this.#isLineStart = true;
        else if (!isSpace(held[at]!)) this.#isLineStart = false;
        continue;
      }
      // spaces before a call are none of the text, and an end of line may come before the next part
      const cut = spacesBefore(held, at);
      this.#held = held.slice(cut);
      if (begun !== "maybe") this.#candidate = { ...begun, start: begun.start - cut };
      return held.slice(0, cut);
    }
    const cut = spacesBefore(held, held.length);
    this.#held = held.slice(cut);
    return held.slice(0, cut);
  }

  /** Behind a call: passes spaces, commas and what closes it. Whether it is known what follows. */
  #passCloser(closer: string): boolean {
    this.#held = this.#held.replace(/^[\s;,]+/, "");
    if (closer !== "" && this.#held.startsWith(closer)) {
      this.#held = this.#held.slice(closer.length).replace(/^[\s;,]+/, "");
      this.#closer = "";
    }
    if (this.#held === "" || (closer !== "" && isPartOf(this.#held, closer))) return false;
    this.#closer = undefined;
    this.#isLineStart = true;
    return true;
  }

  /** Whether a call begins at `at`, or what stands there may become the beginning of one. */
  #begin(at: number): Candidate | "maybe" | "no" {
    const letter = this.#held[at]!;
    const json = () => ({ json: new JsonEnd(), isLikely: false });
    if ("<[`".includes(letter)) {
      for (const [opener, closer] of OPENERS) {
        if (this.#held.startsWith(opener, at)) {
          const start = at + opener.length;
          return { closer, start, ...json() };
        }
        if (isPartOf(this.#held.slice(at, at + opener.length), opener)) return "maybe";
      }
    }
    if ((letter === "{" || letter === "[") && this.#isLineStart) return { closer: "", start: at, ...json() };
    return "no";
  }

  /** Goes on with a candidate; the text that it turns out to be. */
  #follow(candidate: Candidate, calls: ToolCall[]): string {
    const { json, start, closer } = candidate;
    const end = json.push(this.#held.slice(start + json.read));
    if (end === "more" && this.#held.length <= MAX_CALL) {
      const likely = candidate.isLikely ? "yes" : mayBeCall(this.#held.slice(start));
      candidate.isLikely = likely === "yes";
      return likely === "no" ? this.#giveUp(start) : "";
    }
    const stop = start + json.read;
    const found = end === "whole" ? this.#read(this.#held.slice(start, stop), closer !== "") : undefined;
    if (found === undefined) return this.#giveUp(end === "whole" ? stop : this.#held.length);
    for (const { name, given } of found) {
      if (this.#made >= this.#rules.most) break;
      this.#made++;
      calls.push({ id: `call_${toHex(this.#world.random(12))}`, name, arguments: JSON.stringify(given) });
    }
    this.#held = this.#held.slice(stop);
    this.#candidate = undefined;
    this.#closer = closer;
    return "";
  }

  /** The first letters of what is held are text, the letter where a candidate began at least. */
  #giveUp(end: number): string {
    const cut = Math.max(1, end);
    const text = this.#held.slice(0, cut);
    this.#held = this.#held.slice(cut);
    this.#candidate = undefined;
    this.#isLineStart = text.slice(text.trimEnd().length).includes("\n");
    return text;
  }

  /** The calls that a JSON text is, all of them. */
  #read(text: string, isMarked: boolean): readonly { name: string; given: unknown }[] | undefined {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return undefined;
    }
    const list = Array.isArray(value) ? value : [value];
    const calls = list.flatMap((entry) => {
      const call = callOf(entry, isMarked);
      return call !== undefined && this.#rules.names.has(call.name) ? [call] : [];
    });
    return calls.length === list.length && calls.length > 0 ? calls : undefined;
  }
}

/** Name and arguments, in one of the forms that models write them. */
function callOf(entry: unknown, isMarked: boolean): { name: string; given: unknown } | undefined {
  if (!isJsonObject(entry)) return undefined;
  const inner = isJsonObject(entry["function"]) ? entry["function"] : entry;
  const { name, arguments: given = inner["parameters"] } = inner;
  // a call without arguments may be anything, unless it is marked as one
  if (typeof name !== "string" || (given === undefined && !isMarked)) return undefined;
  const parsed = argumentsOf(given ?? {});
  return parsed === undefined ? undefined : { name, given: parsed };
}

function argumentsOf(given: unknown): unknown {
  if (isJsonObject(given)) return given;
  if (typeof given !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(given);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the beginning of a JSON text is that of a call. */
function mayBeCall(begun: string): "yes" | "no" | "maybe" {
  const [, inside = ""] = /^\s*\[?\s*([^]*)$/.exec(begun) ?? [];
  if (inside === "") return begun.length > MAX_SPACES ? "no" : "maybe";
  const [, key] = /^\{\s*(?:"([^]*))?$/.exec(inside) ?? [];
  if (key === undefined) return /^\{\s*$/.test(inside) && inside.length < MAX_SPACES ? "maybe" : "no";
  const end = key.indexOf('"');
  if (end >= 0) return KEYS.includes(key.slice(0, end)) ? "yes" : "no";
  return KEYS.some((known) => known.startsWith(key)) ? "maybe" : "no";
}

const isSpace = (letter: string) => /\s/.test(letter);
/** Whether `text` is the beginning of `whole`, but not all of it. */
const isPartOf = (text: string, whole: string) => text.length < whole.length && whole.startsWith(text);

/** Where the spaces before `at` begin; some of them, where there are very many. */
function spacesBefore(text: string, at: number): number {
  let cut = at;
  while (cut > 0 && at - cut < MAX_SPACES && isSpace(text[cut - 1]!)) cut--;
  return cut;
}
