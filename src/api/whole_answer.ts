/**
 * Answers that are sent whole.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { ScoredToken, TextEvent, ToolCall } from "../text/types.ts";

/** All that an answer told. */
export interface WholeAnswer {
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
  let text = "";
  const ids: number[] = [];
  const tokens: ScoredToken[] = [];
  const calls: ToolCall[] = [];
  let end: WholeAnswer["end"] | undefined;
  for await (const event of events) {
    switch (event.kind) {
      case "text":
        text += event.text;
        ids.push(...event.ids);
        tokens.push(...event.tokens);
        break;
      case "tool_calls":
        calls.push(...event.calls);
        break;
      case "end":
        end = event;
    }
  }
  if (end !== undefined) return { text, ids, tokens, calls, end };
  throw new NodeError("remote", "Cannot answer: the answer broke off, wanted its end");
}
