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
  /** Share of the last ten seconds in which all programs waited for memory, 0 to 1. */
  readonly memoryPressure?: number;
}

/** Hotter than any processor lives, or colder than any board works: a sensor that is broken. */
const [LEAST_CELSIUS, MOST_CELSIUS] = [-40, 150];

/** The regulator's zone of NVIDIA's Jetsons (Nano, TX) says 100 °C on a cool board. */
const CONSTANT_ZONE = "PMIC-Die";

/** Reads everything. Costs some dozens of file reads: ask every few seconds, not more. */
export const readConditions = (files: TextFiles): DeviceConditions => ({
  ...readPower(files),
  ...readHeat(files),
  ...readVoltage(files),
  ...readLink(files),
  ...readMemoryPressure(files),
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
      const percent = numberOf(text("capacity")) ?? levelOf(text), tenths = numberOf(text("temp")) ?? NaN;
      if (percent >= 0 && percent <= 100) percents.push(percent);
      if (isCelsius(tenths / 10)) celsius.push(tenths / 10);
    } else if (type !== undefined && type !== "Battery" && /^[012]$/.test(text("online") ?? "")) {
      // 2 is a charger that was told which voltage to give
      mains = (mains ?? false) || text("online") !== "0";
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

/** Drivers without `capacity` tell charge or energy; percent. */
function levelOf(text: (file: string) => string | undefined): number {
  for (const unit of ["energy", "charge"]) {
    const [left, full] = [numberOf(text(`${unit}_now`)) ?? NaN, numberOf(text(`${unit}_full`)) ?? NaN];
    if (full > 0 && left >= 0) return Math.min(100, 100 * left / full);
  }
  return NaN;
}

/** The hottest of all thermal zones (Documentation/driver-api/thermal/sysfs-api.rst); else of the processor under hwmon. */
function readHeat(files: TextFiles): DeviceConditions {
  const found: { readonly celsius: number; readonly hottest: string }[] = [];
  const take = (path: string, hottest: string) => {
    const celsius = (numberOf(files.readText(path)) ?? NaN) / 1000;
    if (isCelsius(celsius)) found.push({ celsius, hottest });
  };
  const zones = "/sys/class/thermal";
  for (const zone of files.list(zones).filter((name) => name.startsWith("thermal_zone"))) {
    const type = files.readText(`${zones}/${zone}/type`) ?? zone;
    if (type !== CONSTANT_ZONE) take(`${zones}/${zone}/temp`, type);
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
 * Raspberry Pi: bits of `get_throttled` where the kernel shows them (`soc/soc:firmware`, on a Pi 5
 * `soc@107c000000/soc@107c000000:firmware`), else the alarm of `rpi_volt`.
 */
function readVoltage(files: TextFiles): DeviceConditions {
  const platform = "/sys/devices/platform";
  const bits = files.list(platform).filter((name) => /^soc(?:@|$)/.test(name)).flatMap((soc) =>
    files.list(`${platform}/${soc}`).filter((name) => name.endsWith("firmware")).map((name) =>
      files.readText(`${platform}/${soc}/${name}/get_throttled`)
    )
  ).find((text) => text !== undefined);
  const throttled = bits === undefined ? undefined : parseThrottled(bits);
  if (throttled !== undefined) return throttled;
  const chips = "/sys/class/hwmon";
  const volt = files.list(chips).find((chip) => files.readText(`${chips}/${chip}/name`) === "rpi_volt");
  const alarm = volt === undefined ? undefined : files.readText(`${chips}/${volt}/in0_lcrit_alarm`);
  return alarm === "0" || alarm === "1" ? { undervolted: alarm === "1" } : {};
}

/** By the interface that the default route leaves through. Whether a link is metered the kernel does not know. */
function readLink(files: TextFiles): DeviceConditions {
  const name = defaultInterface(files);
  if (name === undefined) return {};
  const folder = `/sys/class/net/${name}`;
  const kind = files.readText(`${folder}/uevent`)?.match(/^DEVTYPE=(\w+)$/m)?.[1];
  if (kind === "wwan" || /^(?:wwan|ppp|rmnet)/.test(name)) return { link: "cellular" };
  return { link: kind === "wlan" || files.list(`${folder}/wireless`).length > 0 ? "wifi" : "wired" };
}

/** The kernel lists routes to one place by their metric, the best first. IPv6 counts where there is no other. */
function defaultInterface(files: TextFiles): string | undefined {
  const lines = (path: string) =>
    (files.readText(path) ?? "").split("\n").map((line) => line.trim().split(/\s+/));
  const four = lines("/proc/net/route").find(([, destination, , , , , , mask]) =>
    destination === "00000000" && (mask === undefined || mask === "00000000")
  );
  if (four !== undefined) return four[0];
  const six = lines("/proc/net/ipv6_route").find(([destination, length, ...rest]) =>
    /^0{32}$/.test(destination ?? "") && length === "00" && rest.at(-1) !== "lo"
  );
  return six?.at(-1);
}

/** Pressure stall information (Documentation/accounting/psi.rst); many small kernels are built without it. */
function readMemoryPressure(files: TextFiles): DeviceConditions {
  const percent = Number(
    files.readText("/proc/pressure/memory")?.match(/^full avg10=(\d{1,3}(?:\.\d+)?) /m)?.[1] ?? NaN,
  );
  return percent >= 0 && percent <= 100 ? { memoryPressure: percent / 100 } : {};
}

/** What is no number, and an empty file, is none: `Number` takes emptiness for 0. */
const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;

const isCelsius = (celsius: number): boolean => celsius > LEAST_CELSIUS && celsius < MOST_CELSIUS;
