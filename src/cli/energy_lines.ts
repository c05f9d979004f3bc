/**
 * Energy for people, and how it is told again and again.
 *
 * @module
 */
import type { EnergyDocument, SourceDocument } from "../api/energy.ts";
import type { Clock } from "../base/world.ts";
import { type Output, printable } from "./output.ts";

/** How it is told; `everyMs` is absent where it is told once. */
export interface Saying {
  readonly json: boolean;
  readonly everyMs: number | undefined;
}

/** Tells documents as they come: in JSON, on a terminal that is kept up to date, or a line each with its time. */
export function sayEnergy(
  output: Output,
  clock: Clock,
  { json, everyMs }: Saying,
): (document: EnergyDocument) => void {
  const again = everyMs !== undefined;
  if (json) return (document) => again ? output.event(clock, "energy", document) : output.json(document);
  if (again && output.isTerminal) {
    const every = `Every ${everyMs / 1000} s; Ctrl-C ends it`;
    return (document) => output.screen([...energyLines(document), "", every]);
  }
  if (again) return (document) => output.line(`${timeText(clock)}  ${shortLine(document)}`);
  return (document) => {
    for (const line of energyLines(document)) output.line(line);
  };
}

const timeText = (clock: Clock): string => new Date(clock.now()).toISOString().replace(/\.\d+Z$/, "Z");

function shortLine(document: EnergyDocument): string {
  const { node: { joules }, joulesPerToken } = document;
  const since = joules === null ? "" : `, ${joulesText(joules)} since the start`;
  const token = typeof joulesPerToken?.full !== "number"
    ? ""
    : `, ${joulesPerToken.full.toFixed(3)} J for a token`;
  return printable(`${headline(document)}${since}${token}`);
}

/** All that is known, a headline first; figures that are not known are left out. */
export function energyLines(document: EnergyDocument): string[] {
  const { node, sources, accounts, tokens, joulesPerToken, idleWatts, carbon, renewable } = document;
  const lines = [headline(document)];
  if (node.joules !== null) {
    const gap = node.coverage < 0.995 ? `, ${percent(node.coverage)} of the time measured` : "";
    lines.push(row("Since the start", `${joulesText(node.joules)}${gap}`));
  }
  if (idleWatts !== null) lines.push(row("Idle machine", `${idleWatts.toFixed(2)} W`));
  if (accounts !== undefined) {
    const { serve, idle, other } = accounts;
    lines.push(
      row("Went to", `serving ${joulesText(serve)}, idle ${joulesText(idle)}, other ${joulesText(other)}`),
    );
  }
  if (joulesPerToken !== undefined) {
    const over = joulesPerToken.dynamic === null ? "" : `, ${joulesPerToken.dynamic.toFixed(3)} J over idle`;
    lines.push(row("For a token", `${joulesPerToken.full?.toFixed(3) ?? "?"} J${over} (${tokens} tokens)`));
  }
  if (carbon !== undefined) lines.push(...carbonTexts(carbon).map((text) => row("Carbon", text)));
  if (renewable !== undefined) lines.push(row("Own power", ownPower(renewable)));
  return [...lines, ...sourceLines(sources)].map(printable);
}

const row = (name: string, text: string): string => `${name.padEnd(15)}  ${text}`;

/**
 * The figure in one line, or why there is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const node = { watts: 5.14, joules: 1, kind: "measured", scope: "board", source: "jetson:VDD_IN", uncertainty: 0.05, coverage: 1 } as const;
 * const document = { schema: 1, node, sources: [], tokens: 0, idleWatts: null } as const;
 * assertEquals(headline(document), "5.14 W of the board, measured, ±5 %, by jetson:VDD_IN");
 * ```
 */
