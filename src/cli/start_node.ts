/**
 * What `kwaainet start` does. Apart from the verb itself, so that short verbs and the engine process need not load the
 * network's libraries.
 *
 * @module
 */
import { codeOf, messageOf } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { realParts } from "../node/assemble.ts";
import { openNode } from "../node/node.ts";
import type { NodeParts } from "../node/parts.ts";
import { type NodePlan, planOf } from "../node/plan.ts";
import { VERSION } from "./build_info.ts";
import { reportJson, reportLines } from "./node_report.ts";
import type { Output } from "./output.ts";
import { loadSettings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Flag, Invocation } from "./verb.ts";

/** Runs a node as the invocation says, until a signal comes. The exit code. */
export async function startNode(invocation: Invocation, flags: readonly Flag[]): Promise<number> {
  const settings = loadSettings(invocation, flags);
  const plan = planOf(settings.config, settings.paths, VERSION);
  using stop = listenForSignals();
  const world = worldOf(invocation, settings, "info");
  const { output, environment } = invocation;
  if (plan.model === undefined && settings.config.serve) {
    output.error(
      "No model is named: this node serves nothing. To serve: kwaainet start --model SOURCE, such as smollm2-135m",
    );
  }
  const json = invocation.flags.has("json");
  return await runNode({ world, plan, parts: realParts(environment), output, json }, stop.signal);
}

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
      // on a terminal the error itself stands below, in the same words
      if (json || !output.mixesOnTerminal) stopped(`error: ${messageOf(error)}`);
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
