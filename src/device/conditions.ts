/**
 * What speaks for or against working on this device now: power, heat, voltage, network link.
 *
 * @module
 */
import type { TextFiles } from "./sysfs.ts";
import { parseThrottled } from "./throttled.ts";

/** Facts of a moment; what cannot be found out is left out. */
export interface DeviceConditions {
  readonly onBattery?: boolean;
  /** 0 to 100: of the emptiest battery of the machine. */
  readonly batteryPercent?: number;
  readonly batteryCelsius?: number;
  readonly celsius?: number;
  /** Name of the hottest sensor. */
  readonly hottest?: string;
  readonly undervolted?: boolean;
  readonly throttled?: boolean;
  readonly link?: "wired" | "wifi" | "cellular";
}

/** Hotter than any processor lives, or colder than any board works: a sensor that is broken. */
const [LEAST_CELSIUS, MOST_CELSIUS] = [-40, 150];

/** Reads everything. Costs some dozens of file reads: ask every few seconds, not more. */
export const readConditions = (files: TextFiles): DeviceConditions => ({
  ...readPower(files),
  ...readHeat(files),
  ...readVoltage(files),
  ...readLink(files),
});

/** Linux Documentation/ABI/testing/sysfs-class-power. Batteries of other devices (mice, trackpads) do not count. */
function readPower(files: TextFiles): DeviceConditions {
  const root = "/sys/class/power_supply";
  let mains: boolean | undefined, discharging = false;
  const percents: number[] = [], celsius: number[] = [];
  for (const name of files.list(root)) {
    const text = (file: string) => files.readText(`${root}/${name}/${file}`);
    const type = text("type");
    if (type === "Battery" && text("scope") !== "Device") {
      discharging ||= text("status") === "Discharging";
      const percent = Number(text("capacity") ?? NaN), tenths = Number(text("temp") ?? NaN);
      if (percent >= 0 && percent <= 100) percents.push(percent);
      if (isCelsius(tenths / 10)) celsius.push(tenths / 10);
    } else if (type !== undefined && type !== "Battery" && /^[01]$/.test(text("online") ?? "")) {
      mains = (mains ?? false) || text("online") === "1";
    }
  }
  const hasBattery = percents.length > 0 || discharging;
  return {
    // a charger that is too weak leaves the battery discharging
    ...(hasBattery ? { onBattery: discharging && mains !== true } : {}),
    ...(percents.length > 0 ? { batteryPercent: Math.min(...percents) } : {}),
    ...(celsius.length > 0 ? { batteryCelsius: Math.max(...celsius) } : {}),
  };
}

/** The hottest of all thermal zones (Documentation/driver-api/thermal/sysfs-api.rst); else of the processor under hwmon. */
function readHeat(files: TextFiles): DeviceConditions {
  const found: { readonly celsius: number; readonly hottest: string }[] = [];
  const take = (path: string, hottest: string) => {
    const celsius = Number(files.readText(path) ?? NaN) / 1000;
    if (isCelsius(celsius)) found.push({ celsius, hottest });
  };
  const zones = "/sys/class/thermal";
  for (const zone of files.list(zones).filter((name) => name.startsWith("thermal_zone"))) {
    take(`${zones}/${zone}/temp`, files.readText(`${zones}/${zone}/type`) ?? zone);
  }
  if (found.length === 0) {
    const chips = "/sys/class/hwmon";
    for (const chip of files.list(chips)) {
      const name = files.readText(`${chips}/${chip}/name`) ?? "";
      if (/^(?:coretemp|k10temp|zenpower|cpu_thermal)$/.test(name)) {
        take(`${chips}/${chip}/temp1_input`, name);
      }
    }
  }
  return found.sort((a, b) => b.celsius - a.celsius)[0] ?? {};
}

/**
 * Raspberry Pi: bits of `get_throttled` where the kernel shows them, else the alarm of `rpi_volt`.
 */
function readVoltage(files: TextFiles): DeviceConditions {
  const soc = "/sys/devices/platform/soc";
  const firmware = files.list(soc).find((name) => name.endsWith("firmware"));
  const bits = firmware === undefined ? undefined : files.readText(`${soc}/${firmware}/get_throttled`);
  const throttled = bits === undefined ? undefined : parseThrottled(bits);
  if (throttled !== undefined) return throttled;
  const chips = "/sys/class/hwmon";
  const volt = files.list(chips).find((chip) => files.readText(`${chips}/${chip}/name`) === "rpi_volt");
  const alarm = volt === undefined ? undefined : files.readText(`${chips}/${volt}/in0_lcrit_alarm`);
  return alarm === "0" || alarm === "1" ? { undervolted: alarm === "1" } : {};
}

/** By the interface that the default route leaves through. Whether a link is metered the kernel does not know. */
function readLink(files: TextFiles): DeviceConditions {
  const route = (files.readText("/proc/net/route") ?? "").split("\n").find((line) =>
    /^\S+\s+00000000\s/.test(line)
  );
  const name = route?.split(/\s/)[0];
  if (name === undefined) return {};
  const folder = `/sys/class/net/${name}`;
  const kind = files.readText(`${folder}/uevent`)?.match(/^DEVTYPE=(\w+)$/m)?.[1];
  if (kind === "wwan" || /^(?:wwan|ppp|rmnet)/.test(name)) return { link: "cellular" };
  return { link: kind === "wlan" || files.list(`${folder}/wireless`).length > 0 ? "wifi" : "wired" };
}

const isCelsius = (celsius: number): boolean => celsius > LEAST_CELSIUS && celsius < MOST_CELSIUS;
