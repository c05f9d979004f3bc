/**
 * Power and energy sensors under hwmon (Linux Documentation/hwmon/sysfs-interface.rst): microjoules, microwatts, or
 * millivolts times milliamperes, in this order.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import { DOMAINS, type EnergyScope, type Finding } from "../types.ts";
import {
  type ChipRule,
  CHIPS,
  isInputLabel,
  isInputSide,
  isOutputSide,
  NOT_POWER,
  UNKNOWN_CHIP,
} from "./hwmon_chips.ts";
import type { KeptChannelOptions } from "./kept_channel.ts";
import { findKeptSource } from "./kept_source.ts";

const ROOT = "/sys/class/hwmon";
/** Values are renewed at least this often where nothing else is known. */
const PERIOD_MS = 20;
const UNCERTAINTY = 0.1;
/** No machine that this runs on takes more; some meters show 160 000 W for 160 W. Microwatts. */
const MOST_MICROWATTS = 10_000_000_000n;

/** What is known before looking. */
export interface HwmonOptions {
  /** Folders of devices that another family reads. */
  readonly claimed?: ReadonlySet<string>;
  /** Ids of sensors that the owner declares to be what the whole board takes in. */
  readonly boardSensors?: readonly string[];
  /** Whether a processor package is measured: then an unlabelled monitor is not taken for the whole board. */
  readonly hasPackage?: boolean;
}

/** A chip with the folder of its files. */
export interface Chip {
  readonly name: string;
  readonly folder: string;
  /** Stable name: driver and device, such as `ina226@1-0040`. */
  readonly id: string;
}

/** One thing that a chip measures. */
interface Figure {
  readonly label: string;
  readonly number: number;
  readonly type: "counter" | "gauge";
  readonly paths: readonly [string] | readonly [string, string];
}

/** All power sensors of all chips. What is one rail of several is a source of its own. */
export function findHwmon(
  { clock }: World,
  files: SystemFiles,
  options: HwmonOptions = {},
): readonly Finding[] {
  const chips = chipsOf(files).filter(({ folder }) => !options.claimed?.has(folder));
  const known = chips.map((chip) => ({
    chip,
    rule: CHIPS[chip.name] ?? UNKNOWN_CHIP,
    figures: figuresOf(files, chip),
  }));
  const measuring = known.filter(({ figures }) => figures.length > 0);
  const isAlone = !options.hasPackage && measuring.length === 1;
  const findings = measuring.flatMap(({ chip, rule, figures }) =>
    figures.map((figure) => {
      const id = `hwmon:${chip.id}/${figure.label}`;
      const isDeclared = options.boardSensors?.some((name) => name === id || name === `hwmon:${chip.id}`) ??
        false;
      const isOnly = isAlone && figures.length === 1 && rule.isSupplyMonitor === true;
      const place = isDeclared || isOnly || isInputLabel(figure.label)
        ? { scope: "board" as const, domain: DOMAINS.board }
        : placeOf(files, { chip, rule, figure });
      return findKeptSource(clock, files, {
        id,
        kind: "measured",
        ...place,
        channels: [channelOf(id, rule, figure)],
        cure:
          "the files of the chip may not be read: run as a user who may, or change their mode by a udev rule",
      });
    })
  );
  if (findings.length > 0) return findings;
  const reason = `${ROOT} has no chip that measures power or energy`;
  return [{ state: "absent", id: "hwmon", kind: "measured", scope: "part", reason }];
}

/** All chips, each device once, those first whose files lie where they do today. */
export function chipsOf(files: SystemFiles): readonly Chip[] {
  const chips: Chip[] = [];
  const seen = new Set<string>();
  for (const entry of files.list(ROOT)) {
    // kernels before 2.6.31 and some drivers keep the files with the device
    for (const folder of [`${ROOT}/${entry}`, `${ROOT}/${entry}/device`]) {
      const name = files.readText(`${folder}/name`);
      if (name === undefined) continue;
      const device = deviceOf(files, entry);
      const id = `${name}@${device}`;
      if (!seen.has(id)) chips.push({ name, folder, id });
      seen.add(id);
      break;
    }
  }
  return chips;
}

/** The device behind a hwmon entry: the number of the entry changes from start to start. */
function deviceOf(files: SystemFiles, entry: string): string {
  const link = files.link(`${ROOT}/${entry}/device`) ?? files.link(`${ROOT}/${entry}`);
  const parts = (link ?? "").split("/").filter((part) => !/^(?:\.\.|hwmon\d*|devices|)$/.test(part));
  return parts.at(-1) ?? entry;
}

