/**
 * `kwaainet energy`.
 *
 * @module
 */
import { type EnergyDocument, energyDocument } from "../api/energy.ts";
import { openFirstOf } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { probeEnergy } from "../node/probe_energy.ts";
import { askNode } from "./ask_node.ts";
import { unknownWord } from "./config.ts";
import { exportHours } from "./energy_export.ts";
import { sayEnergy } from "./energy_lines.ts";
import { CONFIG_FLAGS, JSON_FLAG, settingFlag } from "./flags.ts";
import { loadSettings, type Settings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Flag, Invocation, Verb } from "./verb.ts";

/** Between answers of `--watch` without a number, seconds. */
const WATCH_SECONDS = 2;
/** How long the sensors are watched where no node runs, seconds. */
const FOR_SECONDS = 1;

/** What only looking at the power now takes, and what only the export does. */
const NOW_FLAGS: readonly Flag[] = [
  {
    name: "watch",
    kind: "text",
    value: "[SECONDS]",
    sentence: `Tell again and again, so many seconds apart; ${WATCH_SECONDS} without a number.`,
    ifBare: `${WATCH_SECONDS}`,
  },
  {
    name: "for",
    kind: "text",
    value: "SECONDS",
    sentence: `How long to sample where no node runs; ${FOR_SECONDS} without it.`,
  },
];
const EXPORT_FLAGS: readonly Flag[] = [
  {
    name: "from",
    kind: "text",
    value: "TIME",
    sentence: "First hour to export, in UTC; the oldest without it.",
  },
  { name: "to", kind: "text", value: "TIME", sentence: "Hour to export up to; all without it." },
  { name: "format", kind: "text", value: "csv|json", sentence: "How to export; csv without it." },
];

/** Tells what the machine's sensors say, and what a token costs. */
export const energyVerb: Verb = {
  name: "energy",
  summary: "Tell what power this machine takes, by which sensor, and what a token costs",
  words: "[export]",
  wordCount: [0, 1],
  flags: [
    ...NOW_FLAGS,
    ...EXPORT_FLAGS,
    settingFlag("sysfs", "DIR"),
    settingFlag("procfs", "DIR"),
    ...CONFIG_FLAGS,
    JSON_FLAG,
  ],
  more:
    "Asks the running node. With --sysfs or --procfs, or when none runs, it opens the sensors itself and samples\n" +
    "them ten times a second. A star marks the sources that make up the figure. `kwaainet doctor` tells what to do about\n" +
    "sensors that may not be read. --watch keeps a terminal up to date, and writes a line each time where there is none;\n" +
    "Ctrl-C ends it. `energy export` writes the books of hours that are over as CSV or JSON.",
  async run(invocation) {
    const [word] = invocation.words;
    if (word !== undefined && word !== "export") throw unknownWord("energy", word, ["export"]);
    refuse(invocation, word === "export" ? NOW_FLAGS : EXPORT_FLAGS);
    const settings = loadSettings(invocation, this.flags);
    if (word === "export") await exportHours(invocation, settings);
    else await tellEnergy(invocation, settings);
    return 0;
  },
};

/** A flag that does nothing would be taken for one that did. */
function refuse({ flags, words: [word] }: Invocation, useless: readonly Flag[]): void {
  const flag = useless.find(({ name }) => flags.has(name));
  if (flag === undefined) return;
  const cure = word === "export" ? "kwaainet energy without export" : "kwaainet energy export";
  throw new NodeError("usage", `Cannot use --${flag.name}: it has no meaning here, wanted ${cure}`);
}

async function tellEnergy(invocation: Invocation, settings: Settings): Promise<void> {
  const { output, flags } = invocation;
  const everyMs = secondsOf(invocation, "watch");
  const forMs = secondsOf(invocation, "for") ?? FOR_SECONDS * 1000;
  const world = worldOf(invocation, settings, "warn");
  const say = sayEnergy(output, world.clock, { json: flags.has("json"), everyMs });
  using stop = listenForSignals();
  using either = openFirstOf(stop.signal, output.closed);
  const ownRoots = flags.has("sysfs") || flags.has("procfs");
  if (!ownRoots && await tellOfNode({ world, settings, say, everyMs }, either.signal)) return;
  const tell = (snapshot: Parameters<typeof energyDocument>[0]) => say(energyDocument(snapshot));
  await probeEnergy(world, settings.config, { forMs, everyMs }, tell, either.signal);
}

interface Asking {
  readonly world: World;
  readonly settings: Settings;
  readonly say: (document: EnergyDocument) => void;
  readonly everyMs: number | undefined;
}

/** Tells what the running node says, once or until `signal` aborts. False when none runs from the beginning. */
async function tellOfNode(
  { world, settings, say, everyMs }: Asking,
  signal: AbortSignal,
): Promise<boolean> {
  const ask = () => askNode<EnergyDocument>(settings.paths, "/api/v1/energy", signal);
  try {
    say(await ask());
  } catch (error) {
    if (error instanceof NodeError && error.code === "not_running") return false;
    throw error;
  }
  while (everyMs !== undefined) {
    await world.clock.sleep(everyMs, signal);
    say(await ask());
  }
  return true;
}

function secondsOf({ flags }: Invocation, name: "watch" | "for"): number | undefined {
  const text = flags.get(name) as string | undefined;
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && seconds >= 0.1 && seconds <= 86_400) return seconds * 1000;
  throw new NodeError(
    "usage",
    `Cannot use --${name}: it is ${JSON.stringify(text)}, wanted seconds from 0.1 to 86400`,
  );
}
