/**
 * Answers in the words of Anthropic, as they come: server-sent events.
 *
 * @module
 */
import type { TextEvent, ToolCall } from "../../text/types.ts";
import { argumentsOf } from "../whole_answer.ts";
import {
  type AnswerEnd,
  emptyMessage,
  type MessageForm,
  type MessageName,
  signatureOf,
  stopOf,
  usageOf,
} from "./answer.ts";

/** The events of a stream. Performs no I/O: tell what happened, send what comes back. */
export class MessageStream {
  #begun = false;
  /** Blocks so far; the last one is open while `#open`. */
  #blocks = 0;
  #open = false;
  /** The thought of the last block while that is open. */
  #thought = "";

  constructor(readonly name: MessageName, readonly form: MessageForm) {}

  /** What is to be sent for an event. */
  tell(event: TextEvent): string {
    switch (event.kind) {
      case "prompt":
        // progress of a long prompt keeps the connection alive
        return this.#begin(event.total) || eventOf("ping", {});
      case "prompt_scores":
        return "";
      case "thought":
        return this.#begin(0) + (this.form.hasThoughts ? this.#think(event.text) : "");
      case "text":
        return event.text === "" ? this.#begin(0) : this.#begin(0) + this.#text(event.text);
      case "tool_calls":
        return this.#begin(0) + this.#close() + event.calls.map((call) => this.#call(call)).join("");
      case "end":
        return this.#begin(event.usage.promptTokens) + this.#end(event);
    }
  }

  #begin(promptTokens: number): string {
    if (this.#begun) return "";
    this.#begun = true;
    return eventOf("message_start", { message: emptyMessage(this.name, promptTokens) }) +
      eventOf("ping", {});
  }

  #think(thinking: string): string {
    const start = this.#open ? "" : this.#start({ type: "thinking", thinking: "", signature: "" });
    this.#thought += thinking;
    return start + this.#delta({ type: "thinking_delta", thinking });
  }

  #text(text: string): string {
    return (this.#thought === "" ? "" : this.#close()) +
      (this.#open ? "" : this.#start({ type: "text", text: "" })) +
      this.#delta({ type: "text_delta", text });
  }

  #call(call: ToolCall): string {
    const { id, name } = call;
    return this.#start({ type: "tool_use", id, name, input: {} }) +
      this.#delta({ type: "input_json_delta", partial_json: JSON.stringify(argumentsOf(call)) }) +
      this.#close();
  }

  #end(end: AnswerEnd): string {
    return (this.#blocks === 0 ? this.#start({ type: "text", text: "" }) : "") + this.#close() +
      eventOf("message_delta", { delta: stopOf(end), usage: usageOf(end.usage) }) +
      eventOf("message_stop", {});
  }

  #start(block: object): string {
    this.#open = true;
    return eventOf("content_block_start", { index: this.#blocks++, content_block: block });
  }

  #delta(delta: object): string {
    return eventOf("content_block_delta", { index: this.#blocks - 1, delta });
  }

  #close(): string {
    if (!this.#open) return "";
    const signature = this.#thought === "" ? "" : signatureOf(this.#thought);
    const signed = signature === "" ? "" : this.#delta({ type: "signature_delta", signature });
    this.#open = false;
    this.#thought = "";
    return signed + eventOf("content_block_stop", { index: this.#blocks - 1 });
  }
}

/** One event. */
export const eventOf = (type: string, data: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
