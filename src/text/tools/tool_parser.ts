/**
 * Calls of tools in an answer that comes in parts.
 *
 * @module
 */
import { toHex } from "../../base/bytes.ts";
import type { World } from "../../base/world.ts";
import { type CallForm, CODE_CALLS, MARKED_CALLS, PLAIN_CALLS } from "./call_forms.ts";
import { FLAG, markAt, unmarked } from "./call_marks.ts";
import {
  type CallText,
  type FoundCall,
  isSpace,
  MAX_CALL,
  MAX_SPACES,
  type OfferedTools,
} from "./call_text.ts";
import type { ToolCall } from "../types.ts";

/** Text that is none of a call, and calls that are complete. */
export interface ReadCalls {
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

/** What may be called. */
export interface CallRules {
  readonly tools: OfferedTools;
  /** Calls in one answer; further ones are dropped. */
  readonly most: number;
  /** Whether they may stand in `<code>`. */
  readonly hasCode?: boolean;
}

/** What may stand between calls. */
const SEPARATORS = /^[\s;,]+/;

/** A text that may be calls, as far as it has come. */
interface Candidate {
  /** What stands before it and is no text where it is a call: spaces and an opener. */
  readonly lead: string;
  readonly form: Omit<CallForm, "opener">;
  readonly reader: CallText;
  readonly parts: string[];
  length: number;
}

/**
 * Takes calls out of a text, in every form of `call_forms`. What may be the beginning of a call is held back, what turns out
 * not to be one is given as text. Each letter is looked at a bounded number of times, and where texts are cut changes nothing.
 */
export class ToolParser {
  readonly #world: Pick<World, "random">;
  readonly #rules: CallRules;
  readonly #marked: readonly CallForm[];
  /** Spaces, and what may be the beginning of an opener or a closer. */
  #held = "";
  #candidate: Candidate | undefined;
  /** Whether only spaces stand between the last end of line and what is held. */
  #isLineStart = true;
  /** What may close the call that was the last thing; `undefined` when text came since. */
  #closers: readonly string[] | undefined;
  /** How a call may go on right here with no opener, behind one of a series. */
  #series: Candidate["form"] | undefined;
  #made = 0;

  constructor(world: Pick<World, "random">, rules: CallRules) {
    this.#world = world;
    this.#rules = rules;
    this.#marked = rules.hasCode ? [...MARKED_CALLS, CODE_CALLS] : MARKED_CALLS;
  }

  /** More of the answer. */
  push(text: string): ReadCalls {
    const calls: ToolCall[] = [];
    let told = "";
    let rest: string | undefined = text;
    while (rest !== undefined) {
      if (this.#candidate === undefined) {
        rest = this.#passClosers(this.#held + rest);
        this.#held = "";
        const [before, after] = this.#search(rest);
        told += before;
        rest = after;
      } else {
        const [before, after]: readonly [string, string | undefined] = this.#follow(
          this.#candidate,
          rest,
          calls,
        );
        told += before;
        rest = after;
      }
    }
    return { text: unmarked(told), calls };
  }

  /** A control token came, one of those that belong to calls. */
  mark(name: string): ReadCalls {
    return this.push(FLAG + name);
  }

  /** What is left when the answer has ended. */
  finish(): ReadCalls {
    const calls: ToolCall[] = [];
    const candidate = this.#candidate;
    let text = this.#held;
    if (candidate !== undefined) {
      const body = candidate.parts.join("");
      const found = candidate.reader.calls(body);
      text = found === undefined ? candidate.lead + body : "";
      this.#add(found ?? [], calls);
    } else if (this.#closers !== undefined) {
      // nothing but what may close the last call
      text = "";
    }
    this.#held = "";
    this.#candidate = undefined;
    return { text: unmarked(text), calls };
  }

