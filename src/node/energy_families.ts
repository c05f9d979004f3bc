/**
 * All kinds of sensors, in the order in which they are listed.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import type { Config } from "../config/schema.ts";
import type { SystemFiles } from "../device/sysfs.ts";
import type { Family } from "../energy/discover.ts";
import type { Finding } from "../energy/types.ts";
import { findAmdsmi } from "../energy/sources/amdsmi.ts";
import { findBatteries } from "../energy/sources/battery.ts";
import { listChips } from "../energy/sources/hwmon_list.ts";
import { findIpmi } from "../energy/sources/ipmi.ts";
import { findModel } from "../energy/sources/model.ts";
import { findMonitors } from "../energy/sources/monitors.ts";
import { findNvml } from "../energy/sources/nvml.ts";
import { findPiPmic } from "../energy/sources/pi_pmic.ts";
import { findRapl } from "../energy/sources/rapl.ts";

/** What looks for sensors on this machine, and on the network where the owner named some. */
export function energyFamilies(world: World, files: SystemFiles, config: Config): readonly Family[] {
  return [
    {
      id: "meters",
      scope: "wall",
      once: true,
      find: () => config["energy.meters"].length === 0 ? [] : findNamedMeters(world, config),
    },
    { id: "rapl", scope: "package", find: () => findRapl(world, files) },
    { id: "hwmon", scope: "part", find: () => findMonitors(world, files, config["energy.board_sensors"]) },
    { id: "pi5-pmic", scope: "board", find: (signal) => findPiPmic(world, files, signal) },
    { id: "battery", scope: "board", find: () => findBatteries(world, files) },
    { id: "nvml", scope: "accelerator", find: () => findNvml(world) },
    { id: "amdsmi", scope: "accelerator", find: () => hasAmdgpu(files) ? [] : findAmdsmi(world) },
    {
      id: "ipmi",
      scope: "board",
      find: (signal) =>
        findIpmi(world, { wanted: config["energy.ipmi"], hasController: hasIpmi(files) }, signal),
    },
    {
      id: "model",
      scope: "board",
      find: () =>
        findModel(world, files, {
          idleWatts: config["energy.model_idle_watts"],
          loadWatts: config["energy.model_load_watts"],
        }),
    },
  ];
}

/** Meters of the network; loaded where they are used: a node at rest is to stay small. */
async function findNamedMeters(world: World, config: Config): Promise<readonly Finding[]> {
  const { findMeters } = await import("../energy/sources/meters.ts");
  return findMeters(world, {
    meters: config["energy.meters"],
    secrets: config["energy.secrets"],
    caFile: config["energy.ca_file"],
  });
}

/** Whether the kernel itself shows AMD's cards: their library would count them a second time. */
const hasAmdgpu = (files: SystemFiles): boolean => listChips(files).some(({ name }) => name === "amdgpu");

/** Whether the kernel shows a management controller. */
const hasIpmi = (files: SystemFiles): boolean => files.list("/sys/class/ipmi").length > 0;
