/**
 * `kwaainet start`.
 *
 * @module
 */
import { codeOf, messageOf } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { realParts } from "../node/assemble.ts";
import type { NodeParts } from "../node/parts.ts";
import { openNode } from "../node/node.ts";
import { type NodePlan, planOf } from "../node/plan.ts";
import { VERSION } from "./build_info.ts";
import { JSON_FLAG } from "./flags.ts";
import { reportJson, reportLines } from "./node_report.ts";
import type { Output } from "./output.ts";
import { loadSettings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
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
    const settings = loadSettings(invocation, this.flags);
    const plan = planOf(settings.config, settings.paths, VERSION);
    using stop = listenForSignals();
    const world = worldOf(invocation, settings, "info");
    const json = invocation.flags.has("json");
    if (plan.model === undefined && settings.config.serve) {
      invocation.output.error(
        "No model is named: this node serves nothing. To serve: kwaainet start --model SOURCE, such as smollm2-135m",
      );
    }
    return await runNode({
      world,
      plan,
      parts: realParts(invocation.environment),
      output: invocation.output,
      json,
    }, stop.signal);
  },
};

interface NodeRun {
  readonly world: World;
  readonly plan: NodePlan;
  readonly parts: NodeParts;
  readonly output: Output;
  readonly json: boolean;
}

/** Runs a node until `stop` aborts, or until it can never do what was asked. Exit code 0, or what was thrown. */
export async function runNode(
  { world, plan, parts, output, json }: NodeRun,
  stop: AbortSignal,
): Promise<number> {
  const tell = json ? reportJson(output, world.clock) : reportLines(output);
  const stopped = (reason: string) => {
    if (json) output.event(world.clock, "stopped", { reason });
    else output.line(`Stopped: ${reason}`);
  };
  try {
    await using node = await openNode(world, plan, parts, tell);
    await Promise.race([node.failed, aborted(stop)]);
  } catch (error) {
    if (!stop.aborted || codeOf(error, "corrupt") !== "aborted") {
      stopped(`error: ${messageOf(error)}`);
      throw error;
    }
  }
  stopped("signal");
  return 0;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
