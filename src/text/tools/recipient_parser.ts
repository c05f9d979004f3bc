/**
 * Answers in parts, each for somebody: `all` or a function (Functionary 3.2).
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import { type CallRules, newCall, type ReadCalls } from "./tool_parser.ts";
import { isSpace, jsonObject, MAX_CALL, MAX_NAME } from "./call_text.ts";
import { JsonEnd } from "../forms/json_end.ts";
import type { ToolCall } from "../types.ts";

/** What stands before a recipient. The first one has it in the prompt. */
export const RECIPIENT_OPENER = ">>>";
/** The recipient of plain text. */
export const EVERYBODY = "all";

/** What is being read: a recipient, text, the arguments of a call, or what follows them. */
type State = "recipient" | "text" | "call" | "behind";

/** What came of a letter: text that can be told now, and some that is to be taken once more, as text. */
interface Taken {
  readonly told: string;
  readonly again: string;
}

const NOTHING: Taken = { told: "", again: "" };

/**
 * Takes calls, and the names of who a part is for, out of an answer that begins with such a name:
 * `all\nLet me see.>>>weather\n{"city": "Rome"}`. A name that is not known is text, with what stands before it, so that a
 * text may hold `>>>` as it likes. Where texts are cut changes nothing.
 */
export class RecipientParser {
  readonly #world: Pick<World, "random">;
  readonly #rules: CallRules;
  #state: State = "recipient";
  /** What may be no text: an opener as far as it is there, and a name. */
  #held = "";
  /** How much of it is the opener. */
  #opener = 0;
  #name = "";
  /** The arguments of a call, and whether more than spaces came of them. */
  #body = "";
  #isBegun = false;
  #json = new JsonEnd();
  #made = 0;

  constructor(world: Pick<World, "random">, rules: CallRules) {
    this.#world = world;
    this.#rules = rules;
  }

  /** More of the answer. */
  push(text: string): ReadCalls {
    const calls: ToolCall[] = [];
    return { text: this.#take(text, calls), calls };
  }

  /** A control token came: none of them belongs to this form. */
  mark(_name: string): ReadCalls {
    return { text: "", calls: [] };
  }

  /** What is left when the answer has ended. */
  finish(): ReadCalls {
    const text = this.#state === "behind" ? "" : this.#held + this.#body;
    this.#enter("text");
    return { text, calls: [] };
  }

  #take(text: string, calls: ToolCall[]): string {
    const told: string[] = [];
    // the rest of a text that turned out to be none goes before what follows it
    const left: { readonly text: string; at: number }[] = [{ text, at: 0 }];
    for (let top = left.at(-1); top !== undefined; top = left.at(-1)) {
      if (top.at >= top.text.length) {
        left.pop();
        continue;
      }
      const { told: now, again } = this.#next(top.text[top.at++]!, calls);
      told.push(now);
      if (again !== "") left.push({ text: again, at: 0 });
    }
    return told.join("");
  }

  #next(letter: string, calls: ToolCall[]): Taken {
    switch (this.#state) {
      case "recipient":
        return this.#recipient(letter);
      case "call":
        return this.#call(letter, calls);
      case "behind":
        if (isSpace(letter)) return NOTHING;
        this.#enter("text");
        return this.#text(letter);
      case "text":
        return this.#text(letter);
    }
  }

  #text(letter: string): Taken {
    if (letter !== ">") {
      const told = this.#held + letter;
      this.#held = "";
      return { told, again: "" };
    }
    this.#held += letter;
    if (this.#held === RECIPIENT_OPENER) {
      this.#state = "recipient";
      this.#opener = this.#held.length;
    }
    return NOTHING;
  }

  #recipient(letter: string): Taken {
    const name = this.#held.slice(this.#opener);
    if (letter === "\n" && this.#rules.tools.has(name)) {
      // with a tool of that name, what is no JSON is for everybody
      this.#held = name === EVERYBODY ? "" : this.#held + letter;
      this.#name = name;
      this.#state = "call";
      return NOTHING;
    }
    if (letter === "\n" && name === EVERYBODY) {
      this.#enter("text");
      return NOTHING;
    }
    const longer = name + letter;
    const mayBe = longer.length <= MAX_NAME &&
      [EVERYBODY, ...this.#rules.tools.keys()].some((known) => known.startsWith(longer));
    this.#held += letter;
    if (mayBe) return NOTHING;
    // another opener may stand behind its first letter
    const [first] = this.#held;
    return this.#isText(first!, this.#held.slice(first!.length));
  }

  #call(letter: string, calls: ToolCall[]): Taken {
    this.#body += letter;
    const isFirst = !this.#isBegun && !isSpace(letter);
    this.#isBegun ||= isFirst;
    const verdict = isFirst && letter !== "{" ? "none" : this.#json.push(letter);
    if (verdict === "more" && this.#body.length <= MAX_CALL) return NOTHING;
    const given = verdict === "whole" ? jsonObject(this.#body) : undefined;
    // openers within are not looked for: each letter is looked at a bounded number of times
    if (given === undefined) return this.#isText(this.#held + this.#body.slice(0, -1), letter);
    if (this.#made++ < this.#rules.most) calls.push(newCall(this.#world, { name: this.#name, given }));
    this.#enter("behind");
    return NOTHING;
  }

  /** What was held is text after all; some of it is to be taken once more. */
  #isText(told: string, again: string): Taken {
    this.#enter("text");
    return { told, again };
  }

  #enter(state: State): void {
    this.#state = state;
    this.#held = "";
    this.#opener = 0;
    this.#body = "";
    this.#isBegun = false;
    this.#json = new JsonEnd();
  }
}
