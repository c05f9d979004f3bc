/**
 * Verbs that show what the running node answers on one route.
 *
 * @module
 */
import { readHolder } from "../node/lock.ts";
import { askNode } from "./ask_node.ts";
import { loadSettings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Flag, Invocation } from "./verb.ts";

/** Asks `route` and shows the answer: as it is with `--json`, else as `lines` of it, which are told the
 * node's clock and the address of its API. The exit code. Throws as `askNode`. */
export async function showAnswer<T extends object>(
  invocation: Invocation,
  flags: readonly Flag[],
  route: string,
  lines: (answer: T, nowMs: number, api: string) => readonly string[],
): Promise<number> {
  const settings = loadSettings(invocation, flags);
  const { paths } = settings;
  using stop = listenForSignals();
  const answer = await askNode<T>(paths, route, stop.signal);
  if (invocation.flags.has("json")) invocation.output.json(answer);
  else {
    // the node is on this machine, so its clock is this one
    const { clock } = worldOf(invocation, settings, "warn");
    for (const line of lines(answer, clock.now(), readHolder(paths)?.api ?? "")) invocation.output.line(line);
  }
  return 0;
}
