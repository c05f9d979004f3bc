/**
 * Energy for people.
 *
 * @module
 */
import type { EnergyDocument, SourceDocument } from "../api/energy.ts";

/** All that is known, a headline first. */
export function energyLines(document: EnergyDocument): string[] {
  const { node, sources, accounts, tokens, joulesPerToken, idleWatts, carbon, renewable } = document;
  const lines = [headline(document)];
  if (node.joules !== null) {
    const gap = node.coverage < 0.995 ? `, ${percent(node.coverage)} of the time measured` : "";
    lines.push(`Since the start  ${joulesText(node.joules)}${gap}`);
  }
  if (idleWatts !== null) lines.push(`Idle machine     ${idleWatts.toFixed(2)} W`);
  if (accounts !== undefined) {
    const { serve, idle, other } = accounts;
    lines.push(
      `Went to          serving ${joulesText(serve)}, idle ${joulesText(idle)}, other ${joulesText(other)}`,
    );
  }
  if (joulesPerToken !== undefined) {
    const over = joulesPerToken.dynamic === null ? "" : `, ${joulesPerToken.dynamic.toFixed(3)} J over idle`;
    lines.push(`For a token      ${joulesPerToken.full?.toFixed(3) ?? "?"} J${over} (${tokens} tokens)`);
  }
  if (carbon !== undefined) {
    const { intensity, zone, quality, gramsLocation, attribution, reason } = carbon;
    const grams = gramsLocation === null ? "" : `, ${gramsLocation.toFixed(3)} gCO2e since the start`;
    if (intensity !== null) {
      lines.push(
        `Carbon           ${
          intensity.toFixed(0)
        } g/kWh in ${zone} (${quality})${grams}; data: ${attribution}`,
      );
    } else lines.push(`Carbon           not known: ${reason}`);
  }
  if (renewable !== undefined) lines.push(`Own power        ${ownPower(renewable)}`);
  if (sources.length > 0) lines.push("Sources");
  return [...lines, ...sources.map(sourceLine)];
}

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
      ? "some may not be read: see below what to do"
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

function sourceLine({ id, state, scope, watts, counted, reason, kind }: SourceDocument): string {
  const mark = counted ? "*" : " ";
  const power = watts === null ? "-" : `${watts.toFixed(2)} W`;
  const why = reason === undefined ? "" : `  ${reason}`;
  return ` ${mark} ${id.padEnd(34)} ${power.padStart(10)}  ${`${kind}, ${scope}`.padEnd(21)} ${state}${why}`;
}

const percent = (ratio: number): string => `${Number((ratio * 100).toPrecision(2))} %`;

function joulesText(joules: number): string {
  return joules < 3600 ? `${joules.toFixed(1)} J` : `${(joules / 3600).toFixed(joules < 36_000 ? 3 : 1)} Wh`;
}
