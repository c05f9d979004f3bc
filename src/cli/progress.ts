/**
 * How far long work is, on stderr: in place on a terminal, plain lines now and then elsewhere.
 *
 * @module
 */
import { everyTenth, type TellTransfer } from "../model/transfer.ts";
import type { Output } from "./output.ts";

/** Prompts of fewer tokens are taken in before anybody wonders. */
const LEAST_TOKENS = 512;

/** Tells of a prompt while it is taken in. */
export interface PromptProgress {
  prompt(progress: { readonly done: number; readonly total: number }): void;
  /** Takes the line away: something else is shown now. */
  clear(): void;
}

/** Progress of a prompt. */
export function progressOn(output: Output): PromptProgress {
  let told = 0;
  return {
    prompt({ done, total }) {
      if (total < LEAST_TOKENS) return;
      const words = `Reading the prompt: ${done} of ${total} tokens`;
      if (output.canPass) output.passing(words);
      else if (done - told >= total / 4 || done === total) {
        told = done;
        output.error(words);
      }
    },
    clear: () => output.clearPassing(),
  };
}

/** Progress of what is fetched, copied or read; its last line stays. */
export function transferOn(output: Output): TellTransfer {
  const tenths = everyTenth((text) => output.error(text));
  return (text, share) => {
    if (!output.canPass) tenths(text, share);
    else if (share < 1) output.passing(text);
    else output.error(text);
  };
}
