/**
 * Power monitors on the board: those of Jetsons, which are known by their rails, and all others.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import type { Finding } from "../types.ts";
import { findHwmon } from "./hwmon.ts";
import { findJetson } from "./jetson.ts";

/** All monitors, each once. `boardSensors` are ids that the owner declares to be what the board takes in. */
export function findMonitors(
  world: World,
  files: SystemFiles,
  boardSensors: readonly string[],
): readonly Finding[] {
  const { findings, claimed } = findJetson(world, files);
  const hasPackage = files.list("/sys/class/powercap").some((name) => name.startsWith("intel-rapl:"));
  const others = findHwmon(world, files, { claimed, hasPackage, boardSensors });
  return findings.length > 0 ? [...findings, ...others.filter(({ state }) => state !== "absent")] : others;
}
