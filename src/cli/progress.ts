/**
 * How far a long prompt is, on stderr: in place on a terminal, plain lines now and then elsewhere.
 *
 * @module
 */
import type { Output } from "./output.ts";

/** Prompts of fewer tokens are taken in before anybody wonders. */
const LEAST_TOKENS = 512;

/** Tells of a prompt while it is taken in. */
export interface PromptProgress {
  prompt(progress: { readonly done: number; readonly total: number }): void;
  /** Takes the line away: something else is shown now. */
  clear(): void;
}

/** Progress on the stderr of `output`. */
export function progressOn(output: Pick<Output, "stderr" | "error">): PromptProgress {
  const { stderr } = output;
  const isTerminal = stderr.isTerminal?.() ?? false;
  let shown = false;
  let told = 0;
  const write = (text: string) => stderr.writeSync(new TextEncoder().encode(text));
  return {
    prompt({ done, total }) {
      if (total < LEAST_TOKENS) return;
      const words = `Reading the prompt: ${done} of ${total} tokens`;
      if (isTerminal) {
        shown = true;
        write(`\r${words}\x1b[K`);
      } else if (done - told >= total / 4 || done === total) {
        told = done;
        output.error(words);
      }
    },
    clear() {
      if (shown) write("\r\x1b[K");
      shown = false;
    },
  };
}
