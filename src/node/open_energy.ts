/**
 * The meter of a node: it runs at once, sensors come as they are found.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { CpuLoad } from "../device/cpu_load.ts";
import { discoverSources, type Family } from "../energy/discover.ts";
import type { Finding } from "../energy/types.ts";
import { type EnergyMeter, openMeter } from "../energy/meter.ts";

/** Pause between looks for sensors, while something is missing. */
const LOOK_AGAIN_MS = 60_000;

/** What the meter is made of. */
export interface EnergyParts {
  readonly families: readonly Family[];
  /** Absent where the machine does not tell what its processors do. */
  readonly cpu?: CpuLoad;
}

/** A running meter that looks for its sensors itself. */
export interface NodeEnergy extends AsyncDisposable {
  readonly meter: EnergyMeter;
  /** Resolves when sensors have been looked for once. */
  readonly looked: Promise<void>;
}

/** Opens the meter. Looking for sensors goes on in the background: the start of the node does not wait for it. */
export function openEnergy(world: World, { families, cpu }: EnergyParts): NodeEnergy {
  const meter = openMeter(world, [], cpu === undefined ? {} : { cpu });
  const end = new AbortController();
  const first = Promise.withResolvers<void>();
  const looking = keepLooking(world, { meter, families, looked: first.resolve }, end.signal);
  return {
    meter,
    looked: first.promise,
    async [Symbol.asyncDispose]() {
      end.abort(new NodeError("aborted", "The node stops"));
      await looking;
      await meter[Symbol.asyncDispose]();
    },
  };
}

interface Looking {
  readonly meter: EnergyMeter;
  readonly families: readonly Family[];
  readonly looked: () => void;
}

async function keepLooking(
  world: World,
  { meter, families, looked }: Looking,
  signal: AbortSignal,
): Promise<void> {
  const named = families.filter(({ once }) => once === true);
  let lasting: readonly Finding[] | undefined;
  while (!signal.aborted) {
    try {
      lasting ??= await discoverSources(world, named, signal);
      if (meter.isIncomplete) {
        const others = families.filter(({ once }) => once !== true);
        await meter.adopt([...lasting, ...await discoverSources(world, others, signal)]);
        lasting = lasting.filter(({ state }) => state !== "ok");
      }
    } catch (error) {
      if (!signal.aborted) world.log.warn("Sensors not looked for", { reason: messageOf(error) });
    }
    looked();
    await world.clock.sleep(LOOK_AGAIN_MS, signal).catch(() => {});
  }
}
