/**
 * The zones of powercap. Those of the processor's registers (MSR) come first; memory-mapped ones repeat them.
 *
 * @module
 */
import type { SystemFiles } from "../../device/sysfs.ts";

/** Where the kernel shows them. */
export const ZONES_ROOT = "/sys/class/powercap";
/** In the order of preference. The kernel registers zones of TPMI under the first name as well. */
const INTERFACES = ["intel-rapl", "intel-rapl-mmio", "intel-rapl-tpmi"] as const;
const ZONE = /^(intel-rapl(?:-mmio|-tpmi)?):([0-9a-z]+)(?::([0-9a-z]+))?$/;
/** Zones of a machine: far fewer. */
const MAX_ZONES = 256;

/** One zone. */
export interface Zone {
  /** `rapl:package-0`, `rapl:package-0/core`. */
  readonly id: string;
  readonly path: string;
  /** The folder's name, such as `intel-rapl:0`. */
  readonly entry: string;
  /** As the kernel names it, such as `package-0`. */
  readonly name: string;
  /** What it lies in, by the kernel's names: `package-0` for `core`. */
  readonly parent: string | undefined;
}

/** All zones with names, those of a better interface first. */
export function listZones(files: SystemFiles): readonly Zone[] {
  const paths = pathsOf(files);
  const nameOf = (entry: string) => {
    const path = paths.get(entry);
    return path === undefined ? undefined : files.readText(`${path}/name`);
  };
  return INTERFACES.flatMap((wanted) =>
    [...paths].flatMap(([entry, path]): Zone[] => {
      const [, prefix, first, second] = entry.match(ZONE)!;
      const name = nameOf(entry);
      if (prefix !== wanted || name === undefined || name === "") return [];
      const parent = second === undefined ? undefined : nameOf(`${prefix}:${first}`);
      const id = `rapl:${parent === undefined ? "" : `${parent}/`}${name}`;
      return [{ id, path, entry, name, parent }];
    })
  );
}

/** Folders by their names. Each zone lies in the class's folder, and in that of its parent as well. */
function pathsOf(files: SystemFiles): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  const collect = (folder: string) => {
    for (const entry of files.list(folder)) {
      if (paths.size < MAX_ZONES && ZONE.test(entry) && !paths.has(entry)) {
        paths.set(entry, `${folder}/${entry}`);
      }
    }
  };
  collect(ZONES_ROOT);
  for (const name of INTERFACES) collect(`${ZONES_ROOT}/${name}`);
  for (const path of [...paths.values()]) collect(path);
  return paths;
}
