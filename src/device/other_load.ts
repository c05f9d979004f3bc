/**
 * How busy other programs keep the processors.
 *
 * @module
 */
import process from "node:process";
import { openCpuLoad } from "./cpu_load.ts";
import { ownCpuMs } from "./own_cpu.ts";
import type { SystemFiles } from "./sysfs.ts";

/** Tells the share of all processors, 0 to 1, that others were busy with since it was asked last. Dispose to close a file. */
export interface OtherLoad extends Disposable {
  /** `undefined` at first, and where the machine does not tell. */
  read(): number | undefined;
}

/** Begins to follow; the engine, which is a child of this process, does not count as another program. */
export function openOtherLoad(files: SystemFiles): OtherLoad {
  const load = openCpuLoad(files);
  let last: { readonly busyMs: number; readonly totalMs: number; readonly ownMs: number } | undefined;
  return {
    read() {
      const times = load.read();
      if (times === undefined) return undefined;
      const now = { ...times, ownMs: ownMs(files) };
      const before = last;
      last = now;
      const total = before === undefined ? 0 : now.totalMs - before.totalMs;
      if (before === undefined || total <= 0) return undefined;
      const others = now.busyMs - before.busyMs - Math.max(0, now.ownMs - before.ownMs);
      return Math.min(1, Math.max(0, others / total));
    },
    [Symbol.dispose]: () => load[Symbol.dispose](),
  };
}

/** The kernel's unit, as in `cpu_load.ts`. */
const TICK_MS = 10;

/** This process and its children that run now. */
function ownMs(files: SystemFiles): number {
  let sum = ownCpuMs();
  const children = files.readText(`/proc/${process.pid}/task/${process.pid}/children`) ?? "";
  for (const child of children.split(" ").filter((id) => /^\d+$/.test(id))) {
    // what follows the name in brackets begins with field 3; utime and stime are 14 and 15 (proc_pid_stat(5))
    const fields = files.readText(`/proc/${child}/stat`)?.replace(/^.*\) /s, "").split(" ") ?? [];
    sum += (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
  }
  return sum;
}
