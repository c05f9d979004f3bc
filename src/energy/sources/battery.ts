/**
 * Batteries (Linux Documentation/ABI/testing/sysfs-class-power): while one is discharged and nothing else feeds the machine,
 * what it gives is what the whole machine takes. While it is charged or full it says nothing of that.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { Clock, World } from "../../base/world.ts";
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
/** Whoever asks oftener gets the same answer. */
const KEEP_MS = 950;
const UNCERTAINTY = 0.05;
/** No machine that runs takes less; some drivers show milliamperes for microamperes, or nothing. */
const LEAST_MICROWATTS = 50_000n;
/** The longest status is `Not charging`. */
const STATUS_BYTES = 32;

interface Battery {
  readonly status: HeadFile;
  /** Absent where its power cannot be read: then nothing is known while it is discharged. */
  readonly power: BatteryPower | undefined;
}

interface Supplies {
  /** All that were looked at, by name. */
  readonly names: Set<string>;
  readonly batteries: Battery[];
  /** Whether each of the others feeds the machine: `0`, `1`, or `2` for a programmable one. */
  readonly online: HeadFile[];
  readonly findings: Finding[];
}

/** All batteries of the machine as one source, and what looks like one and is none. */
export function findBatteries({ clock }: World, files: SystemFiles): readonly Finding[] {
  using opened = new DisposableStack();
  const names = files.list(ROOT);
  const supplies: Supplies = { names: new Set(names), batteries: [], online: [], findings: [] };
  const serials = new Set<string>();
  for (const name of names) {
    const text = textOf(files, name);
    const reason = whyNot(name, text, serials);
    if (reason !== undefined) supplies.findings.push(excluded(name, "excluded", reason));
    if (text("scope") === "Device") continue;
    if (text("type") !== "Battery") {
      const file = openIfThere(files, `${ROOT}/${name}/online`);
      if (file !== undefined) supplies.online.push(opened.use(file));
    } else if (reason === undefined && text("present") !== "0") {
      openBattery(clock, files, { name, supplies, opened });
    }
  }
  const { batteries, findings } = supplies;
  if (batteries.some(({ power }) => power !== undefined)) {
    findings.unshift({ state: "ok", source: sourceOf(clock, files, supplies, opened.move()) });
  }
  if (findings.length > 0) return findings;
  const reason = `${ROOT} has no battery`;
  return [{ state: "absent", id: "battery", kind: "measured", scope: "board", reason }];
}

type Text = (file: string) => string | undefined;

const textOf = (files: SystemFiles, name: string): Text => (file) =>
  files.readText(`${ROOT}/${name}/${file}`);

/** Why a supply is none of the machine's batteries, where it looks like one. */
function whyNot(name: string, text: Text, serials: Set<string>): string | undefined {
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

interface Opening {
  readonly name: string;
  readonly supplies: Supplies;
  readonly opened: DisposableStack;
}

function openBattery(clock: Clock, files: SystemFiles, { name, supplies, opened }: Opening): void {
  const status = openIfThere(files, `${ROOT}/${name}/status`);
  if (status === undefined) return;
  opened.use(status);
  const power = openBatteryPower(clock, files, { folder: `${ROOT}/${name}`, periodMs: PERIOD_MS });
  if ("read" in power) supplies.batteries.push({ status, power: opened.use(power) });
  else {
    supplies.batteries.push({ status, power: undefined });
    supplies.findings.push(excluded(name, power.state, power.reason));
  }
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

const sourceOf = (
  clock: Clock,
  files: SystemFiles,
  supplies: Supplies,
  opened: DisposableStack,
): EnergySource => ({
  id: "battery",
  kind: "measured",
  scope: "board",
  domain: DOMAINS.board,
  channels: [new BatteryChannel(clock, files, supplies)],
  [Symbol.asyncDispose]: () => Promise.resolve(opened.dispose()),
});

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
  #askedMs = -Infinity;
  #reading: EnergyReading | undefined;

  constructor(readonly clock: Clock, readonly files: SystemFiles, readonly supplies: Supplies) {}

  read(): EnergyReading | undefined {
    const nowMs = this.clock.monotonic();
    if (nowMs - this.#askedMs < KEEP_MS) return this.#reading;
    this.#askedMs = nowMs;
    this.failure = undefined;
    return this.#reading = this.#ask();
  }

  #ask(): EnergyReading | undefined {
    const { batteries, online } = this.supplies;
    const statuses = batteries.map(({ status }) => status.read()?.trim());
    if (statuses.includes("Charging") || !statuses.includes("Discharging")) return undefined;
    if (online.some((file) => /^[12]/.test(file.read() ?? ""))) return undefined;
    if (this.#hasMore()) return this.#fail("changed");
    let sum = 0n, atMs = 0;
    for (const { power } of batteries.filter((_, i) => statuses[i] === "Discharging")) {
      const reading = power?.read();
      if (reading === undefined) return this.#fail(power?.failure ?? "io");
      sum += reading.value;
      atMs = reading.atMs;
    }
    return sum >= LEAST_MICROWATTS ? { atMs, value: sum } : this.#fail("implausible");
  }

  /** Whether a battery was put in since: what it gives is not in the sum. */
  #hasMore(): boolean {
    const { names } = this.supplies;
    return this.files.list(ROOT).some((name) => {
      if (names.has(name)) return false;
      const text = textOf(this.files, name);
      const isOurs = text("type") === "Battery" && text("scope") !== "Device";
      if (!isOurs) names.add(name);
      return isOurs;
    });
  }

  #fail(failure: string): undefined {
    this.failure = failure;
  }
}

const excluded = (name: string, state: "excluded" | "denied", reason: string): Finding => ({
  state,
  id: `power_supply:${name}`,
  kind: "measured",
  scope: "board",
  reason,
});
