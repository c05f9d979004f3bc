/**
 * `kwaainet generate PROMPT`.
 *
 * @module
 */
import { TEXT_FLAGS } from "./text_flags.ts";
import type { Verb } from "./verb.ts";

/** Continues a prompt through the swarm. */
export const generateVerb: Verb = {
  name: "generate",
  summary: "Continue a text through the swarm",
  words: "PROMPT",
  wordCount: [1, 1],
  flags: TEXT_FLAGS,
  more:
    `A short-lived client enters the swarm through --initial-peers, else through the node that runs on --data-dir, whose
model is the default, else through the network's bootstraps. Tokenizer, embeddings and output matrix come from the model
here; the blocks are computed by whoever serves them. The prompt is continued as it stands, without a chat template.
--json writes one object at the end. Ctrl-C ends with exit code 130.`,
  async run(invocation) {
    const { runGenerate } = await import("./generate_text.ts");
    return await runGenerate(invocation, this.flags);
  },
};
