/**
 * What one battery gives or takes, whichever of its files tell.
 *
 * @module
 */
import { messageOf, NodeError } from "../../base/errors.ts";
import type { Clock } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import type { EnergyReading } from "../types.ts";
import { type KeptChannel, type KeptChannelOptions, openKeptChannel } from "./kept_channel.ts";
import { udevCure } from "./kept_source.ts";

/** No battery of a machine gives more. Microwatts. */
const MOST_MICROWATTS = 1_000_000_000n;

/** Power without its sign: that of the current differs from driver to driver. */
export interface BatteryPower extends Disposable {
  /** Microwatts; `undefined` when there is none, and then `failure` says why. */
  read(): EnergyReading | undefined;
  readonly failure: string | undefined;
}

/** Why a battery has no power that could be read. */
export interface NoBatteryPower {
  readonly state: "denied" | "excluded";
  readonly reason: string;
}

/** Opens power, and voltage and current, whatever of these there is. */
export function openBatteryPower(
  clock: Clock,
  files: SystemFiles,
  { folder, periodMs }: { readonly folder: string; readonly periodMs: number },
): BatteryPower | NoBatteryPower {
  const common = {
    id: folder,
    type: "gauge",
    minPeriodMs: periodMs,
    relativeUncertainty: 0,
    isUnsigned: true,
    most: MOST_MICROWATTS,
  } as const;
  const power: KeptChannelOptions = { ...common, paths: [`${folder}/power_now`], scale: [1n, 1n] };
  const paths = [`${folder}/voltage_now`, `${folder}/current_now`] as const;
  // microvolts × microamperes are 10⁻¹² W
  const product: KeptChannelOptions = { ...common, paths, scale: [1n, 1_000_000n] };
  const ways: KeptChannel[] = [];
  let denied: string | undefined;
  for (const options of [power, product]) {
    try {
      ways.push(openKeptChannel(clock, files, options));
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      if (error.code === "denied") denied = messageOf(error);
    }
  }
  if (ways.length > 0) return new FirstThatTells(ways);
  if (denied === undefined) {
    return { state: "excluded", reason: "it shows neither power nor current that can be read" };
  }
  const cure = udevCure('SUBSYSTEM=="power_supply"', ["power_now", "voltage_now", "current_now"]);
  return { state: "denied", reason: `${denied}; ${cure}` };
}

class FirstThatTells implements BatteryPower {
  constructor(readonly ways: readonly KeptChannel[]) {}

  /** A power of 0 is what some drivers show who do not know it: the current may. */
  read(): EnergyReading | undefined {
    let zero: EnergyReading | undefined;
    for (const way of this.ways) {
      const reading = way.read();
      if (reading !== undefined && reading.value > 0n) return reading;
      zero ??= reading;
    }
    return zero;
  }

  get failure(): string | undefined {
    return this.ways.map(({ failure }) => failure).find((failure) => failure !== undefined);
  }

  [Symbol.dispose](): void {
    for (const way of this.ways) way[Symbol.dispose]();
  }
}
