/**
 * Answers that are sent whole.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { ScoredToken, TextEvent, ToolCall } from "../text/types.ts";

/** All that an answer told. */
export interface WholeAnswer {
  /** What the model thought before; "" where nothing was told apart. */
  readonly thought: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly tokens: readonly ScoredToken[];
  readonly calls: readonly ToolCall[];
  readonly end: TextEvent & { readonly kind: "end" };
}

/** Arguments of a call as an object. A model may call with what is none: then as `text`, for the caller to see. */
export function argumentsOf({ arguments: text }: ToolCall): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : { text };
  } catch {
    return { text };
  }
}

/** Takes an answer to its end. */
export async function wholeAnswer(events: AsyncIterable<TextEvent>): Promise<WholeAnswer> {
  const sum = new AnswerSum();
  for await (const event of events) sum.add(event);
  return sum.whole;
}

/** An answer while its events come. */
export class AnswerSum {
  #text = "";
  #thought = "";
  readonly #ids: number[] = [];
  readonly #tokens: ScoredToken[] = [];
  readonly #calls: ToolCall[] = [];
  #end: WholeAnswer["end"] | undefined;

  /** The next event. */
  add(event: TextEvent): void {
    switch (event.kind) {
      case "thought":
        this.#thought += event.text;
        break;
      case "text":
        this.#text += event.text;
        this.#ids.push(...event.ids);
        this.#tokens.push(...event.tokens);
        break;
      case "tool_calls":
        this.#calls.push(...event.calls);
        break;
      case "end":
        this.#end = event;
    }
  }

  /** All of it. Throws `NodeError` `remote` where it has no end. */
  get whole(): WholeAnswer {
    if (this.#end === undefined) {
      throw new NodeError("remote", "Cannot answer: the answer broke off, wanted its end");
    }
    return {
      thought: this.#thought,
      text: this.#text,
      ids: this.#ids,
      tokens: this.#tokens,
      calls: this.#calls,
      end: this.#end,
    };
  }
}
