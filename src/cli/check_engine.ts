/**
 * The engine: whether one computes here, and which others do not.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import { type Check, tellOf } from "./checks.ts";

const tell = tellOf("engine");
const CURE =
  "use a build for this machine (kwaainet version), give a folder with ggml's libraries for it with --backend-dir, or " +
  "let the node choose: --engine auto";

/** Starts the engine as a node would, libraries included. */
export const engineCheck: Check = {
  name: "engine",
  limitMs: 30_000,
  async run({ lookouts, node, settings: { config } }, signal) {
    const serving = node.state === "running" ? node.status.serving : null;
    if (serving?.engine) return [tell("ok", `the node computes with ${serving.engine}`)];
    try {
      const { name, reason } = await lookouts.engine(signal);
      if (name === "reference") {
        return [tell("warn", `only the slow engine runs (${name}, ${reason})`, CURE)];
      }
      return [tell("ok", `${name} (${reason})`)];
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NodeError)) throw error;
      return [tell(config.serve ? "fail" : "warn", `no engine runs: ${messageOf(error)}`, CURE)];
    }
  },
};
