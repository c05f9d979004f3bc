/**
 * Which of the power sensors found measure the whole machine, and which lie in others.
 *
 * @module
 */
import { DOMAINS, type EnergySource, type Finding } from "../types.ts";
import type { Figure } from "./hwmon_figures.ts";
import { inputFamily, inputRank } from "./hwmon_labels.ts";
import { machine, wall } from "./hwmon_places.ts";
import { joined, placed } from "./kept_source.ts";

/** A converter that is fed with less than this by another is behind it. */
const SAME_VOLTAGE = 0.7;

/** One sensor, with what is known of it. */
export interface Found {
  readonly finding: Finding;
  readonly figure: Figure;
  /** Whether nothing but the label tells where it lies. */
  readonly isRail: boolean;
  /** Of hot-swap controllers and converters. */
  readonly stage: Stage | undefined;
}

/** Where something stands on the way from the supply to the load. */
export interface Stage {
  readonly isHotSwap: boolean;
  /** What it is fed with, millivolts; 0 where it does not tell. */
  readonly millivolts: number;
}

/** All findings, with what is the whole of the machine placed so. `isAlone`: the only sensor there is, sold to watch a supply. */
export function placeWholes(found: readonly Found[], isAlone: boolean): readonly Finding[] {
  if (!isAlone) return withSupplies(withInputs(withStages(found)));
  return found.map(({ finding }) =>
    finding.state === "ok" ? { state: "ok", source: placed(finding.source, machine) } : finding
  );
}

/**
 * Converters hang on one another: what a regulator takes is in what the hot-swap controller before it shows. Those that come
 * first count, which may be too little where others hang on something that is not measured, and never counts anything twice.
 */
function withStages(found: readonly Found[]): readonly Found[] {
  const stages = found.flatMap((one) =>
    one.finding.state === "ok" && one.finding.source.scope === "part" && one.stage !== undefined
      ? [{ one, source: one.finding.source, ...one.stage }]
      : []
  );
  const swaps = stages.filter(({ isHotSwap }) => isHotSwap);
  const most = Math.max(...stages.map(({ millivolts }) => millivolts));
  const first = swaps.length > 0
    ? swaps
    : stages.filter(({ millivolts }) => millivolts >= SAME_VOLTAGE * most);
  const behind = new Map(
    stages.filter((stage) => !first.includes(stage)).map(({ one, source }) => [one, source]),
  );
  return found.map((one) => {
    const source = behind.get(one);
    if (source === undefined) return one;
    const domain = `${first[0]!.source.domain}/${source.domain.slice(DOMAINS.rail("").length)}`;
    return { ...one, finding: { state: "ok", source: placed(source, { scope: "part", domain }) } };
  });
}

/**
 * Rails that say that they are what the board takes in become the board's. Of several the one that names the whole, else the
 * largest, since one may feed another; numbered ones (VIN1, VIN2) are inputs beside each other, and add up.
 */
function withInputs(found: readonly Found[]): readonly Finding[] {
  const findings = found.map(({ finding }) => finding);
  const inputs = found.flatMap(({ finding, figure: { label }, isRail }) => {
    if (finding.state !== "ok" || !isRail || inputRank(label) === 0) return [];
    const { source } = finding;
    return [{ source, family: inputFamily(label), rank: inputRank(label), microwatts: powerOf(source) }];
  });
  const top = inputs.filter(({ rank }) => rank === Math.max(...inputs.map((input) => input.rank)));
  const families = [...Map.groupBy(top, ({ family }) => family).values()].map((group) => ({
    sources: group.map(({ source }) => source),
    microwatts: group.reduce((sum, { microwatts }) => sum + microwatts, 0),
  }));
  const best = families.toSorted((a, b) => b.microwatts - a.microwatts)[0];
  if (best === undefined) return findings;
  const { sources } = best;
  const board = sources.length === 1
    ? placed(sources[0]!, machine)
    : joined(sources.map(({ id }) => id).join("+"), machine, sources);
  return [
    { state: "ok", source: board },
    ...findings.filter((finding) => finding.state !== "ok" || !sources.includes(finding.source)),
  ];
}

/** Power supplies beside each other are the wall together, if all of them can be read; else each is a part of it. */
function withSupplies(findings: readonly Finding[]): readonly Finding[] {
  const isSupply = (finding: Finding) =>
    (finding.state === "ok" ? finding.source.scope : finding.scope) === wall.scope;
  const sources = findings.filter(isSupply).flatMap((one) => one.state === "ok" ? [one.source] : []);
  const others = findings.filter((finding) => finding.state !== "ok" || !isSupply(finding));
  const isBroken = others.some(isSupply);
  if (sources.length === 0 || (sources.length === 1 && !isBroken)) return findings;
  if (!isBroken) {
    const id = sources.map((source) => source.id).join("+");
    return [{ state: "ok", source: joined(id, wall, sources) }, ...others];
  }
  const parts = sources.map((source): Finding => {
    const part = { scope: "part", domain: `${DOMAINS.wall}/${source.id}` } as const;
    return { state: "ok", source: placed(source, part) };
  });
  return [...parts, ...others];
}

/** Of gauges, microwatts; counters come first. */
function powerOf({ channels }: EnergySource): number {
  return channels.reduce(
    (sum, channel) => sum + (channel.type === "counter" ? 1e18 : Number(channel.read()?.value ?? 0)),
    0,
  );
}
