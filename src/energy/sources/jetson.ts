/**
 * NVIDIA Jetson boards: INA3221 monitors on the module and its carrier, under iio (JetPack 4) or hwmon (JetPack 5 and
 * newer), and an INA238 on Thor. Rails are named; on most boards one of them is what all others hang on.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import { DOMAINS, type Finding } from "../types.ts";
import { chipsOf } from "./hwmon.ts";
import type { KeptChannelOptions } from "./kept_channel.ts";
import { findKeptSource } from "./kept_source.ts";

const OLD_DRIVER = "/sys/bus/i2c/drivers/ina3221x";
const NEW_DRIVER = "/sys/bus/i2c/drivers/ina3221";
/** Rails that are the whole module: Xavier NX, Orin NX and Nano, TX2; Nano and TX1; Thor. */
const TOTALS = ["VDD_IN", "POM_5V_IN", "VIN"];
/** On AGX Orin it is fed from VIN_SYS_5V0, which is measured too. */
const INSIDE_OTHERS = ["VDDQ_VDD2_1V8AO"];
/** Of the module's input against a meter. */
const UNCERTAINTY = 0.05;
/** Conversion time of the chip as NVIDIA sets it. */
const PERIOD_MS = 20;
const CURE = "the files of the power monitors may not be read: add the user to the group that owns them";

interface Rail {
  readonly name: string;
  readonly paths: readonly [string] | readonly [string, string];
  /** Microwatts for each unit of the file, or of the product. */
  readonly scale: readonly [bigint, bigint];
}

/** What a Jetson shows, and which folders no other family is to read. */
export interface JetsonFindings {
  readonly findings: readonly Finding[];
  readonly claimed: ReadonlySet<string>;
}

/** The board as one source, and each rail. Nothing on other boards. */
export function findJetson({ clock }: World, files: SystemFiles): JetsonFindings {
  const model = files.readText("/proc/device-tree/model") ??
    files.readText("/sys/firmware/devicetree/base/model") ?? "";
  const oldRails = iioRails(files);
  const isJetson = /jetson|nvidia/i.test(model) || oldRails.length > 0;
  if (!isJetson) return { findings: [], claimed: new Set() };
  const { rails: newRails, claimed } = hwmonRails(files);
  const rails = oldRails.length > 0 ? oldRails : newRails;
  if (rails.length === 0) return { findings: [noRails()], claimed };
  const total = rails.find(({ name }) => TOTALS.includes(name));
  const whole = total === undefined ? rails.filter(({ name }) => !INSIDE_OTHERS.includes(name)) : [total];
  const board = findKeptSource(clock, files, {
    id: `jetson:${total?.name ?? "rails"}`,
    kind: "measured",
    scope: "board",
    domain: DOMAINS.board,
    channels: whole.map(channelOf),
    cure: CURE,
  });
  const parts = rails.filter((rail) => rail !== total).map((rail) =>
    findKeptSource(clock, files, {
      id: `jetson:${rail.name}`,
      kind: "measured",
      scope: "part",
      domain: DOMAINS.rail(rail.name),
      channels: [channelOf(rail)],
      cure: CURE,
    })
  );
  return { findings: [board, ...parts], claimed };
}

const noRails = (): Finding => ({
  state: "absent",
  id: "jetson",
  kind: "measured",
  scope: "board",
  reason: "no INA3221 is shown: the kernel has no driver for the power monitors of this board",
});

/** JetPack 4: `ina3221x/6-0040/iio:device0/{rail_name_K, in_powerK_input}`, milliwatts. */
function iioRails(files: SystemFiles): Rail[] {
  const rails: Rail[] = [];
  for (const device of files.list(OLD_DRIVER).filter((name) => /^\d+-[0-9a-f]{4}$/.test(name))) {
    for (const iio of files.list(`${OLD_DRIVER}/${device}`).filter((name) => name.startsWith("iio:device"))) {
      const folder = `${OLD_DRIVER}/${device}/${iio}`;
      for (const channel of [0, 1, 2]) {
        const name = files.readText(`${folder}/rail_name_${channel}`);
        if (name === undefined || isNothing(name)) continue;
        rails.push({ name, paths: [`${folder}/in_power${channel}_input`], scale: [1000n, 1n] });
      }
    }
  }
  return rails;
}

/** JetPack 5 and newer: millivolts and milliamperes of INA3221, microwatts of INA238. */
function hwmonRails(files: SystemFiles): { readonly rails: Rail[]; readonly claimed: ReadonlySet<string> } {
  const rails: Rail[] = [];
  const claimed = new Set<string>();
  const chips = chipsOf(files).filter(({ name }) => name === "ina3221" || name === "ina238");
  const folders = chips.length > 0 ? chips.map(({ folder }) => folder) : driverFolders(files);
  for (const folder of folders) {
    claimed.add(folder);
    if (files.readText(`${folder}/name`) === "ina238") {
      const name = files.readText(`${folder}/power1_label`) ?? files.readText(`${folder}/in1_label`) ?? "VIN";
      rails.push({ name, paths: [`${folder}/power1_input`], scale: [1n, 1n] });
      continue;
    }
    for (const channel of [1, 2, 3]) {
      const name = files.readText(`${folder}/in${channel}_label`);
      const isOff = [`in${channel}_enable`, `curr${channel}_enable`].some((file) =>
        files.readText(`${folder}/${file}`) === "0"
      );
      if (name === undefined || isNothing(name) || isOff) continue;
      const paths = [`${folder}/in${channel}_input`, `${folder}/curr${channel}_input`] as const;
      rails.push({ name, paths, scale: [1n, 1n] });
    }
  }
  return { rails, claimed };
}

/** Where the class folder shows nothing: `ina3221/1-0040/hwmon/hwmonN`. */
const driverFolders = (files: SystemFiles): string[] =>
  files.list(NEW_DRIVER).filter((name) => /^\d+-[0-9a-f]{4}$/.test(name)).flatMap((device) =>
    files.list(`${NEW_DRIVER}/${device}/hwmon`).map((entry) => `${NEW_DRIVER}/${device}/hwmon/${entry}`)
  );

/** A channel that is not connected. */
const isNothing = (name: string): boolean => /^(?:nc|)$/i.test(name);

const channelOf = ({ name, paths, scale }: Rail): KeptChannelOptions => ({
  id: name,
  type: "gauge",
  paths,
  scale,
  minPeriodMs: PERIOD_MS,
  relativeUncertainty: UNCERTAINTY,
});
