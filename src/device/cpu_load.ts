/**
 * How busy all processors together are.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { SystemFiles } from "./sysfs.ts";

/** Times of all processors since the start of the machine. */
export interface CpuTimes {
  readonly busyMs: number;
  readonly totalMs: number;
}

/** Reads processor times. Dispose to close the file. */
export interface CpuLoad extends Disposable {
  /** `undefined` where the machine does not tell. */
  read(): CpuTimes | undefined;
}

/** The kernel's unit: a hundredth of a second on all that Linux runs on here (USER_HZ). */
const TICK_MS = 10;
/** The first line is enough, and has ten numbers. */
const HEAD_BYTES = 256;

/** Opens `/proc/stat`; where that cannot be, nothing is ever told. */
export function openCpuLoad(files: Pick<SystemFiles, "openHead">): CpuLoad {
  try {
    const file = files.openHead("/proc/stat", HEAD_BYTES);
    return {
      read: () => parseCpuTimes(file.read() ?? ""),
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    return { read: () => undefined, [Symbol.dispose]: () => {} };
  }
}

/**
 * Reads the line `cpu  user nice system idle iowait irq softirq steal guest guest_nice` (proc_stat(5)). Waiting for disks
 * is idle; what guests use is in `user` and `nice` already; time that others stole is nobody's here.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseCpuTimes("cpu  10 0 5 80 4 1 0 0 3 0\n"), { busyMs: 160, totalMs: 1000 });
 * ```
 */
export function parseCpuTimes(text: string): CpuTimes | undefined {
  const line = text.match(/^cpu +(\d{1,16}(?: \d{1,16}){3,9})(?: \d+)*\n/)?.[1];
  if (line === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0] = line.split(" ").map(Number);
  const busy = user + nice + system + irq + soft;
  return { busyMs: busy * TICK_MS, totalMs: (busy + idle + wait) * TICK_MS };
}
