/**
 * `kwaainet doctor`.
 *
 * @module
 */
import { type EnergyDocument, energyDocument } from "../api/energy.ts";
import type { StatusDocument } from "../api/status.ts";
import { openDeadline, orAbort } from "../base/deadline.ts";
import { codeOf, messageOf, NodeError, wordsOf } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { readAddresses } from "../device/addresses.ts";
import { probeEnergy } from "../node/probe_energy.ts";
import { asNodeRuns, type SettingsBesideNode } from "./as_node_runs.ts";
import { askNode } from "./ask_node.ts";
import { bootstrapsCheck } from "./check_bootstraps.ts";
import { clockCheck } from "./check_clock.ts";
import { diskCheck } from "./check_disk.ts";
import { dnsCheck } from "./check_dns.ts";
import { energyCheck } from "./check_energy.ts";
import { engineCheck } from "./check_engine.ts";
import { inboundCheck } from "./check_inbound.ts";
import { keyCheck } from "./check_key.ts";
import { memoryCheck } from "./check_memory.ts";
import { modelCheck } from "./check_model.ts";
import { ipv6Check, natCheck, networkCheck } from "./check_network.ts";
import { nodeCheck } from "./check_node.ts";
import { permissionsCheck } from "./check_permissions.ts";
import { portsCheck } from "./check_ports.ts";
import { settingsCheck } from "./check_settings.ts";
import { supplyCheck } from "./check_supply.ts";
import { type Check, type CheckContext, type Diagnosis, findingOf, type NodeAnswer } from "./checks.ts";
import { bootstrapsOf, type OpenLookouts, openLookouts } from "./doctor_lookouts.ts";
import { BACKEND_DIR_FLAG, CONFIG_FLAGS, JSON_FLAG, settingFlag } from "./flags.ts";
import { printable } from "./output.ts";
import { loadSettings, type Settings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Verb } from "./verb.ts";

/** All checks, in the order in which they are told. */
const CHECKS: readonly Check[] = [
  nodeCheck,
  settingsCheck,
  networkCheck,
  clockCheck,
  dnsCheck,
  bootstrapsCheck,
  inboundCheck,
  natCheck,
  ipv6Check,
  keyCheck,
  portsCheck,
  permissionsCheck,
  diskCheck,
  memoryCheck,
  modelCheck,
  engineCheck,
  supplyCheck,
  energyCheck,
];
/** How long sensors are sampled where no node runs. */
const PROBE_MS = 1_200;
/** Longest search for sensors: a meter in the network may be away. */
const SENSORS_MS = 15_000;
/** Longest time of a check that names none. */
const CHECK_MS = 10_000;

/** Tells what is wrong with this machine or node, why, and what to do. */
export const doctorVerb: Verb = {
  name: "doctor",
  summary: "Tell what does not work here, why, and what to do",
  words: "",
  wordCount: [0, 0],
  flags: [
    settingFlag("model", "SOURCE"),
    settingFlag("blocks", "A:B"),
    settingFlag("network", "kwaai|petals|private"),
    settingFlag("initial_peers", "MADDR[,MADDR…]"),
    settingFlag("listen", "MADDR[,MADDR…]"),
    settingFlag("api", "HOST:PORT"),
    settingFlag("engine", "auto|ggml|onnx|reference"),
    BACKEND_DIR_FLAG,
    settingFlag("sysfs", "DIR"),
    settingFlag("procfs", "DIR"),
    ...CONFIG_FLAGS,
    JSON_FLAG,
  ],
  more:
    "Works with and without a running node; without one it wants the settings that the node would start with, beside one\n" +
    "it takes the node's own where no flag says otherwise. Looks at the settings, the clock, names, bootstraps, the way in,\n" +
    "addresses, the key, ports, permissions, disk, memory, the model, the engine, the power supply and sensors. Each finding\n" +
    "has a state (ok, warn, fail, unknown), a cause and a cure. Exit code 1 when something fails.",
  async run(invocation) {
    const own = loadSettings(invocation, this.flags);
    const { output, flags, environment } = invocation;
    const world = worldOf(invocation, own, "warn");
    using stop = listenForSignals();
    const ownRoots = flags.has("sysfs") || flags.has("procfs");
    const node = await answerOf(own, stop.signal);
    const { settings, taken } = asNodeRuns(own, node);
    const end = new AbortController();
    await using lookouts = openLookouts(world, settings, { node, environment }, end.signal);
    const leave = () => end.abort(stop.signal.reason);
    stop.signal.addEventListener("abort", leave, { once: true });
    const context = await contextOf(world, { settings, taken, node, lookouts, ownRoots }, stop.signal);
    const found = await examine(CHECKS, context, stop.signal);
    end.abort(new NodeError("aborted", "All checks are done"));
    if (flags.has("json")) {
      output.json({ schema: 1, running: node.state === "running", found: found.map(findingOf) });
    } else for (const line of diagnosisLines(found)) output.line(line);
    return found.some(({ severity }) => severity === "fail") ? 1 : 0;
  },
};

