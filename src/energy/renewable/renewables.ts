/**
 * Own renewable power: all inverters and site meters that the owner named, asked in the background, and what share of
 * this node's power comes from them. The rest comes from the grid.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { ProductionHour } from "../certificates/types.ts";
import { addUp, shareOf } from "./share.ts";
import type { Renewables, RenewablesSnapshot, SiteFailure } from "./types.ts";
import { type DeviceOptions, openWatchedDevice, unusable, type WatchedDevice } from "./watched_device.ts";

/** What the owner said of own generation. */
export interface RenewablesOptions extends DeviceOptions {
  /** `energy.renewables`. */
  readonly renewables: readonly string[];
  /** The node's power now, for sites without a meter; `undefined` while it is not known. */
  readonly nodeWatts: () => number | undefined;
}

/**
 * Half width of the 95 % interval of a lifetime counter, relative: inverters without a certified meter count to 5 %, as
 * good as their makers say.
 */
const COUNTER_UNCERTAINTY = 0.05;

/**
 * Begins to ask all devices, without waiting for any. A device that cannot be asked or does not answer is a failure in
 * the snapshot; it costs the others nothing.
 */
export function openRenewables(world: World, options: RenewablesOptions): Renewables {
  const devices: WatchedDevice[] = [];
  const unread: SiteFailure[] = [];
  const onAnswer = () => followSite(world, devices);
  for (const [index, text] of options.renewables.entries()) {
    try {
      devices.push(openWatchedDevice(world, { text, index, options, onAnswer }));
    } catch (error) {
      unread.push(unusable(error, index));
    }
  }
  return {
    snapshot: () => snapshotOf(world, { devices, unread, nodeWatts: options.nodeWatts() }),
    takeHours: () => devices.flatMap((device) => hoursOf(device, world.clock.now())),
    async [Symbol.asyncDispose]() {
      await Promise.all(devices.map((device) => device[Symbol.asyncDispose]()));
    },
  };
}

const newestOf = (devices: readonly WatchedDevice[]) =>
  devices.map(({ newest }) => newest).filter((newest) => newest !== undefined);

function snapshotOf(
  { clock }: World,
  { devices, unread, nodeWatts }: {
    readonly devices: readonly WatchedDevice[];
    readonly unread: readonly SiteFailure[];
    readonly nodeWatts: number | undefined;
  },
): RenewablesSnapshot {
  const newest = newestOf(devices);
  const power = addUp(newest.map(({ values }) => values));
  const hasSiteMeter = devices.some(({ isSiteMeter }) => isSiteMeter);
  const { pvWatts = null, siteWatts = null, gridWatts = null, batteryWatts = null } = power;
  return {
    pvWatts,
    siteWatts,
    gridWatts,
    batteryWatts,
    ...shareOf(power, { nodeWatts, hasSiteMeter }),
    ageMs: newest.length === 0 ? null : clock.monotonic() - Math.min(...newest.map(({ atMs }) => atMs)),
    failures: [...unread, ...devices.flatMap(({ failure }) => failure ?? [])],
  };
}

/** Books what the site uses, for the hours of each device that produces. */
function followSite({ clock }: World, devices: readonly WatchedDevice[]): void {
  const { siteWatts } = addUp(newestOf(devices).map(({ values }) => values));
  if (siteWatts === undefined) return;
  for (const { hours } of devices) hours.addSite(clock.now(), siteWatts);
}

function hoursOf({ name, source, hours }: WatchedDevice, nowMs: number): ProductionHour[] {
  return hours.take(nowMs).map((hour) => ({
    device: name,
    source,
    ...hour,
    kind: "measured",
    uncertainty: COUNTER_UNCERTAINTY,
  }));
}