  /** Behind a call: passes separators and what closes it. What follows, as far as it is known to be text. */
  #passClosers(text: string): string {
    let rest = text;
    while (this.#closers !== undefined) {
      rest = rest.replace(SEPARATORS, "");
      const plain = rest.slice(markAt(rest, 0) === "" ? 0 : FLAG.length);
      const closer = this.#closers.find((one) => plain.startsWith(one));
      if (closer !== undefined) {
        this.#closers = this.#closers.filter((one) => one !== closer);
        this.#series = undefined;
        rest = plain.slice(closer.length);
      } else if (plain !== "" && !this.#closers.some((one) => isPartOf(plain, one))) {
        this.#closers = undefined;
        this.#isLineStart = true;
      } else break;
    }
    return rest;
  }

  /** Looks for where a call may begin: the text before it, and what follows where one does. */
  #search(text: string): readonly [told: string, rest: string | undefined] {
    if (this.#closers !== undefined) {
      this.#held = text;
      return ["", undefined];
    }
    for (let at = 0; at < text.length;) {
      const mark = markAt(text, at);
      const begun = this.#begin(text, at, mark);
      if (begun !== "maybe") this.#series = undefined;
      if (begun !== "no") {
        // spaces before a call are none of the text, and an end of line may come before the next part
        const cut = spacesBefore(text, at);
        if (begun === "maybe") {
          this.#held = text.slice(cut);
          return [text.slice(0, cut), undefined];
        }
        const { form, start } = begun;
        const lead = text.slice(cut, start);
        this.#candidate = { lead, form, reader: form.read(this.#rules.tools), parts: [], length: 0 };
        return [text.slice(0, cut), text.slice(start)];
      }
      if (text[at] === "\n") this.#isLineStart = true;
      else if (mark === "" && !isSpace(text[at]!)) this.#isLineStart = false;
      at += mark === "" ? 1 : FLAG.length + mark.length;
    }
    const cut = spacesBefore(text, text.length);
    this.#held = text.slice(cut);
    return [text.slice(0, cut), undefined];
  }

  /** Whether a call begins at `at`, or what stands there may become the beginning of one. */
  #begin(
    text: string,
    at: number,
    mark: string,
  ): { readonly form: Candidate["form"]; readonly start: number } | "maybe" | "no" {
    const letter = text[at]!;
    if (mark !== "") {
      const form = this.#marked.find(({ opener }) => opener === mark);
      return form === undefined ? "no" : { form, start: at + FLAG.length + mark.length };
    }
    if ("<[`".includes(letter)) {
      let isMaybe = false;
      for (const form of this.#marked) {
        const { opener } = form;
        if (text.startsWith(opener, at)) return { form, start: at + opener.length };
        isMaybe ||= isPartOf(text.slice(at, at + opener.length), opener);
      }
      if (isMaybe) return "maybe";
    }
    if (this.#series !== undefined) return { form: this.#series, start: at };
    return "{[".includes(letter) && this.#isLineStart ? { form: PLAIN_CALLS, start: at } : "no";
  }

  /** Goes on with a candidate: the text that it turns out to be, and what follows once that is known. */
  #follow(
    candidate: Candidate,
    text: string,
    calls: ToolCall[],
  ): readonly [told: string, rest: string | undefined] {
    let end = 0;
    let verdict = "more";
    while (end < text.length && verdict === "more") {
      const mark = markAt(text, end);
      // a control token is read as its name, and is never torn
      const step = mark === "" ? 1 : FLAG.length + mark.length;
      for (let at = mark === "" ? end : end + FLAG.length; at < end + step && verdict === "more"; at++) {
        verdict = candidate.reader.next(text[at]!);
      }
      if (candidate.length + step > MAX_CALL) verdict = "none";
      if (verdict === "none") break;
      candidate.length += step;
      end += step;
    }
    candidate.parts.push(text.slice(0, end));
    if (verdict === "more") return ["", undefined];
    this.#candidate = undefined;
    const body = candidate.parts.join("");
    const found = verdict === "whole" ? candidate.reader.calls(body) : undefined;
    const rest = text.slice(end);
    if (found !== undefined) {
      this.#add(found, calls);
      this.#closers = candidate.form.closers;
      this.#series = candidate.form.isSeries ? candidate.form : undefined;
      return ["", rest];
    }
    const told = candidate.lead + body;
    this.#isLineStart = told.slice(told.trimEnd().length).includes("\n");
    return [told, rest];
  }

  #add(found: readonly FoundCall[], calls: ToolCall[]): void {
    for (const call of found) {
      if (this.#made >= this.#rules.most) return;
      this.#made++;
      calls.push(newCall(this.#world, call));
    }
  }
}

/** A call as it is told, with an id of its own. */
export const newCall = (world: Pick<World, "random">, { name, given }: FoundCall): ToolCall => ({
  id: `call_${toHex(world.random(12))}`,
  name,
  arguments: JSON.stringify(given),
});

/** Whether `text` is the beginning of `whole`, but not all of it. */
const isPartOf = (text: string, whole: string) => text.length < whole.length && whole.startsWith(text);

/** Where the spaces before `at` begin; some of them, where there are very many. */
function spacesBefore(text: string, at: number): number {
  let cut = at;
  while (cut > 0 && at - cut < MAX_SPACES && isSpace(text[cut - 1]!)) cut--;
  return cut;
}
