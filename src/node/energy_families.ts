/**
 * All kinds of sensors, in the order in which they are listed.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import type { Config } from "../config/schema.ts";
import type { SystemFiles } from "../device/sysfs.ts";
import type { Family } from "../energy/discover.ts";
import { findBatteries } from "../energy/sources/battery.ts";
import { findMonitors } from "../energy/sources/monitors.ts";
import { findRapl } from "../energy/sources/rapl.ts";

/** What looks for sensors on this machine, and on the network where the owner named some. */
export function energyFamilies(world: World, files: SystemFiles, config: Config): readonly Family[] {
  return [
    { id: "rapl", scope: "package", find: () => findRapl(world, files) },
    { id: "hwmon", scope: "part", find: () => findMonitors(world, files, config["energy.board_sensors"]) },
    { id: "battery", scope: "board", find: () => findBatteries(world, files) },
  ];
}
