/**
 * Own renewable power of a node: what it gave of each minute, and hours of production on disk.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { Config } from "../config/schema.ts";
import type { EnergyWindow } from "../energy/carbon/hour_book.ts";
import { addProduction } from "../energy/certificates/production_book.ts";
import { totalOf } from "../energy/ledger_sums.ts";
import type { Renewables, RenewablesSnapshot } from "../energy/renewable/types.ts";

/** Between looks for hours of production that are over. */
const TAKE_MS = 600_000;

/** What own power is made of. */
export interface OwnPowerParts {
  readonly config: Config;
  /** Folder of the books. */
  readonly folder: string;
  /** The node's power now; `undefined` while it is not known. */
  readonly nodeWatts: () => number | undefined;
}

/** Own power, watched. Dispose to stop asking and to write what is over. */
export interface OwnPower extends AsyncDisposable {
  /** `undefined` where the owner named no device. */
  snapshot(): RenewablesSnapshot | undefined;
  /** What own power gave of a window; `undefined` where that is not known. */
  readonly localOf: (window: EnergyWindow) => EnergyWindow["local"];
}

/** Begins to ask the inverters and site meters of `energy.renewables`. Where there are none, nothing runs. */
export async function openOwnPower(
  world: World,
  { config, folder, nodeWatts }: OwnPowerParts,
): Promise<OwnPower> {
  if (config["energy.renewables"].length === 0) {
    const nothing = () => undefined;
    return { snapshot: nothing, localOf: nothing, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  // loaded where it is used: a node at rest is to stay small
  const { openRenewables } = await import("../energy/renewable/renewables.ts");
  const renewables = openRenewables(world, {
    renewables: config["energy.renewables"],
    secrets: config["energy.secrets"],
    caFile: config["energy.ca_file"],
    nodeWatts,
  });
  const end = new AbortController();
  const life = keepHours(world, renewables, folder, end.signal);
  return {
    snapshot: () => renewables.snapshot(),
    localOf: (window) => localOf(window, renewables.snapshot()),
    async [Symbol.asyncDispose]() {
      end.abort(new NodeError("aborted", "The node stops"));
      await life;
      await renewables[Symbol.asyncDispose]();
    },
  };
}

/** The share now is taken to have held for the window, which is a minute long. */
export function localOf(
  { microjoules }: Pick<EnergyWindow, "microjoules">,
  { share, evidence }: Pick<RenewablesSnapshot, "share" | "evidence">,
): EnergyWindow["local"] {
  if (share === null || evidence === null) return undefined;
  // rounded down: no microjoule is called green that is not
  return { microjoules: BigInt(Math.floor(Number(totalOf(microjoules)) * share)), evidence };
}

async function keepHours(
  world: World,
  renewables: Renewables,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await world.clock.sleep(TAKE_MS, signal).catch(() => {});
    try {
      const hours = renewables.takeHours();
      if (hours.length > 0) await addProduction(folder, hours);
    } catch (error) {
      world.log.warn("Production not written", { reason: messageOf(error) });
    }
  }
}
