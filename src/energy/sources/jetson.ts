/**
 * NVIDIA Jetson boards: rails by their names. On most boards one of them is what all others hang on; on AGX Xavier and AGX
 * Orin, which have none, the rails add up.
 *
 * Untried on a board: rails and their names are NVIDIA's (Jetson Linux Developer Guide, chapters on power), totals those of
 * jetson_stats.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import { DOMAINS, type Finding } from "../types.ts";
import { type Chip, listChips } from "./hwmon_list.ts";
import { isJetson, jetsonRails, type Rail } from "./jetson_rails.ts";
import type { KeptChannelOptions } from "./kept_channel.ts";
import { findKeptSource, udevCure } from "./kept_source.ts";

/** Rails that are the whole: Thor's input; the module of Xavier NX, Orin NX and Nano, TX2; Nano's and TX1's 5 V. */
const TOTALS = ["VIN", "VDD_IN", "POM_5V_IN"];
/** Boards whose rails are the whole together. VDDQ_VDD2_1V8AO of AGX Orin is fed from VIN_SYS_5V0. */
const SUMS = [
  ["GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"],
  ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"],
];
/** Of the module's input against a meter. */
const UNCERTAINTY = 0.05;
/** Conversion time of the chip as NVIDIA sets it. */
const PERIOD_MS = 20;
/** Rails that are in the total are shown only. A reading takes a millisecond of the bus. */
const SHOWN_PERIOD_MS = 1000;
const MOST_MICROWATTS = 1_000_000_000n;

/** What a Jetson shows, and which folders no other family is to read. */
export interface JetsonFindings {
  readonly findings: readonly Finding[];
  readonly claimed: ReadonlySet<string>;
}

/** The board as one source, and each rail. Nothing on other boards. */
export function findJetson(
  { clock }: World,
  files: SystemFiles,
  chips: readonly Chip[] = listChips(files),
): JetsonFindings {
  const model = files.readText("/sys/firmware/devicetree/base/model") ??
    files.readText("/proc/device-tree/model") ?? "";
  const { rails, claimed } = jetsonRails(files, model, chips);
  if (!isJetson(model) && !isKnown(rails)) return { findings: [], claimed: new Set() };
  if (rails.length === 0) return { findings: [noRails()], claimed };
  const whole = wholeOf(rails);
  const find = (id: string, place: "board" | "part", of: readonly Rail[], periodMs: number) =>
    findKeptSource(clock, files, {
      id: `jetson:${id}`,
      kind: "measured",
      scope: place,
      domain: place === "board" ? DOMAINS.board : DOMAINS.rail(id),
      channels: of.map((rail) => channelOf(rail, periodMs, of.length === 1 && place === "board")),
      cure: cureOf(of),
    });
  const isTotal = whole.length === 1;
  const parts = rails.filter((rail) => !isTotal || rail !== whole[0]).map((rail) =>
    find(rail.name, "part", [rail], whole.length > 0 ? SHOWN_PERIOD_MS : PERIOD_MS)
  );
  if (whole.length === 0) return { findings: parts, claimed };
  const board = find(isTotal ? whole[0]!.name : "rails", "board", whole, PERIOD_MS);
  return { findings: [board, ...parts], claimed };
}

/** The total, or all that make it up; none where some of them are missing: a part is not the whole. */
function wholeOf(rails: readonly Rail[]): readonly Rail[] {
  const byName = (name: string) => rails.find((rail) => rail.name === name);
  const total = TOTALS.map(byName).find((rail) => rail !== undefined);
  if (total !== undefined) return [total];
  const sum = SUMS.find((names) => names.every(byName)) ?? [];
  return sum.map((name) => byName(name)!);
}

/** Whether the rails are those of a Jetson that does not say so. */
const isKnown = (rails: readonly Rail[]): boolean =>
  rails.some(({ isOld }) => isOld) ||
  SUMS.some((names) => names.every((n) => rails.some(({ name }) => name === n)));

const noRails = (): Finding => ({
  state: "absent",
  id: "jetson",
  kind: "measured",
  scope: "board",
  reason: "no INA3221 is shown: the kernel has no driver for the power monitors of this board",
});

const channelOf = (
  { name, paths, scale }: Rail,
  minPeriodMs: number,
  isTotal: boolean,
): KeptChannelOptions => ({
  id: name,
  type: "gauge",
  paths,
  scale,
  minPeriodMs,
  relativeUncertainty: UNCERTAINTY,
  least: isTotal ? 1n : 0n,
  most: MOST_MICROWATTS,
});

function cureOf(rails: readonly Rail[]): string {
  const names = [...new Set(rails.flatMap(({ paths }) => paths.map((path) => path.split("/").at(-1)!)))];
  const isOld = rails.some((rail) => rail.isOld);
  return udevCure(isOld ? 'SUBSYSTEM=="iio"' : 'SUBSYSTEM=="hwmon", ATTR{name}=="ina3221"', names);
}
