/**
 * The processor.
 *
 * @module
 */
import type { TextFiles } from "./sysfs.ts";

/** What is told of the processor. */
export interface CpuFacts {
  readonly name: string;
  /** Cores this process may use: online ones, less where a control group allows fewer. */
  readonly cores: number;
}

/** Reads the processor's name and its usable cores; `online` is the count where /proc does not tell (`navigator.hardwareConcurrency`). */
export function readCpu(files: TextFiles, online: number): CpuFacts {
  const info = files.readText("/proc/cpuinfo") ?? "";
  const name = info.match(/^(?:model name|Model|Hardware|cpu model)\s*:\s*(.+)$/m)?.[1] ??
    "unknown processor";
  const allowed = allowedCores(files.readText("/proc/self/status") ?? "");
  const cores = Math.min(Math.max(1, online), allowed ?? Infinity, quota(files) ?? Infinity);
  return { name: name.trim(), cores: Math.max(1, Math.floor(cores)) };
}

/** Counts the list of `Cpus_allowed_list`, such as `0-3,8`. */
function allowedCores(status: string): number | undefined {
  const list = status.match(/^Cpus_allowed_list:\s*([\d,-]+)$/m)?.[1];
  if (list === undefined) return undefined;
  return list.split(",").reduce((sum, part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return sum + last - first + 1;
  }, 0);
}

/** Cores by `cpu.max` (`200000 100000` is two), never below one. */
function quota(files: TextFiles): number | undefined {
  const path = files.readText("/proc/self/cgroup")?.match(/^0::(\/.*)$/m)?.[1] ?? "/";
  const folder = path === "/" ? "" : path;
  const [time, period] = (files.readText(`/sys/fs/cgroup${folder}/cpu.max`) ?? "max 1").split(" ").map(
    Number,
  );
  return time! > 0 && period! > 0 ? Math.max(1, time! / period!) : undefined;
}
