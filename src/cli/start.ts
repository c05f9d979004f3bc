/**
 * `kwaainet start`.
 *
 * @module
 */
import { JSON_FLAG } from "./flags.ts";
import { START_FLAGS } from "./start_flags.ts";
import type { Verb } from "./verb.ts";

/** Runs the node in the foreground until a signal comes. */
export const startVerb: Verb = {
  name: "start",
  summary: "Run the node: join the swarm, load and serve blocks, announce them",
  words: "",
  wordCount: [0, 0],
  flags: [...START_FLAGS, JSON_FLAG],
  more:
    `--json writes one object a line: listening, loaded, announced, ready, degraded, stopped. Logs go to stderr.
SIGTERM or Ctrl-C says OFFLINE to the swarm and ends; a second one ends at once.
Every setting, also those without a flag: kwaainet config show.`,
  async run(invocation) {
    const { startNode } = await import("./start_node.ts");
    return await startNode(invocation, this.flags);
  },
};