export function headline({ node, sources }: EnergyDocument): string {
  const { watts, kind, scope, uncertainty, source } = node;
  if (kind === "none" || watts === null) {
    const denied = sources.some(({ state }) => state === "denied");
    const cure = denied
      ? "some may not be read: kwaainet doctor tells what to do"
      : "a metering plug can be named in energy.meters, or the board's power in energy.model_idle_watts and energy.model_load_watts";
    return kind === "none" ? `No sensor: ${cure}` : "No value yet";
  }
  const sure = uncertainty === null ? "" : `, ±${percent(uncertainty)}`;
  return `${watts.toFixed(2)} W of the ${WORDS[scope!]}, ${kind}${sure}, by ${source}`;
}

const WORDS = {
  wall: "whole device at the wall",
  board: "board",
  package: "processor (not the whole machine)",
  accelerator: "card (not the whole machine)",
  part: "rails that are measured (not the whole machine)",
} as const;

function ownPower({ pvWatts, share, basis, failures }: NonNullable<EnergyDocument["renewable"]>): string {
  const [failure] = failures;
  if (pvWatts === null) return failure === undefined ? "no value yet" : `not known: ${failure.reason}`;
  const of = share === null ? "" : `, ${percent(share)} of this node's`;
  return `${pvWatts.toFixed(0)} W${of}${
    basis === "assumes_node_first" ? " (if it goes here before anything else)" : ""
  }`;
}

/** The grid now, and what this node caused by each method: these are never added up. */
function carbonTexts(carbon: NonNullable<EnergyDocument["carbon"]>): string[] {
  const { intensity, zone, quality, method, location, gramsMarket, attribution, reason } = carbon;
  const texts = intensity === null
    ? [`of the grid not known: ${reason}`]
    : [`${intensity.toFixed(0)} g/kWh in ${zone} (${quality}, ${method}); data: ${attribution}`];
  for (const { method, grams } of location) {
    texts.push(`${grams.toFixed(3)} gCO2e since the start, location-based (${method})`);
  }
  if (gramsMarket !== null) texts.push(`${gramsMarket.toFixed(3)} gCO2e since the start, market-based`);
  return texts;
}

/** A table of what is there, and one line of what is not. */
function sourceLines(sources: readonly SourceDocument[]): string[] {
  const absent = sources.filter(({ state }) => state === "absent");
  const others = sources.filter(({ state }) => state !== "absent");
  const width = Math.max(0, ...others.map(({ id }) => id.length));
  return [
    ...(others.length === 0 ? [] : ["Sources"]),
    ...others.map((source) => sourceLine(source, width)),
    ...(absent.length === 0 ? [] : [row("Not here", absent.map(({ id }) => id).join(", "))]),
  ];
}

function sourceLine(
  { id, state, scope, watts, counted, reason, kind }: SourceDocument,
  width: number,
): string {
  const mark = counted ? "*" : " ";
  const power = watts === null ? "-" : `${watts.toFixed(2)} W`;
  const why = reason === undefined ? "" : `  ${state === "denied" ? reasonParts({ reason }).why : reason}`;
  return ` ${mark} ${id.padEnd(width)} ${power.padStart(10)}  ${
    `${kind}, ${scope}`.padEnd(21)
  } ${state}${why}`;
}

/** How the udev rules begin that end some reasons; behind it stand names of others. */
export const RULE = 'SUBSYSTEM=="';

/** What to do stands behind the last semicolon of a reason, where anything can be done (`Finding` of energy/types.ts). */
export function reasonParts(
  { reason = "it gives nothing" }: Pick<SourceDocument, "reason">,
): { readonly why: string; readonly cure: string | undefined } {
  const rule = reason.indexOf(RULE);
  const at = reason.lastIndexOf("; ", rule === -1 ? Infinity : rule);
  const rest = reason.slice(at + 2);
  return at === -1 || rest.startsWith("Cannot ")
    ? { why: reason, cure: undefined }
    : { why: reason.slice(0, at), cure: rest };
}

const percent = (ratio: number): string => `${Number((ratio * 100).toPrecision(2))} %`;

function joulesText(joules: number): string {
  return joules < 3600 ? `${joules.toFixed(1)} J` : `${(joules / 3600).toFixed(joules < 36_000 ? 3 : 1)} Wh`;
}
