/**
 * Batteries (Linux Documentation/ABI/testing/sysfs-class-power): while one is discharged and nothing else feeds the machine,
 * what it gives is what the whole machine takes. While it is charged or full it says nothing of that.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import type { HeadFile, SystemFiles } from "../../device/sysfs.ts";
import {
  DOMAINS,
  type EnergyChannel,
  type EnergyReading,
  type EnergySource,
  type Finding,
} from "../types.ts";
import { type BatteryPower, openBatteryPower } from "./battery_power.ts";

const ROOT = "/sys/class/power_supply";
/** Fuel gauges renew their values once in 1 to 30 seconds. */
const PERIOD_MS = 1000;
const UNCERTAINTY = 0.05;
/** The longest status is `Not charging`. */
const STATUS_BYTES = 32;

interface Battery {
  readonly status: HeadFile;
  readonly power: BatteryPower;
}

interface Supplies {
  readonly batteries: Battery[];
  /** Whether each of the others feeds the machine: `0`, `1`, or `2` for a programmable one. */
  readonly online: HeadFile[];
  readonly findings: Finding[];
}

/** All batteries of the machine as one source, and what looks like one and is none. */
export function findBatteries({ clock }: World, files: SystemFiles): readonly Finding[] {
  using opened = new DisposableStack();
  const supplies: Supplies = { batteries: [], online: [], findings: [] };
  const { batteries, online, findings } = supplies;
  const serials = new Set<string>();
  for (const name of files.list(ROOT)) {
    const text = (file: string) => files.readText(`${ROOT}/${name}/${file}`);
    const reason = whyNot(name, text, serials);
    if (reason !== undefined) findings.push(excluded(name, reason));
    if (text("scope") === "Device") continue;
    if (text("type") !== "Battery") {
      const file = openIfThere(files, `${ROOT}/${name}/online`);
      if (file !== undefined) online.push(opened.use(file));
    } else if (reason === undefined && text("present") !== "0") {
      const power = openBatteryPower(clock, files, { folder: `${ROOT}/${name}`, periodMs: PERIOD_MS });
      const status = openIfThere(files, `${ROOT}/${name}/status`);
      if (status !== undefined) opened.use(status);
      if (!("read" in power)) findings.push({ ...excluded(name, power.reason), state: power.state });
      else if (status !== undefined) batteries.push({ status, power: opened.use(power) });
    }
  }
  if (batteries.length > 0) findings.unshift({ state: "ok", source: sourceOf(supplies, opened.move()) });
  if (findings.length > 0) return findings;
  const reason = `${ROOT} has no battery`;
  return [{ state: "absent", id: "battery", kind: "measured", scope: "board", reason }];
}

/** It may have left since it was listed. */
function openIfThere(files: SystemFiles, path: string): HeadFile | undefined {
  try {
    return files.openHead(path, STATUS_BYTES);
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    return undefined;
  }
}

/** Why a supply is none of the machine's batteries, where it looks like one. */
function whyNot(
  name: string,
  text: (file: string) => string | undefined,
  serials: Set<string>,
): string | undefined {
  if (/^(?:tcpm|ucsi)-source-psy-/.test(name)) {
    return "it shows the contract that USB power delivery agreed on, which is no measurement";
  }
  if (text("type") !== "Battery") return undefined;
  if (text("scope") === "Device") return "it is the battery of another device";
  if (text("status") === undefined) return "it does not tell whether it is charged or discharged";
  // some machines show one battery twice, by its controller and by its gauge
  const serial = text("serial_number");
  if (serial === undefined || /^[0\s]*$/.test(serial)) return undefined;
  const key = `${text("manufacturer")} ${text("model_name")} ${serial}`;
  const isKnown = serials.has(key);
  serials.add(key);
  return isKnown ? "it is a battery that is shown twice" : undefined;
}

function sourceOf(supplies: Supplies, opened: DisposableStack): EnergySource {
  return {
    id: "battery",
    kind: "measured",
    scope: "board",
    domain: DOMAINS.board,
    channels: [new BatteryChannel(supplies)],
    [Symbol.asyncDispose]: () => Promise.resolve(opened.dispose()),
  };
}

/**
 * What all batteries together give. None where one of them is charged, or where mains are there as well: then a part of the
 * power comes from elsewhere. A battery that rests beside one that is discharged gives nothing.
 */
class BatteryChannel implements EnergyChannel {
  readonly id = "battery";
  readonly type = "gauge";
  readonly minPeriodMs = PERIOD_MS;
  readonly relativeUncertainty = UNCERTAINTY;
  failure: string | undefined;

  constructor(readonly supplies: Supplies) {}

  read(): EnergyReading | undefined {
    this.failure = undefined;
    const { batteries, online } = this.supplies;
    const statuses = batteries.map(({ status }) => status.read()?.trim());
    if (statuses.includes("Charging") || !statuses.includes("Discharging")) return undefined;
    if (online.some((file) => /^[12]/.test(file.read() ?? ""))) return undefined;
    const readings: EnergyReading[] = [];
    for (const { power } of batteries.filter((_, i) => statuses[i] === "Discharging")) {
      const reading = power.read();
      if (reading === undefined) {
        this.failure = power.failure ?? "io";
        return undefined;
      }
      readings.push(reading);
    }
    const value = readings.reduce((sum, reading) => sum + reading.value, 0n);
    if (value > 0n) return { atMs: readings.at(-1)!.atMs, value };
    this.failure = "implausible";
    return undefined;
  }
}

const excluded = (name: string, reason: string) => ({
  state: "excluded" as Exclude<Finding["state"], "ok">,
  id: `power_supply:${name}`,
  kind: "measured" as const,
  scope: "board" as const,
  reason,
});
