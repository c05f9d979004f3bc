/**
 * RAPL by powercap (Linux Documentation/power/powercap): counters of the processor package, of what lies in it, of memory
 * and of the platform, on Intel since Sandy Bridge and on AMD since Zen.
 *
 * The platform (psys) covers, by Intel's manual (volume 4, MSR 64DH), cores, SoC, memory and whatever add-on or peripheral
 * devices get their power from the platform, on a Framework laptop the display as well (Green Coding's documentation): it is
 * taken for the board. It is only as good as its wiring, which is the maker's: 31 % above the battery has been seen. So its
 * uncertainty is wide, a better meter of the board comes before it, and where it reads less than what it contains it is not
 * believed (watchdog.ts).
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import { isSameValue } from "../mirrors.ts";
import { DOMAINS, type Finding } from "../types.ts";
import { findKeptSource, type Place, udevCure } from "./kept_source.ts";
import { listZones, type Zone, ZONES_ROOT } from "./rapl_zones.ts";

/** Counters are renewed every millisecond. */
const PERIOD_MS = 1;
/** Of the package itself; it says nothing of the rest of the machine. */
const UNCERTAINTY = 0.05;
/** Of the platform: what has been seen. */
const PLATFORM_UNCERTAINTY = 0.3;
/** Since Linux 5.10 only root may read it (CVE-2020-8694). */
const CURE = udevCure('SUBSYSTEM=="powercap", KERNEL=="intel-rapl*"', ["energy_uj"]);
/** Counters that show the same number but for this are one, unless they have hardly begun. Microjoules. */
const SAME = 200_000n;
const HARDLY = 1_000_000_000n;

/** All zones, each once. Zones that repeat another are `excluded`. */
export function findRapl(world: World, files: SystemFiles): readonly Finding[] {
  const byId = Map.groupBy(
    listZones(files).filter((zone) => placeOf(zone) !== undefined),
    ({ id }) => id,
  );
  const findings = byId.values().toArray().flatMap((zones) => findZone(world, files, zones));
  if (findings.length > 0) return withoutRepeats(withoutPlatforms(findings));
  const reason =
    `${ZONES_ROOT} has no intel-rapl zones: no Intel or AMD processor, a virtual machine or a container`;
  return [{ state: "absent", id: "rapl", kind: "measured", scope: "package", reason }];
}

/** One zone by the first interface that can be read. */
function findZone({ clock }: World, files: SystemFiles, zones: readonly Zone[]): Finding[] {
  const found = zones.map((zone) => {
    const { id, path } = zone;
    const place = placeOf(zone)!;
    return findKeptSource(clock, files, {
      id,
      kind: "measured",
      ...place,
      channels: [{
        id,
        type: "counter",
        paths: [`${path}/energy_uj`],
        scale: [1n, 1n],
        maxMicrojoules: rangeOf(files, path),
        minPeriodMs: PERIOD_MS,
        relativeUncertainty: place.domain === DOMAINS.board ? PLATFORM_UNCERTAINTY : UNCERTAINTY,
      }],
      cure: CURE,
    });
  });
  const first = Math.max(0, found.findIndex(({ state }) => state === "ok"));
  return found.map((finding, i) =>
    i === first ? finding : excluded(finding, {
      id: `${zones[i]!.id}@${zones[i]!.entry}`,
      reason: `${zones[i]!.entry} is named like ${zones[first]!.entry}: the same counter by another way`,
    })
  );
}

/** A source that works and must not be added. Closes it. */
function excluded(
  finding: Finding,
  { id, reason }: { readonly id: string; readonly reason: string },
): Finding {
  // closing files of numbers is done at once, and cannot fail
  if (finding.state === "ok") void finding.source[Symbol.asyncDispose]();
  const scope = finding.state === "ok" ? finding.source.scope : finding.scope;
  return { state: "excluded", id, kind: "measured", scope, reason };
}

/**
 * A platform counter that nobody feeds reads 0 (Intel's manual). Of several, on machines of several sockets, it is not
 * documented whether each counts its own part.
 */
function withoutPlatforms(findings: readonly Finding[]): readonly Finding[] {
  const isPlatform = (finding: Finding) => finding.state === "ok" && finding.source.domain === DOMAINS.board;
  const fed = findings.filter((finding) => isPlatform(finding) && valueOf(finding)! > 0n);
  return findings.map((finding) => {
    if (finding.state !== "ok" || !isPlatform(finding)) return finding;
    const { id } = finding.source;
    if (!fed.includes(finding)) {
      return excluded(finding, { id, reason: "it reads 0: this machine does not have it" });
    }
    if (fed.length === 1) return finding;
    return excluded(finding, { id, reason: "there are several, and what each covers is not documented" });
  });
}

/** Packages that show the same number are one: dies of one processor, or a zone under two names. What lies in a repeated one repeats too. */
function withoutRepeats(findings: readonly Finding[]): readonly Finding[] {
  const packages = findings.flatMap((finding) =>
    finding.state === "ok" && finding.source.scope === "package"
      ? [{ source: finding.source, value: valueOf(finding)! }]
      : []
  );
  const repeats = new Map<string, string>();
  packages.forEach(({ source, value }, i) => {
    const other = packages.slice(0, i).find((one) =>
      value > HARDLY && isSameValue(one.value, value, SAME) && !repeats.has(one.source.domain)
    );
    if (other !== undefined) repeats.set(source.domain, other.source.id);
  });
  return findings.map((finding) => {
    if (finding.state !== "ok") return finding;
    const { id, domain } = finding.source;
    const repeat = [...repeats].find(([repeated]) =>
      domain === repeated || domain.startsWith(`${repeated}/`)
    );
    if (repeat === undefined) return finding;
    const [repeated, other] = repeat;
    const reason = domain === repeated ? `${other} shows the same counter` : `what it lies in is ${other}`;
    return excluded(finding, { id, reason });
  });
}

const valueOf = (finding: Finding): bigint | undefined =>
  finding.state === "ok" ? finding.source.channels[0]!.read()?.value ?? 0n : undefined;

/** Largest value of the counter; absent or senseless ones are none. */
function rangeOf(files: SystemFiles, path: string): bigint | undefined {
  const text = files.readText(`${path}/max_energy_range_uj`) ?? "";
  return /^[1-9]\d{0,18}$/.test(text) ? BigInt(text) : undefined;
}

/** Where a zone lies. Names that mean nothing here are left out. */
function placeOf({ name, parent }: Zone): Place | undefined {
  const socket = (parent ?? name).match(/^package-(\d+)(?:-die-(\d+))?$/);
  if (/^psys(?:-\d+)?$/.test(name)) return { scope: "board", domain: DOMAINS.board };
  if (parent === undefined) {
    if (name === "dram") return { scope: "part", domain: DOMAINS.memory(0) };
    return socket === null ? undefined : { scope: "package", domain: packageOf(socket) };
  }
  if (socket === null) return undefined;
  const [, package_, die] = socket;
  if (name === "dram") {
    return { scope: "part", domain: DOMAINS.memory(die === undefined ? package_! : `${package_}-die${die}`) };
  }
  return { scope: "part", domain: `${packageOf(socket)}/${name}` };
}

/** Dies of one package are beside each other. */
const packageOf = ([, socket, die]: RegExpMatchArray): string =>
  `${DOMAINS.socket(socket!)}/package${die === undefined ? "" : `-die${die}`}`;
