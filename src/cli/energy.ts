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
import { energyLines, headline } from "./energy_lines.ts";
import { CONFIG_FLAGS, JSON_FLAG, settingFlag } from "./flags.ts";
import type { Output } from "./output.ts";
import { loadSettings, type Settings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Invocation, Verb } from "./verb.ts";

/** How long the sensors are watched where no node runs, seconds. */
const FOR_SECONDS = 1;

/** Tells what the machine's sensors say, and what a token costs. */
export const energyVerb: Verb = {
  name: "energy",
  summary: "Tell what power this machine takes, by which sensor, and what a token costs",
  words: "[export]",
  wordCount: [0, 1],
  flags: [
    {
      name: "watch",
      kind: "text",
      value: "SECONDS",
      sentence: "Tell again and again, so many seconds apart.",
    },
    {
      name: "for",
      kind: "text",
      value: "SECONDS",
      sentence: `How long to sample where no node runs; ${FOR_SECONDS} without it.`,
    },
    {
      name: "from",
      kind: "text",
      value: "TIME",
      sentence: "First hour to export, in UTC; the oldest without it.",
    },
    { name: "to", kind: "text", value: "TIME", sentence: "Hour to export up to; all without it." },
    { name: "format", kind: "text", value: "csv|json", sentence: "How to export; csv without it." },
    settingFlag("sysfs", "DIR"),
    settingFlag("procfs", "DIR"),
    ...CONFIG_FLAGS,
    JSON_FLAG,
  ],
  more:
    "Asks the running node. With --sysfs or --procfs, or when none runs, it opens the sensors itself and samples\n" +
    "them ten times a second. A star marks the sources that make up the figure. `kwaainet doctor` tells what to do about\n" +
    "sensors that may not be read. `energy export` writes the books of past hours as CSV or JSON.",
  async run(invocation) {
    const settings = loadSettings(invocation, this.flags);
    const [word] = invocation.words;
    if (word === "export") {
      await exportHours(invocation, settings);
      return 0;
    }
    if (word !== undefined) throw unknownWord("energy", word, ["export"]);
    const watchMs = secondsOf(invocation, "watch");
    const forMs = secondsOf(invocation, "for") ?? FOR_SECONDS * 1000;
    const { output, flags } = invocation;
    const world = worldOf(invocation, settings, "warn");
    const say = sayer(output, { json: flags.has("json"), short: watchMs !== undefined });
    using stop = listenForSignals();
    using either = openFirstOf(stop.signal, output.closed);
    const ownRoots = flags.has("sysfs") || flags.has("procfs");
    if (!ownRoots && await tellOfNode({ world, settings, say, watchMs }, either.signal)) return 0;
    const { config } = settings;
    await probeEnergy(
      world,
      config,
      { forMs, everyMs: watchMs },
      (snapshot) => say(energyDocument(snapshot)),
      either.signal,
    );
    return 0;
  },
};

type Say = (document: EnergyDocument) => void;

function sayer(output: Output, { json, short }: { readonly json: boolean; readonly short: boolean }): Say {
  if (json) return (document) => output.json(document);
  if (short) {
    return (document) => output.line(`${headline(document)}${tokenText(document)}`);
  }
  return (document) => {
    for (const line of energyLines(document)) output.line(line);
  };
}

const tokenText = ({ node, joulesPerToken }: EnergyDocument): string =>
  (node.joules === null ? "" : `, ${node.joules.toFixed(1)} J`) +
  (typeof joulesPerToken?.full !== "number" ? "" : `, ${joulesPerToken.full.toFixed(3)} J for a token`);

interface Asking {
  readonly world: World;
  readonly settings: Settings;
  readonly say: Say;
  readonly watchMs: number | undefined;
}

/** Tells what the running node says, once or until `signal` aborts. False when none runs. */
async function tellOfNode({ world, settings, say, watchMs }: Asking, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    try {
      say(await askNode<EnergyDocument>(settings.paths, "/api/v1/energy"));
    } catch (error) {
      if (error instanceof NodeError && error.code === "not_running" && watchMs === undefined) return false;
      throw error;
    }
    if (watchMs === undefined) return true;
    await world.clock.sleep(watchMs, signal);
  }
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
