/**
 * Which kind of machine this is.
 *
 * @module
 */
import type { MachineFacts } from "../config/target.ts";
import type { TextFiles } from "./sysfs.ts";

/** Board and system by device tree, DMI and OpenWrt's release note. `arch` is Deno's (`x86_64`, `aarch64`). */
export function readMachine(files: TextFiles, arch: string): MachineFacts {
  return {
    arch,
    board: files.readText("/proc/device-tree/model") ?? files.readText("/sys/class/dmi/id/product_name"),
    // procd is OpenWrt's first process and nobody else's
    openwrt: files.readText("/proc/1/comm") === "procd",
  };
}
