/**
 * `kwaainet chat`.
 *
 * @module
 */
import { TEXT_FLAGS } from "./text_flags.ts";
import type { Verb } from "./verb.ts";

/** A conversation through the swarm. */
export const chatVerb: Verb = {
  name: "chat",
  summary: "Talk with a model through the swarm",
  words: "[MESSAGE]",
  wordCount: [0, 1],
  flags: [
    ...TEXT_FLAGS,
    {
      name: "system",
      kind: "text",
      value: "TEXT",
      sentence: "What the model is told before the conversation.",
    },
  ],
  more:
    `With a MESSAGE one answer is given. Without one each line of standard input is a turn, and the model knows all turns
before. The swarm is entered as \`generate\` does, and the model's own chat template is used.
Lines: /new forgets the conversation, /exit or the end of input ends it. A line that ends in \\ goes on in the next.
Ctrl-C ends the answer that is being written; while none is, it ends the program with exit code 130.
What the model thinks before it answers is faint on a terminal and left out elsewhere.
--json writes one object for each answer, thoughts in its field thought.`,
  async run(invocation) {
    const { runChat } = await import("./chat_text.ts");
    return await runChat(invocation, this.flags);
  },
};
