/**
 * The power monitors of Jetson boards: INA3221 under iio (JetPack 4) or under hwmon (JetPack 5 and newer), and the INA238 of
 * Thor's carrier.
 *
 * @module
 */
import type { SystemFiles } from "../../device/sysfs.ts";
import type { Chip } from "./hwmon_list.ts";

const OLD_DRIVER = "/sys/bus/i2c/drivers/ina3221x";

/** Whether the device tree's model is a Jetson's. */
export const isJetson = (model: string): boolean => /\bjetson\b/i.test(model);

/** One supply that is measured. */
export interface Rail {
  readonly name: string;
  readonly paths: readonly [string] | readonly [string, string];
  /** Microwatts for each unit of the file, or of the product. */
  readonly scale: readonly [bigint, bigint];
  /** Whether it is shown by iio. */
  readonly isOld: boolean;
}

/** Rails that are connected and on, each name once, and the hwmon folders they are read from. */
export function jetsonRails(
  files: SystemFiles,
  model: string,
  chips: readonly Chip[],
): { readonly rails: readonly Rail[]; readonly claimed: ReadonlySet<string> } {
  const old = iioRails(files);
  // another board says which it is; trees without a device tree do not
  if (!isJetson(model) && model !== "" && old.length === 0) return { rails: [], claimed: new Set() };
  const monitors = chips.filter(({ name }) => name === "ina3221").map((chip) => ({
    chip,
    rails: hwmonRails(files, chip),
  })).filter(({ chip, rails }) => rails.length > 0 || hasLabel(files, chip));
  const inputs = chips.filter(({ name }) => name === "ina238").flatMap((chip) => {
    const rail = inputRail(files, chip, /\bthor\b/i.test(model));
    return rail === undefined ? [] : [{ chip, rails: [rail] }];
  });
  const found = [...monitors, ...inputs];
  // a kernel may show the same chips both ways
  const rails = [...old, ...found.flatMap((one) => one.rails)].filter(({ name }, i, all) =>
    all.findIndex((other) => other.name === name) === i
  );
  return { rails, claimed: new Set(found.map(({ chip }) => chip.folder)) };
}

/** `ina3221x/6-0040/iio:device0/{rail_name_K, in_powerK_input}`, milliwatts. */
function iioRails(files: SystemFiles): Rail[] {
  const rails: Rail[] = [];
  for (const device of files.list(OLD_DRIVER).filter((name) => /^\d+-[0-9a-f]{4}$/.test(name))) {
    for (const iio of files.list(`${OLD_DRIVER}/${device}`).filter((name) => name.startsWith("iio:device"))) {
      const folder = `${OLD_DRIVER}/${device}/${iio}`;
      for (const channel of [0, 1, 2]) {
        const name = files.readText(`${folder}/rail_name_${channel}`);
        if (name === undefined || isNothing(name)) continue;
        rails.push({
          name,
          paths: [`${folder}/in_power${channel}_input`],
          scale: [1000n, 1n],
          isOld: true,
        });
      }
    }
  }
  return rails;
}

/** Millivolts times milliamperes of the channels that have a label and are on. */
function hwmonRails(files: SystemFiles, { folder }: Chip): Rail[] {
  return [1, 2, 3].flatMap((channel) => {
    const name = files.readText(`${folder}/in${channel}_label`) ?? "";
    const isOff = [`in${channel}_enable`, `curr${channel}_enable`].some((file) =>
      files.readText(`${folder}/${file}`) === "0"
    );
    if (isNothing(name) || isOff) return [];
    const paths = [`${folder}/in${channel}_input`, `${folder}/curr${channel}_input`] as const;
    return [{ name, paths, scale: [1n, 1n] as const, isOld: false }];
  });
}

/** Thor's carrier has the only INA238, on its input; the kernel gives it no label. Others have one, or are not NVIDIA's. */
function inputRail(files: SystemFiles, { folder }: Chip, isThor: boolean): Rail | undefined {
  const label = ["power1_label", "in1_label", "label"].map((file) => files.readText(`${folder}/${file}`))
    .find((text) => text !== undefined && text !== "");
  const name = label ?? (isThor ? "VIN" : undefined);
  if (name !== "VIN") return undefined;
  return { name, paths: [`${folder}/power1_input`], scale: [1n, 1n], isOld: false };
}

const hasLabel = (files: SystemFiles, { folder }: Chip): boolean =>
  files.readText(`${folder}/in1_label`) !== undefined;

/** A channel that is not connected. */
const isNothing = (name: string): boolean => /^(?:nc|)$/i.test(name);
