/**
 * Power monitors on the board: those of Jetsons, which are known by their rails, and all others.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import { DOMAINS, type EnergySource, type Finding } from "../types.ts";
import { findHwmon } from "./hwmon.ts";
import { listChips } from "./hwmon_list.ts";
import { machine } from "./hwmon_places.ts";
import { findJetson } from "./jetson.ts";
import { joined, placed } from "./kept_source.ts";

/** All monitors, each once. `boardSensors` are ids that the owner declares to be what the board takes in. */
export function findMonitors(
  world: World,
  files: SystemFiles,
  boardSensors: readonly string[],
): readonly Finding[] {
  const chips = listChips(files);
  const { findings, claimed } = findJetson(world, files, chips);
  const hasPackage = files.list("/sys/class/powercap").some((name) => name.startsWith("intel-rapl:"));
  const others = findHwmon(world, files, {
    chips,
    claimed,
    mayBeBoard: !hasPackage && findings.length === 0,
  });
  const all = findings.length > 0
    ? [...findings, ...others.filter(({ state }) => state !== "absent")]
    : others;
  return declareBoard(all, boardSensors);
}

/**
 * Takes the owner's word for what the board takes in: sources by their ids, or all of a chip by what stands before the `/`.
 * Several are inputs beside each other and become one source. What was taken for the board before is a rail of it then.
 */
export function declareBoard(findings: readonly Finding[], ids: readonly string[]): readonly Finding[] {
  const sources = findings.flatMap((finding) => finding.state === "ok" ? [finding.source] : []);
  const declared = sources.filter(({ id }) => ids.some((name) => id === name || id.startsWith(`${name}/`)));
  if (declared.length === 0) return findings;
  const board = declared.length === 1
    ? placed(declared[0]!, machine)
    : joined(declared.map(({ id }) => id).join("+"), machine, declared);
  const others = findings.filter((finding) => finding.state !== "ok" || !declared.includes(finding.source));
  return [{ state: "ok", source: board }, ...others.map(demoted)];
}

function demoted(finding: Finding): Finding {
  if (finding.state !== "ok" || finding.source.domain !== DOMAINS.board) return finding;
  const { source } = finding;
  const rail: EnergySource = placed(source, { scope: "part", domain: DOMAINS.rail(source.id) });
  return { state: "ok", source: rail };
}
