/**
 * `kwaainet doctor`.
 *
 * @module
 */
import { type EnergyDocument, energyDocument } from "../api/energy.ts";
import type { StatusDocument } from "../api/status.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { probeEnergy } from "../node/probe_energy.ts";
import { askNode } from "./ask_node.ts";
import { energyCheck } from "./check_energy.ts";
import { nodeCheck } from "./check_node.ts";
import { supplyCheck } from "./check_supply.ts";
import type { Check, CheckContext, Diagnosis, NodeAnswer } from "./checks.ts";
import { CONFIG_FLAGS, JSON_FLAG, settingFlag } from "./flags.ts";
import { printable } from "./output.ts";
import { loadSettings, type Settings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Verb } from "./verb.ts";

/** All checks, in the order in which they are told. */
const CHECKS: readonly Check[] = [nodeCheck, supplyCheck, energyCheck];
/** How long sensors are sampled where no node runs. */
const PROBE_MS = 1_200;

/** Tells what is wrong with this machine or node, why, and what to do. */
export const doctorVerb: Verb = {
  name: "doctor",
  summary: "Tell what does not work here, why, and what to do",
  words: "",
  wordCount: [0, 0],
  flags: [settingFlag("sysfs", "DIR"), settingFlag("procfs", "DIR"), ...CONFIG_FLAGS, JSON_FLAG],
  more:
    "Works with and without a running node. Looks at the node, the power supply and the sensors so far. Exit code 1 when\n" +
    "something fails.",
  async run(invocation) {
    const settings = loadSettings(invocation, this.flags);
    const { output, flags } = invocation;
    const world = worldOf(invocation, settings, "warn");
    using stop = listenForSignals();
    const ownRoots = flags.has("sysfs") || flags.has("procfs");
    const context = await contextOf(world, settings, ownRoots, stop.signal);
    const found = await examine(CHECKS, context, stop.signal);
    if (flags.has("json")) output.json({ schema: 1, running: context.node.state === "running", found });
    else for (const line of diagnosisLines(found)) output.line(line);
    return found.some(({ severity }) => severity === "fail") ? 1 : 0;
  },
};

/** What all checks find, one after another; a check that fails itself says so and costs the others nothing. */
export async function examine(
  checks: readonly Check[],
  context: CheckContext,
  signal: AbortSignal,
): Promise<Diagnosis[]> {
  const found: Diagnosis[] = [];
  for (const check of checks) {
    try {
      found.push(...await check.run(context, signal));
    } catch (error) {
      signal.throwIfAborted();
      found.push({
        check: check.name,
        severity: "fail",
        says: `the check itself failed: ${messageOf(error)}`,
      });
    }
  }
  return found;
}

const MARKS = { ok: "ok  ", info: "note", warn: "warn", fail: "FAIL" } as const;

/** For people: what is, and below it what to do. */
export function diagnosisLines(found: readonly Diagnosis[]): string[] {
  return found.flatMap(({ check, severity, says, cure }) => {
    const [first, ...more] = says.split("\n");
    const [todo, ...lines] = cure?.split("\n") ?? [];
    return [
      `${MARKS[severity]}  ${check}: ${first}`,
      ...more.map((line) => `      ${line}`),
      ...(todo === undefined ? [] : [`      → ${todo}`]),
      ...lines.map((line) => `        ${line}`),
    ];
  }).map(printable);
}

async function contextOf(
  world: World,
  settings: Settings,
  ownRoots: boolean,
  signal: AbortSignal,
): Promise<CheckContext> {
  const node = await answerOf(settings, signal);
  if (node.state === "running" && !ownRoots) {
    const energy = await askNode<EnergyDocument>(settings.paths, "/api/v1/energy", signal);
    return { world, settings, energy, node };
  }
  let energy: EnergyDocument | undefined;
  await probeEnergy(world, settings.config, { forMs: PROBE_MS }, (snapshot) => {
    energy = energyDocument(snapshot);
  }, signal);
  return { world, settings, energy: energy!, node };
}

async function answerOf({ paths }: Settings, signal: AbortSignal): Promise<NodeAnswer> {
  try {
    return { state: "running", status: await askNode<StatusDocument>(paths, "/api/v1/status", signal) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof NodeError)) throw error;
    return error.code === "not_running" ? { state: "none" } : { state: "silent", why: messageOf(error) };
  }
}
