/**
 * How much memory this process may still take.
 *
 * @module
 */
import type { TextFiles } from "./sysfs.ts";

/** Memory of the machine and of the limits that hold for this process. */
export interface MemoryFacts {
  /** Installed, or the tightest limit where that is lower. */
  readonly totalBytes: number;
  /** What may still be taken without pushing anything out. */
  readonly availableBytes: number;
}

/** A limit of this size is none: the kernel writes the largest page-aligned number (cgroup-v1 memory.txt). */
const NO_LIMIT = 2 ** 60;

/** Reads /proc/meminfo and the limits of every control group above this process; `undefined` off Linux. */
export function readMemory(files: TextFiles): MemoryFacts | undefined {
  const lines = files.readText("/proc/meminfo");
  if (lines === undefined) return undefined;
  const kib = (name: string) =>
    Number(lines.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))?.[1] ?? NaN) * 1024;
  let totalBytes = kib("MemTotal");
  let availableBytes = kib("MemAvailable");
  if (!Number.isFinite(totalBytes)) return undefined;
  // kernels before 3.14 do not tell MemAvailable
  if (!Number.isFinite(availableBytes)) availableBytes = kib("MemFree") || 0;
  for (const { limit, used } of groupLimits(files)) {
    totalBytes = Math.min(totalBytes, limit);
    availableBytes = Math.min(availableBytes, Math.max(0, limit - used));
  }
  return { totalBytes, availableBytes };
}

/** Resident memory of this process; `undefined` off Linux. */
export function ownMemoryBytes(files: TextFiles): number | undefined {
  const kib = files.readText("/proc/self/status")?.match(/^VmRSS:\s+(\d{1,12}) kB$/m)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

function* groupLimits(files: TextFiles): Generator<{ readonly limit: number; readonly used: number }> {
  for (const line of (files.readText("/proc/self/cgroup") ?? "").split("\n")) {
    const match = line.match(/^\d+:([^:]*):(\/.*)$/);
    if (match === null) continue;
    const [, controllers, path] = match;
    const [root, limitFile, usedFile] = controllers === ""
      ? ["/sys/fs/cgroup", "memory.max", "memory.current"]
      : ["/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"];
    if (controllers !== "" && !controllers!.split(",").includes("memory")) continue;
    for (const folder of upward(path!)) {
      const limit = Number(files.readText(`${root}${folder}/${limitFile}`));
      if (!(limit > 0 && limit < NO_LIMIT)) continue;
      const used = Number(files.readText(`${root}${folder}/${usedFile}`) ?? 0) -
        fileCache(files, root + folder);
      yield { limit, used: Math.max(0, used) };
    }
  }
}

/** Pages of files count as used but are given back on demand. */
function fileCache(files: TextFiles, folder: string): number {
  const text = files.readText(`${folder}/memory.stat`) ?? "";
  return Number(text.match(/^(?:total_)?inactive_file (\d+)$/m)?.[1] ?? 0);
}

/** A path and all its parents: `/a/b`, `/a`, and the root as an empty text. */
function* upward(path: string): Generator<string> {
  for (let at = path.replace(/\/+$/, ""); at !== ""; at = at.slice(0, at.lastIndexOf("/"))) yield at;
  yield "";
}
