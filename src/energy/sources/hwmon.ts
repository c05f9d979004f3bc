/**
 * Power and energy sensors under hwmon (Linux Documentation/hwmon/sysfs-interface.rst).
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import { DOMAINS, type Finding } from "../types.ts";
import { type ChipRule, chipRule, isUnknownChip } from "./hwmon_chips.ts";
import { type ChipFiles, chipFiles, type Figure, figureTiers, supplyMillivolts } from "./hwmon_figures.ts";
import { inputRank } from "./hwmon_labels.ts";
import { type Chip, listChips } from "./hwmon_list.ts";
import { placeByPci, wall } from "./hwmon_places.ts";
import { type Found, placeWholes, type Stage } from "./hwmon_whole.ts";
import type { KeptChannelOptions } from "./kept_channel.ts";
import { findKeptSource, type Place, udevCure } from "./kept_source.ts";

/** Values are renewed at least this often where nothing else is known. */
const PERIOD_MS = 20;
const UNCERTAINTY = 0.1;
/** No machine that this runs on takes more; some meters show 160 000 W for 160 W, and 4 294 967 W for an error. Microwatts. */
const MOST_MICROWATTS = 10_000_000_000n;
/** A chip that claims to be slower than this is not believed. */
const MAX_PERIOD_MS = 10_000;
/** Fed with so much it hangs on the wall. */
const MAINS_MILLIVOLTS = 80_000;
/** Longest label in an id. */
const MAX_LABEL = 64;

/** What is known before looking. */
export interface HwmonOptions {
  /** All chips, where they have been listed already. */
  readonly chips?: readonly Chip[];
  /** Folders of chips that another family reads. */
  readonly claimed?: ReadonlySet<string>;
  /** Whether a lone, unlabelled supply monitor may be the board's: not where a processor package or a board is measured. */
  readonly mayBeBoard?: boolean;
}

interface Known {
  readonly chip: Chip;
  readonly rule: ChipRule;
  readonly view: ChipFiles;
  readonly tiers: readonly (readonly Figure[])[];
}

/** All power sensors of all chips. What is one rail of several is a source of its own. */
export function findHwmon(
  world: World,
  files: SystemFiles,
  { chips = listChips(files), claimed, mayBeBoard = true }: HwmonOptions = {},
): readonly Finding[] {
  const known = chips.filter(({ folder }) => !claimed?.has(folder)).flatMap((chip): Known[] => {
    const rule = chipRule(chip.name);
    if (rule === undefined) return [];
    const view = chipFiles(files, chip);
    const tiers = figureTiers(view, rule);
    return tiers.length === 0 ? [] : [{ chip, rule, view, tiers }];
  });
  const found = known.flatMap((one) => findChip(world, files, one));
  if (found.length === 0) {
    const reason = "/sys/class/hwmon has no chip that measures power or energy";
    return [{ state: "absent", id: "hwmon", kind: "measured", scope: "part", reason }];
  }
  const isAlone = known.length === 1 && found.length === 1 && mayBeBoard &&
    known[0]!.rule.isSupplyMonitor === true;
  return placeWholes(found, isAlone);
}

/** The channels of the best tier that can be read; what is amiss in better ones is told as well. */
function findChip(world: World, files: SystemFiles, known: Known): Found[] {
  const amiss: Found[] = [];
  for (const tier of known.tiers) {
    const found = named(tier).flatMap((one) => findFigure(world, files, { ...known, ...one }) ?? []);
    if (found.some(({ finding: { state } }) => state === "ok")) return [...found, ...amiss];
    amiss.push(...found);
  }
  return amiss;
}

/** A figure with a name that no other of its chip has. */
interface Named {
  readonly figure: Figure;
  readonly name: string;
}

/** Names that fit into an id and into a path of domains. */
function named(tier: readonly Figure[]): Named[] {
  const used = new Set<string>();
  return tier.map((figure) => {
    const label = figure.label.replace(/[\s\p{C}/]+/gu, "_").slice(0, MAX_LABEL);
    const name = used.has(label) ? `${label}#${figure.number}` : label;
    used.add(name);
    return { figure, name };
  });
}

function findFigure(world: World, files: SystemFiles, known: Known & Named): Found | undefined {
  const { chip, rule, view, name } = known;
  const figure = ownLabel(known);
  const stage = figure.isConverter || rule.isHotSwap
    ? { isHotSwap: rule.isHotSwap ?? false, millivolts: supplyMillivolts(view, rule) }
    : undefined;
  const place = placeOf(files, { ...known, figure }, stage);
  if (place === undefined) return undefined;
  const isRail = place.domain.startsWith(DOMAINS.rail("")) && stage === undefined;
  // of power supplies beside each other one may rest
  const isWhole = place.scope === "board" || (isRail && inputRank(figure.label) > 0);
  const id = `hwmon:${chip.id}/${name}`;
  const findings: Finding[] = [];
  for (const paths of figure.ways) {
    const cure = udevCure(`SUBSYSTEM=="hwmon", ATTR{name}=="${chip.name}"`, paths.map(nameOf));
    const channels = [channelOf({ id, ...known, figure, paths, isWhole })];
    const finding = findKeptSource(world.clock, files, { id, kind: "measured", ...place, channels, cure });
    if (finding.state === "ok") return { finding, figure, isRail, stage };
    findings.push(finding);
  }
  return { finding: findings[0]!, figure, isRail, stage };
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** Where a chip has one channel without a label, the chip's own label (from the device tree) is the channel's. */
function ownLabel({ figure, view, tiers }: Known & Named): Figure {
  const label = view.text("label");
  const isOne = tiers.every(({ length }) => length === 1);
  return label === undefined || figure.isLabelled || !isOne ? figure : { ...figure, label, isLabelled: true };
}

/** By the driver, by the voltage of mains, by the PCI class; else it is some rail. */
function placeOf(
  files: SystemFiles,
  { chip, rule, view, figure, name }: Known & Named,
  stage: Stage | undefined,
): Place | undefined {
  if (rule.place !== undefined) return rule.place(figure, view);
  if (figure.isConverter && stage!.millivolts >= MAINS_MILLIVOLTS && /^pin\d*$/.test(figure.label)) {
    return wall;
  }
  const byClass = isUnknownChip(chip.name)
    ? placeByPci(chip.device, files.readText(`${chip.folder}/device/class`))
    : undefined;
  return byClass ?? { scope: "part", domain: DOMAINS.rail(`${chip.device}/${name}`) };
}

interface Way extends Pick<Known, "chip" | "rule"> {
  readonly id: string;
  readonly figure: Figure;
  readonly paths: KeptChannelOptions["paths"];
  /** Whether it measures a whole machine. */
  readonly isWhole: boolean;
}

function channelOf({ id, chip, rule, figure: { type, periodMs }, paths, isWhole }: Way): KeptChannelOptions {
  return {
    id,
    type,
    paths,
    // millivolts × milliamperes are microwatts
    scale: [1n, 1n],
    minPeriodMs: Math.max(rule.periodMs ?? PERIOD_MS, Math.min(periodMs, MAX_PERIOD_MS)),
    relativeUncertainty: rule.uncertainty ?? UNCERTAINTY,
    sleeper: rule.isSleeper ? `${chip.folder}/device` : undefined,
    // a machine that runs takes something: 0 W is a meter that does not work
    ...(type === "gauge" ? { most: MOST_MICROWATTS, least: rule.least ?? (isWhole ? 1n : 0n) } : {}),
  };
}
