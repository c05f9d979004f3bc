/**
 * RAPL by powercap (Linux Documentation/power/powercap): counters of the processor package, of what lies in it, of memory
 * and of the platform, on Intel since Sandy Bridge and on AMD since Zen.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import { DOMAINS, type EnergyScope, type Finding } from "../types.ts";
import { findKeptSource } from "./kept_source.ts";

const ROOT = "/sys/class/powercap";
/** Zones of the MSR interface first: the others repeat them. */
const INTERFACES = ["intel-rapl", "intel-rapl-mmio", "intel-rapl-tpmi"] as const;
/** Counters are renewed every millisecond. */
const PERIOD_MS = 1;
/** Of the package itself; it says nothing of the rest of the machine. */
const UNCERTAINTY = 0.05;
/** Since Linux 5.10 only root may read it (CVE-2020-8694). */
const CURE = "only root may read it; to let a group G, put into /etc/udev/rules.d/90-kwaainet-rapl.rules: " +
  'SUBSYSTEM=="powercap", KERNEL=="intel-rapl*", ' +
  'RUN+="/usr/bin/chgrp G /sys%p/energy_uj", RUN+="/usr/bin/chmod g+r /sys%p/energy_uj"';

interface Zone {
  readonly path: string;
  /** As the kernel names it, such as `package-0`. */
  readonly name: string;
  /** What it lies in, by the kernel's names: `package-0` for `core`. */
  readonly parent: string | undefined;
}

/** All zones, each once. Zones that a second interface repeats are `excluded`. */
export function findRapl({ clock }: World, files: SystemFiles): readonly Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, string>();
  for (const zone of zonesOf(files)) {
    const place = placeOf(zone);
    if (place === undefined) continue;
    const id = `rapl:${zone.parent === undefined ? "" : `${zone.parent}/`}${zone.name}`;
    const first = seen.get(id);
    const scope = place.scope;
    if (first !== undefined) {
      const own = zone.path.slice(ROOT.length + 1);
      const reason = `${own} is named like ${first}: the same counter by another way`;
      findings.push({ state: "excluded", id: `${id}@${own}`, kind: "measured", scope, reason });
      continue;
    }
    const finding = findKeptSource(clock, files, {
      id,
      kind: "measured",
      ...place,
      channels: [{
        id,
        type: "counter",
        paths: [`${zone.path}/energy_uj`],
        scale: [1n, 1n],
        maxMicrojoules: rangeOf(files, zone.path),
        minPeriodMs: PERIOD_MS,
        relativeUncertainty: UNCERTAINTY,
      }],
      cure: CURE,
    });
    findings.push(finding);
    if (finding.state === "ok" || finding.state === "denied") seen.set(id, zone.path.slice(ROOT.length + 1));
  }
  if (findings.length > 0) return findings;
  const reason = `${ROOT} has no intel-rapl zones: no Intel or AMD processor, or a virtual machine`;
  return [{ state: "absent", id: "rapl", kind: "measured", scope: "package", reason }];
}

function* zonesOf(files: SystemFiles): Generator<Zone> {
  const names = files.list(ROOT);
  for (const prefix of INTERFACES) {
    for (const name of names) {
      const match = name.match(/^(intel-rapl(?:-mmio|-tpmi)?):([0-9a-z]+)(?::([0-9a-z]+))?$/);
      if (match === null || match[1] !== prefix) continue;
      const path = `${ROOT}/${name}`;
      const own = files.readText(`${path}/name`);
      if (own === undefined) continue;
      const above = match[3] === undefined ? undefined : files.readText(`${ROOT}/${prefix}:${match[2]}/name`);
      yield { path, name: own, parent: above };
    }
  }
}

/** Largest value of the counter; absent or senseless ones are none. */
function rangeOf(files: SystemFiles, path: string): bigint | undefined {
  const text = files.readText(`${path}/max_energy_range_uj`) ?? "";
  return /^[1-9]\d{0,18}$/.test(text) ? BigInt(text) : undefined;
}

/** Where a zone lies. Names that mean nothing here are left out. */
function placeOf(
  { name, parent }: Zone,
): { readonly scope: EnergyScope; readonly domain: string } | undefined {
  const socket = (parent ?? name).match(/^package-(\d+)(?:-die-(\d+))?$/);
  if (parent === undefined) {
    if (name === "psys") return { scope: "board", domain: DOMAINS.platform };
    if (name === "dram") return { scope: "part", domain: DOMAINS.memory(0) };
    return socket === null ? undefined : { scope: "package", domain: packageOf(socket) };
  }
  if (socket === null) return undefined;
  if (name === "dram") return { scope: "part", domain: DOMAINS.memory(socket[1]! + (socket[2] ?? "")) };
  return { scope: "part", domain: `${packageOf(socket)}/${name}` };
}

/** Dies of one package are beside each other. */
const packageOf = ([, socket, die]: RegExpMatchArray): string =>
  `${DOMAINS.socket(socket!)}/package${die === undefined ? "" : `-die${die}`}`;
