/**
 * `kwaainet doctor`.
 *
 * @module
 */
import { type EnergyDocument, energyDocument } from "../api/energy.ts";
import { codeOf, messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { probeEnergy } from "../node/probe_energy.ts";
import { askNode } from "./ask_node.ts";
import { energyCheck } from "./check_energy.ts";
import type { Check, CheckContext, Diagnosis } from "./checks.ts";
import { CONFIG_FLAGS, JSON_FLAG, settingFlag } from "./flags.ts";
import { loadSettings, type Settings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Verb } from "./verb.ts";

/** All checks, in the order in which they are told. */
const CHECKS: readonly Check[] = [energyCheck];
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
    "Works with and without a running node. Looks at sensors of energy so far. Exit code 1 when something fails.",
  async run(invocation) {
    const settings = loadSettings(invocation, this.flags);
    const { output, flags } = invocation;
    const world = worldOf(invocation, settings, "warn");
    using stop = listenForSignals();
    const context = await contextOf(world, settings, flags.has("sysfs") || flags.has("procfs"), stop.signal);
    const found = await examine(CHECKS, context, stop.signal);
    if (flags.has("json")) output.json({ schema: 1, running: context.isRunning, found });
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
  return found.flatMap(({ check, severity, says, cure }) => [
    `${MARKS[severity]}  ${check}: ${says}`,
    ...(cure === undefined ? [] : [`      → ${cure}`]),
  ]);
}

async function contextOf(
  world: World,
  settings: Settings,
  ownRoots: boolean,
  signal: AbortSignal,
): Promise<CheckContext> {
  if (!ownRoots) {
    try {
      const energy = await askNode<EnergyDocument>(settings.paths, "/api/v1/energy");
      return { world, settings, energy, isRunning: true };
    } catch (error) {
      if (!(error instanceof NodeError) || codeOf(error, "remote") !== "not_running") throw error;
    }
  }
  let energy: EnergyDocument | undefined;
  await probeEnergy(world, settings.config, { forMs: PROBE_MS }, (snapshot) => {
    energy = energyDocument(snapshot);
  }, signal);
  return { world, settings, energy: energy!, isRunning: false };
}