function figuresOf(files: SystemFiles, chip: Chip): readonly Figure[] {
  if (NOT_POWER.includes(chip.name)) return [];
  const rule = CHIPS[chip.name] ?? UNKNOWN_CHIP;
  const names = new Set(files.list(chip.folder));
  const text = (name: string) => names.has(name) ? files.readText(`${chip.folder}/${name}`) : undefined;
  const isOn = (kind: string, number: number) => text(`${kind}${number}_enable`) !== "0";
  const isMeant = (number: number) => rule.power?.includes(number) ?? true;
  const numbers = (pattern: RegExp) =>
    [...new Set([...names].flatMap((name) => name.match(pattern)?.[1] ?? []))].map(Number).sort((a, b) =>
      a - b
    );
  const labelOf = (kind: string, number: number) => text(`${kind}${number}_label`) ?? `${kind}${number}`;
  const energies = numbers(/^energy(\d+)_input$/).filter((n) => isOn("energy", n) && isMeant(n));
  if (energies.length > 0) {
    return inputSide(energies.map((number) => ({
      label: labelOf("energy", number),
      number,
      type: "counter",
      paths: [`${chip.folder}/energy${number}_input`],
    })));
  }
  const powers = numbers(/^power(\d+)_(?:input|average)$/).filter((n) => isOn("power", n) && isMeant(n));
  if (powers.length > 0) {
    return inputSide(powers.map((number) => ({
      label: labelOf("power", number),
      number,
      type: "gauge",
      paths: [`${chip.folder}/power${number}_${names.has(`power${number}_input`) ? "input" : "average"}`],
    })));
  }
  const pairs = rule.pairs ?? numbers(/^curr(\d+)_input$/).map((n) => [n, n] as const);
  return inputSide(pairs.flatMap(([volts, amperes]) => {
    if (!names.has(`in${volts}_input`) || !names.has(`curr${amperes}_input`)) return [];
    if (!isOn("in", volts) || !isOn("curr", amperes)) return [];
    const label = text(`in${volts}_label`) ?? text(`curr${amperes}_label`) ?? `curr${amperes}`;
    if (/^nc$/i.test(label)) return [];
    const paths = [`${chip.folder}/in${volts}_input`, `${chip.folder}/curr${amperes}_input`] as const;
    return [{ label, number: amperes, type: "gauge" as const, paths }];
  }));
}

/** Of a converter that shows both of its sides, what goes into it. */
function inputSide(figures: readonly Figure[]): readonly Figure[] {
  const inputs = figures.filter(({ label }) => isInputSide(label));
  return inputs.length > 0
    ? inputs
    : figures.filter(({ label }) => !isOutputSide(label) || inputs.length === 0);
}

function placeOf(
  files: SystemFiles,
  { chip, rule, figure }: { readonly chip: Chip; readonly rule: ChipRule; readonly figure: Figure },
): { readonly scope: EnergyScope; readonly domain: string } {
  const device = chip.id.slice(chip.id.indexOf("@") + 1);
  switch (rule.measures) {
    case "machine":
      return { scope: "board", domain: DOMAINS.board };
    case "processor":
      return { scope: "package", domain: `${DOMAINS.socket(0)}/package` };
    case "graphics":
      // a processor with graphics shows the power of both (label PPT)
      return isIntegrated(files, chip, figure)
        ? { scope: "package", domain: DOMAINS.socket(0) }
        : { scope: "accelerator", domain: DOMAINS.accelerator(device) };
    default:
      return { scope: "part", domain: DOMAINS.rail(`${device}/${figure.label}`) };
  }
}

/** AMD's graphics in the processor have their own label for power and no fan of a card; cards have `power1_cap`. */
function isIntegrated(files: SystemFiles, chip: Chip, { label }: Figure): boolean {
  return chip.name === "amdgpu" && label === "PPT" && !files.list(chip.folder).includes("power1_cap");
}

function channelOf(id: string, rule: ChipRule, { type, paths }: Figure): KeptChannelOptions {
  return {
    id,
    type,
    paths,
    // millivolts × milliamperes are microwatts
    scale: [1n, 1n],
    minPeriodMs: rule.periodMs ?? PERIOD_MS,
    relativeUncertainty: rule.uncertainty ?? UNCERTAINTY,
    ...(type === "gauge" ? { most: MOST_MICROWATTS } : {}),
  };
}
