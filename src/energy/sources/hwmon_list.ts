/**
 * Which hwmon chips there are, each device once and by a name that does not change from start to start.
 *
 * @module
 */
import type { SystemFiles } from "../../device/sysfs.ts";

const ROOT = "/sys/class/hwmon";
const I2C = "/sys/bus/i2c";
/** Drivers under which NVIDIA's tools look, and trees made after them. */
const I2C_DRIVERS = ["ina3221", "ina238", "ina2xx"] as const;
const MEASURES = /^(?:energy|power|curr)\d+_(?:input|average)$/;

/** A chip with the folder of its files. */
export interface Chip {
  readonly name: string;
  readonly folder: string;
  /** Its device, such as `1-0040` or `0000:03:00.0`; the entry's name where the tree does not tell. */
  readonly device: string;
  /** Driver and device, such as `ina226@1-0040`. */
  readonly id: string;
  /** Names of its files. */
  readonly files: readonly string[];
}

/** All chips. One that is found both by its class and by its bus is one. */
export function listChips(files: SystemFiles): readonly Chip[] {
  const onBus = chipsOnBus(files);
  const entries = files.list(ROOT);
  const folders = [
    ...entries.map((entry) => ({ entry, folder: `${ROOT}/${entry}` })),
    ...[...onBus].filter(([entry]) => !entries.includes(entry)).map(([entry, { folder }]) => ({
      entry,
      folder,
    })),
  ];
  // batteries and chargers are shown here once more (power_supply_hwmon.c), with `_` for `-`
  const supplies = new Set(files.list("/sys/class/power_supply").map((name) => name.replaceAll("-", "_")));
  const chips = new Map<string, Chip>();
  for (const { entry, folder } of folders) {
    const found = namedFolder(files, folder);
    if (found === undefined || supplies.has(found.name)) continue;
    const device = deviceOf(files, folder) ?? onBus.get(entry)?.device ?? entry;
    const id = `${found.name}@${device}`;
    if (!chips.has(id)) chips.set(id, { ...found, device, id });
  }
  return [...chips.values()];
}

/** Name and folder of the values: old kernels and some drivers keep one or both with the device. */
function namedFolder(
  files: SystemFiles,
  folder: string,
): Pick<Chip, "name" | "folder" | "files"> | undefined {
  const own = files.list(folder);
  const hasName = own.includes("name");
  const name = files.readText(`${folder}/${hasName ? "name" : "device/name"}`)?.replace(/\s+/g, "_");
  if (name === undefined || name === "") return undefined;
  const measures = (names: readonly string[]) => names.some((file) => MEASURES.test(file));
  if (hasName && (measures(own) || !own.includes("device"))) return { name, folder, files: own };
  const ofDevice = files.list(`${folder}/device`);
  return hasName && !measures(ofDevice)
    ? { name, folder, files: own }
    : { name, folder: `${folder}/device`, files: ofDevice };
}

/** The number of an entry changes from start to start, its device does not. */
function deviceOf(files: SystemFiles, folder: string): string | undefined {
  const link = files.link(`${folder}/device`) ?? files.link(folder);
  return (link ?? "").split("/").filter((part) => !/^(?:\.\.|hwmon\d*|devices|virtual|)$/.test(part)).at(-1);
}

/** Entries by their number, with the device on the bus. */
function chipsOnBus(
  files: SystemFiles,
): ReadonlyMap<string, { readonly device: string; readonly folder: string }> {
  const found = new Map<string, { device: string; folder: string }>();
  const roots = [`${I2C}/devices`, ...I2C_DRIVERS.map((driver) => `${I2C}/drivers/${driver}`)];
  for (const root of roots) {
    for (const device of files.list(root).filter((name) => /^\d+-[0-9a-f]{4}$/.test(name))) {
      for (const entry of files.list(`${root}/${device}/hwmon`)) {
        if (!found.has(entry)) found.set(entry, { device, folder: `${root}/${device}/hwmon/${entry}` });
      }
    }
  }
  return found;
}