/**
 * What all checks find, in their order; they run side by side, each within its own time. A check that fails itself says so
 * and costs the others nothing.
 */
export async function examine(
  checks: readonly Check[],
  context: CheckContext,
  signal: AbortSignal,
): Promise<Diagnosis[]> {
  return (await Promise.all(checks.map((check) => examineOne(check, context, signal)))).flat();
}

async function examineOne(check: Check, context: CheckContext, signal: AbortSignal): Promise<Diagnosis[]> {
  const limitMs = check.limitMs ?? CHECK_MS;
  using late = openDeadline(context.world.clock, limitMs, `finish the check of ${check.name}`, signal);
  try {
    // apart from this turn: one that throws at once must not keep the others from starting
    const work = Promise.resolve().then(() => check.run(context, late.signal));
    return await orAbort(work, late.signal);
  } catch (error) {
    signal.throwIfAborted();
    const isLate = late.signal.aborted && codeOf(error, "corrupt") === "timeout";
    return [
      isLate
        ? {
          check: check.name,
          severity: "unknown",
          says: `not found out: the check took longer than ${limitMs / 1000} s`,
          cure: "ask again when the machine and the network have less to do",
        }
        : {
          check: check.name,
          severity: "fail",
          says: `the check itself failed: ${messageOf(error)}`,
          cure: "this is a fault of the program: report it with these words",
        },
    ];
  }
}

const MARKS = { ok: "ok  ", info: "note", warn: "warn", fail: "FAIL", unknown: "?   " } as const;

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

interface Known extends SettingsBesideNode {
  readonly node: NodeAnswer;
  readonly lookouts: OpenLookouts;
  /** Whether other roots than the machine's are to be looked at. */
  readonly ownRoots: boolean;
}

async function contextOf(
  world: World,
  { settings, taken, node, lookouts, ownRoots }: Known,
  signal: AbortSignal,
): Promise<CheckContext> {
  const running = node.state === "running" && !ownRoots;
  const energy =
    await (running
      ? askNode<EnergyDocument>(settings.paths, "/api/v1/energy", signal)
      : energyOf(world, settings, signal)).catch((error) => {
        signal.throwIfAborted();
        if (error instanceof NodeError) return undefined;
        throw error;
      });
  const bootstraps = bootstrapsOf(settings);
  return { world, settings, taken, energy, node, bootstraps, addresses: readAddresses(), lookouts };
}

/** Figures of sensors opened for this. Throws `NodeError` `timeout` where they do not end in time. */
async function energyOf(world: World, { config }: Settings, signal: AbortSignal): Promise<EnergyDocument> {
  let energy: EnergyDocument | undefined;
  using late = openDeadline(world.clock, SENSORS_MS, "read the sensors", signal);
  const tell = (snapshot: Parameters<typeof energyDocument>[0]) => void (energy = energyDocument(snapshot));
  await orAbort(probeEnergy(world, config, { forMs: PROBE_MS }, tell, late.signal), late.signal);
  return energy!;
}

async function answerOf({ paths }: Settings, signal: AbortSignal): Promise<NodeAnswer> {
  try {
    return { state: "running", status: await askNode<StatusDocument>(paths, "/api/v1/status", signal) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof NodeError)) throw error;
    return error.code === "not_running" ? { state: "none" } : { state: "silent", why: wordsOf(error) };
  }
}
