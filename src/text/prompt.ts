/**
 * From what was asked to token ids.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { ChatTemplate } from "../model/chat_template.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { TextRequest } from "./types.ts";
import { partError, type RequestPart } from "./wrong_part.ts";

/** New tokens where nobody says how many: an answer, not the whole context. */
const USUAL_NEW_TOKENS = 1024;

/** The template, or `NodeError` `usage` where the model has none. */
export function requireTemplate(template: ChatTemplate | undefined, id: string): ChatTemplate {
  if (template !== undefined) return template;
  throw partError(
    "prompt",
    `Cannot put a conversation to ${id}: it has no chat template, wanted a text to continue (/v1/completions, generate)`,
  );
}

/** Ids of a text as it stands, of ids as they are; what is empty begins with the model's own first token. */
export function idsOfPrompt(tokenizer: Tokenizer, prompt: string | readonly number[]): readonly number[] {
  const ids = typeof prompt === "string" ? tokenizer.encode(prompt) : prompt;
  if (ids.length > 0) return ids;
  if (tokenizer.bosId !== undefined) return [tokenizer.bosId];
  throw partError("prompt", "Cannot generate: the prompt is empty, wanted at least one token");
}

/** Ids within the vocabulary, or `NodeError` `usage`. */
export function checkIds(
  ids: readonly number[],
  vocabularySize: number,
  part: RequestPart = "prompt",
): void {
  const wrong = ids.find((id) => !(Number.isSafeInteger(id) && id >= 0 && id < vocabularySize));
  if (wrong === undefined) return;
  throw partError(
    part,
    `Cannot use token ${wrong}: it is in no vocabulary, wanted 0 to ${vocabularySize - 1}`,
  );
}

/** How many tokens may be made. Throws `NodeError` `usage` for a prompt that leaves no room. */
export function newTokensWithin(
  contextLength: number,
  promptTokens: number,
  { maxTokens }: Pick<TextRequest, "maxTokens">,
): number {
  if (maxTokens !== undefined && (!Number.isSafeInteger(maxTokens) || maxTokens < 1)) {
    throw new NodeError("usage", `Cannot generate: maxTokens is ${maxTokens}, wanted 1 or more`);
  }
  if (promptTokens >= contextLength) {
    // clients that shorten a conversation by themselves look for Anthropic's words or for OpenAI's
    throw partError(
      "length",
      `Cannot generate: the prompt is too long: ${promptTokens} tokens > ${contextLength - 1} maximum, ` +
        `wanted fewer (this model's maximum context length is ${contextLength} tokens)`,
    );
  }
  return Math.min(maxTokens ?? USUAL_NEW_TOKENS, contextLength - promptTokens);
}
