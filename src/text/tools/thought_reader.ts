/**
 * What a model thinks aloud before it answers: `<think>…</think>` at the beginning of an answer that comes in parts.
 *
 * @module
 */
import { isSpace, MAX_SPACES } from "./call_text.ts";

/** What stands around thoughts, as text or as control tokens (Qwen 3, DeepSeek R1, SmolLM3). */
export const THOUGHT_TAGS = { open: "<think>", close: "</think>" } as const;
/** The same as a list. */
export const THOUGHT_MARKS: readonly string[] = [THOUGHT_TAGS.open, THOUGHT_TAGS.close];

/** The next piece of the thoughts, and of the text behind them. */
export interface ReadThoughts {
  readonly thought: string;
  readonly text: string;
}

/** Before the thoughts, in them, in the spaces behind them, or in the text, which has no end. */
type State = "before" | "thought" | "behind" | "text";

/**
 * Tells thoughts from the text that follows them. Only what may be a tag, and spaces beside one, is held back: spaces around
 * thoughts are no part of them, nor of the text. Each letter is looked at once, and where texts are cut changes nothing.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const reader = new ThoughtReader(false);
 * assertEquals(reader.push("<think>\nA sum.\n</th"), { thought: "A sum.", text: "" });
 * assertEquals(reader.push("ink>\n\nFour."), { thought: "", text: "Four." });
 * ```
 */
export class ThoughtReader {
  readonly #isOpen: boolean;
  #state: State = "before";
  /** A tag as far as it has come, and the spaces before it. */
  #tag = "";
  #spaces = "";
  /** Whether any letter of the thoughts was told: spaces before it are none of them. */
  #isBegun = false;
  #thought = "";
  #text = "";

  /** `isOpen`: the prompt has opened the thoughts, so that the answer begins in them. */
  constructor(isOpen: boolean) {
    this.#isOpen = isOpen;
  }

  /** Whether what came last belongs to thoughts, the spaces behind them included. */
  get isThinking(): boolean {
    return this.#state === "thought" || this.#state === "behind";
  }

  /** Whether text has begun: nothing more is held back. */
  get isOver(): boolean {
    return this.#state === "text";
  }

  /** More of the answer. */
  push(text: string): ReadThoughts {
    for (let at = 0; at < text.length; at++) {
      if (this.#state === "text") {
        this.#text += text.slice(at);
        break;
      }
      this.#next(text[at]!);
    }
    return this.#take();
  }

  /** A control token of that name came: one of the tags, or another, which begins the text where no thought is open. */
  mark(name: string): ReadThoughts {
    if (this.#state !== "text") {
      this.#dropTag();
      if (name === THOUGHT_TAGS.open || name === THOUGHT_TAGS.close) this.#found(name);
      else if (this.#state === "behind" || (this.#state === "before" && !this.#isOpen)) this.#begin();
    }
    return this.#take();
  }

  /** What is left when the answer has ended. */
  finish(): ReadThoughts {
    if (this.#state !== "text") {
      this.#dropTag();
      if (this.#state === "before" && !this.#isOpen) this.#begin();
    }
    return this.#take();
  }

  #take(): ReadThoughts {
    const read = { thought: this.#thought, text: this.#text };
    this.#thought = "";
    this.#text = "";
    return read;
  }

  #next(letter: string): void {
    if (this.#state === "behind") return isSpace(letter) ? undefined : this.#begin(letter);
    const tag = this.#tag + letter;
    const wanted = this.#wanted.filter((one) => one.startsWith(tag));
    if (wanted.includes(tag)) {
      this.#tag = "";
      this.#found(tag);
    } else if (wanted.length > 0) this.#tag = tag;
    else {
      this.#dropTag();
      // a tag begins with the one letter that stands nowhere else in it
      if (this.#state !== "text" && letter === "<" && tag !== letter) this.#tag = letter;
      else this.#plain(letter);
    }
  }

  /** The tags that may come. */
  get #wanted(): readonly string[] {
    if (this.#state === "thought") return [THOUGHT_TAGS.close];
    return this.#isOpen ? THOUGHT_MARKS : [THOUGHT_TAGS.open];
  }

  /** A tag came. A model may open once more what the prompt has opened; others are nothing. */
  #found(tag: string): void {
    const isOpening = this.#state === "before" && tag === THOUGHT_TAGS.open;
    const isClosing = tag === THOUGHT_TAGS.close && (this.#state === "thought" || this.#isOpen);
    if (!isOpening && !isClosing) return;
    if (this.#state !== "behind") this.#state = isOpening ? "thought" : "behind";
    this.#spaces = "";
  }

  /** What looked like a tag is none. */
  #dropTag(): void {
    const tag = this.#tag;
    this.#tag = "";
    for (const letter of tag) this.#plain(letter);
  }

  /** A letter that is of no tag. */
  #plain(letter: string): void {
    if (this.#state === "text") this.#text += letter;
    else if (isSpace(letter) && this.#spaces.length < MAX_SPACES) this.#spaces += letter;
    else if (this.#state === "before" && !this.#isOpen) this.#begin(letter);
    else {
      this.#state = "thought";
      this.#thought += (this.#isBegun ? this.#spaces : "") + letter;
      this.#spaces = "";
      this.#isBegun = true;
    }
  }

  /** The text begins. */
  #begin(letter = ""): void {
    if (this.#state === "before") this.#text += this.#spaces;
    this.#text += letter;
    this.#spaces = "";
    this.#state = "text";
  }
}

/** Whether a model thinks aloud: its template speaks of the tags. */
export const thinksAloud = ({ source }: { readonly source: string }): boolean =>
  THOUGHT_MARKS.some((tag) => source.includes(tag));

/** Whether a prompt that ends so has opened the thoughts of the answer. */
export const opensThoughts = (promptEnd: string): boolean => promptEnd.trimEnd().endsWith(THOUGHT_TAGS.open);
