/**
 * The sensors without a node: for short verbs.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import type { Config } from "../config/schema.ts";
import { openCpuLoad } from "../device/cpu_load.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import { discoverSources } from "../energy/discover.ts";
import { openMeter } from "../energy/meter.ts";
import type { EnergySnapshot } from "../energy/types.ts";
import { energyFamilies } from "./energy_families.ts";

/** Often, because it is for a short time. */
const PERIOD_MS = 100;

/** How long to sample, and how often to tell; absent is once, at the end. */
export interface Probe {
  readonly forMs: number;
  readonly everyMs?: number | undefined;
}

/** Looks for sensors, samples them, and tells. With `everyMs` it goes on until `signal` aborts, and throws its reason. */
export async function probeEnergy(
  world: World,
  config: Config,
  { forMs, everyMs }: Probe,
  tell: (snapshot: EnergySnapshot) => void,
  signal: AbortSignal,
): Promise<void> {
  const files = openSystemFiles(config);
  const findings = await discoverSources(world, energyFamilies(world, files, config), signal);
  const rates = { servingMs: PERIOD_MS, idleMs: PERIOD_MS };
  await using meter = openMeter(world, findings, { cpu: openCpuLoad(files), rates });
  do {
    await world.clock.sleep(everyMs ?? forMs, signal);
    tell(meter.snapshot());
  } while (everyMs !== undefined);
}
