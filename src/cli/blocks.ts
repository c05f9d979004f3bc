/**
 * `kwaainet blocks`.
 *
 * @module
 */
import type { SwarmDocument, SwarmModelDocument, SwarmServerDocument } from "../api/swarm.ts";
import { NodeError } from "../base/errors.ts";
import { counted, spanWords } from "../base/words.ts";
import { askNode } from "./ask_node.ts";
import { CONFIG_FLAGS, JSON_FLAG } from "./flags.ts";
import { printable, terminalWidth } from "./output.ts";
import { loadSettings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Verb } from "./verb.ts";

/** Servers listed of one model. */
const MAX_SERVERS = 50;
/** An age that is told. */
const NOTABLE_SECONDS = 5;

/** Shows who serves which blocks of which model. */
export const blocksVerb: Verb = {
  name: "blocks",
  summary: "Show which blocks of which models the swarm serves",
  words: "",
  wordCount: [0, 0],
  flags: [
    { name: "model", kind: "text", value: "PREFIX", sentence: "Only this model, by its name in the DHT." },
    ...CONFIG_FLAGS,
    JSON_FLAG,
  ],
  more:
    `One character a block: a digit says how many serve it (+ for ten and more), . that nobody does, ? that it is announced
by servers that gave no answer, and the line below marks the blocks of this node with ^. Exit code 3 when no node runs on
the data folder.`,
  async run(invocation) {
    const settings = loadSettings(invocation, this.flags);
    const { paths } = settings;
    using stop = listenForSignals();
    const wanted = invocation.flags.get("model") as string | undefined;
    const query = wanted === undefined ? "" : `?model=${encodeURIComponent(wanted)}`;
    const document = await askNode<SwarmDocument>(paths, `/api/v1/swarm${query}`, stop.signal);
    if (wanted !== undefined && document.models.length === 0) {
      throw new NodeError(
        "not_found",
        `Cannot show ${JSON.stringify(wanted)}: nobody serves it, wanted a name that kwaainet blocks lists`,
      );
    }
    if (invocation.flags.has("json")) invocation.output.json(document);
    else {
      const { clock } = worldOf(invocation, settings, "warn");
      const lines = [...swarmLines(document, terminalWidth()), ...ageLines(document, clock.now())];
      for (const line of lines) invocation.output.line(line);
    }
    return 0;
  },
};

/** How old the picture is, where that can be seen: a node reads the swarm now and then. `nowMs` is its clock. */
export function ageLines({ readAt }: Pick<SwarmDocument, "readAt">, nowMs: number): string[] {
  const seconds = (nowMs - readAt) / 1000;
  return seconds < NOTABLE_SECONDS ? [] : [`As the node saw it ${spanWords(seconds)} ago`];
}

/** All models for people, no line wider than `width` as far as strips go. */
export function swarmLines({ models }: SwarmDocument, width: number): readonly string[] {
  if (models.length === 0) {
    return ["Nobody serves a model in this network. To serve one: kwaainet start --model SOURCE"];
  }
  return models.flatMap((model, i) => [...(i === 0 ? [] : [""]), ...modelLines(model, width)]);
}

function modelLines(model: SwarmModelDocument, width: number): string[] {
  const { prefix, blocks, missing, silent, servers, coverage } = model;
  const online = servers.filter(({ state, reachable }) => state === "online" && reachable !== false).length;
  const away = servers.filter(({ state, reachable }) => state === "online" && reachable === false).length;
  const facts = [
    counted(blocks, "block"),
    `${counted(online, "server")} online`,
    ...(away === 0 ? [] : [`${away} without an answer`]),
    missing.length === 0 ? "every block is served" : `nobody serves ${runsText(missing)}`,
  ];
  const [gap] = missing;
  return [
    `${printable(prefix)}: ${facts.join(", ")}`,
    ...(silent.length === 0
      ? []
      : [`  ${runsText(silent)}: announced, but no server of them gave an answer`]),
    ...stripLines({ coverage, silent, own: servers.find(({ self }) => self)?.blocks }, width),
    ...servers.slice(0, MAX_SERVERS).map(serverLine),
    ...(servers.length > MAX_SERVERS ? [`  and ${servers.length - MAX_SERVERS} more`] : []),
    ...(gap === undefined
      ? []
      : [`  To serve them: kwaainet start --model SOURCE --blocks ${gap.join(":")}`]),
  ];
}

type Run = readonly [start: number, end: number];
const runsText = (runs: readonly Run[]): string => runs.map(([start, end]) => `${start}:${end}`).join(", ");
const isIn = ([start, end]: Run, block: number): boolean => block >= start && block < end;

/** What a strip shows of a model's blocks. */
export interface Strip extends Pick<SwarmModelDocument, "coverage" | "silent"> {
  /** Blocks of this node. */
  readonly own: Run | undefined;
}

/**
 * One character a block, in rows that begin with the number of their first block.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const strip = { coverage: [1, 1, 0, 12, 0], silent: [[4, 5]], own: [0, 2] } as const;
 * assertEquals(stripLines(strip, 80), ["    0  11.+?", "       ^^"]);
 * ```
 */
export function stripLines({ coverage, silent, own }: Strip, width: number): string[] {
  const room = Math.max(10, width - 7);
  const letterOf = (servers: number, block: number) => {
    if (servers === 0) return silent.some((run) => isIn(run, block)) ? "?" : ".";
    return servers > 9 ? "+" : `${servers}`;
  };
  const lines: string[] = [];
  for (let start = 0; start < coverage.length; start += room) {
    const row = coverage.slice(start, start + room);
    const letters = row.map((servers, i) => letterOf(servers, start + i)).join("");
    lines.push(`${`${start}`.padStart(5)}  ${letters}`);
    const marks = row.map((_, i) => own !== undefined && isIn(own, start + i) ? "^" : " ");
    const marked = marks.join("").trimEnd();
    if (marked !== "") lines.push(`       ${marked}`);
  }
  return lines;
}

function serverLine(server: SwarmServerDocument): string {
  const { peerId, name, state, blocks: [start, end], throughput, version, self, reachable, rttMs } = server;
  const facts = [
    `${start}:${end}`.padEnd(9),
    name === null ? peerId : `${printable(name).slice(0, 40)} (${peerId.slice(0, 12)}…)`,
    state === "joining" ? "loading" : `${Math.round(throughput * 10) / 10} tokens/s`,
    printable(version ?? "").slice(0, 40),
    self ? "this node" : reachable === null ? "" : reachable ? `${rttMs ?? "?"} ms` : "gave no answer",
  ];
  return `  ${facts.filter((fact) => fact !== "").join("  ")}`;
}
