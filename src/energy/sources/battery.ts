/**
 * Batteries (Linux Documentation/ABI/testing/sysfs-class-power): while one is discharged, what it gives is what the whole
 * machine takes. While it is charged or full it says nothing of that.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { Clock, World } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import {
  DOMAINS,
  type EnergyChannel,
  type EnergyReading,
  type EnergySource,
  type Finding,
} from "../types.ts";
import { type KeptChannel, openKeptChannel } from "./kept_channel.ts";

const ROOT = "/sys/class/power_supply";
/** Fuel gauges renew their values once in 1 to 30 seconds. */
const PERIOD_MS = 1000;
const UNCERTAINTY = 0.05;

interface Battery {
  readonly status: () => string | undefined;
  readonly power: KeptChannel;
}

/** All batteries of the machine as one source, and what looks like one and is none. */
export function findBatteries({ clock }: World, files: SystemFiles): readonly Finding[] {
  using opened = new DisposableStack();
  const batteries: Battery[] = [];
  const findings: Finding[] = [];
  for (const name of files.list(ROOT)) {
    const folder = `${ROOT}/${name}`;
    if (/^(?:tcpm|ucsi)-source-psy-/.test(name)) {
      findings.push(excluded(name, "it shows what USB power delivery agreed on, which is no measurement"));
    } else if (files.readText(`${folder}/type`) === "Battery") {
      if (files.readText(`${folder}/scope`) === "Device") {
        findings.push(excluded(name, "it is the battery of another device"));
        continue;
      }
      const power = powerOf(clock, files, folder);
      if (power === undefined) {
        findings.push(excluded(name, "it shows neither power nor current that can be read"));
      } else batteries.push({ status: () => files.readText(`${folder}/status`), power: opened.use(power) });
    }
  }
  if (batteries.length > 0) findings.unshift({ state: "ok", source: sourceOf(batteries, opened.move()) });
  if (findings.length > 0) return findings;
  const reason = `${ROOT} has no battery`;
  return [{ state: "absent", id: "battery", kind: "measured", scope: "board", reason }];
}

function sourceOf(batteries: readonly Battery[], opened: DisposableStack): EnergySource {
  return {
    id: "battery",
    kind: "measured",
    scope: "board",
    domain: DOMAINS.board,
    channels: [new BatteryChannel(batteries)],
    [Symbol.asyncDispose]: () => Promise.resolve(opened.dispose()),
  };
}

/**
 * What all batteries together give. None where one of them is charged: then a part of the power comes from elsewhere. A
 * battery that rests beside one that is discharged gives nothing.
 */
class BatteryChannel implements EnergyChannel {
  readonly id = "battery";
  readonly type = "gauge";
  readonly minPeriodMs = PERIOD_MS;
  readonly relativeUncertainty = UNCERTAINTY;
  failure: string | undefined;

  constructor(readonly batteries: readonly Battery[]) {}

  read(): EnergyReading | undefined {
    this.failure = undefined;
    const statuses = this.batteries.map(({ status }) => status());
    if (statuses.includes("Charging") || !statuses.includes("Discharging")) return undefined;
    let sum: EnergyReading | undefined;
    for (const [i, { power }] of this.batteries.entries()) {
      if (statuses[i] !== "Discharging") continue;
      const reading = power.read();
      if (reading === undefined) {
        this.failure = power.failure ?? "io";
        return undefined;
      }
      sum = { atMs: reading.atMs, value: (sum?.value ?? 0n) + reading.value };
    }
    return sum;
  }
}

/** Microwatts, whatever their sign: that of the current differs from driver to driver. */
function powerOf(clock: Clock, files: SystemFiles, folder: string): KeptChannel | undefined {
  const common = {
    id: folder,
    type: "gauge",
    minPeriodMs: PERIOD_MS,
    relativeUncertainty: UNCERTAINTY,
    isUnsigned: true,
  } as const;
  const names = files.list(folder);
  try {
    if (names.includes("power_now")) {
      return openKeptChannel(clock, files, { ...common, paths: [`${folder}/power_now`], scale: [1n, 1n] });
    }
    const paths = [`${folder}/voltage_now`, `${folder}/current_now`] as const;
    // microvolts × microamperes are 10⁻¹² W
    return openKeptChannel(clock, files, { ...common, paths, scale: [1n, 1_000_000n] });
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    return undefined;
  }
}

const excluded = (name: string, reason: string): Finding => ({
  state: "excluded",
  id: `power_supply:${name}`,
  kind: "measured",
  scope: "board",
  reason,
});
