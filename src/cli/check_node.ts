/**
 * The node itself: whether one runs here, and what it says is not as it should be.
 *
 * @module
 */
import { type Check, tellOf } from "./checks.ts";

const tell = tellOf("node");
/** By what does not work. */
const CURES: Readonly<Record<string, string>> = {
  network: "see bootstraps",
  engine: "see engine",
  contribution: "it goes on by itself when that is over; kwaainet config show lists when it rests (policy.…)",
};

/** Whether a node runs, and what it says of itself. */
export const nodeCheck: Check = {
  name: "node",
  run({ node, settings, taken }) {
    const looked = taken === undefined ? [] : [tell("info", taken)];
    if (node.state === "none") {
      const { root } = settings.paths;
      return [tell("info", `none runs on ${root}: this machine was looked at without one`)];
    }
    if (node.state === "silent") {
      const cure = "see its log; end it and start it again";
      return [tell("fail", `one holds the data folder and does not answer: ${node.why}`, cure), ...looked];
    }
    const { readiness, uptimeSeconds, version, degraded } = node.status;
    const since = `version ${version}, up for ${Math.round(uptimeSeconds)} s`;
    return [
      readiness.ready ? tell("ok", `it runs (${since})`) : tell(
        "warn",
        `it is not ready (${since}): ${readiness.reason}`,
        "wait for it: kwaainet status, or its log",
      ),
      ...looked,
      ...degraded.map(({ what, why }) =>
        tell("warn", `${what}: ${why}`, CURES[what] ?? "see the node's log")
      ),
    ];
  },
};
