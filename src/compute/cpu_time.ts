/**
 * Processor time of computations.
 *
 * @module
 */
import process from "node:process";

/** Hears how much processor time, in milliseconds over all threads, a part of a step took. */
export type CpuSpent = (cpuMs: number) => void;

/**
 * Runs `work` and tells `spent` the processor time of the whole process meanwhile (getrusage). Computations of an
 * engine run one after another, so that it is the computation's own, with what little the process does beside it.
 */
export async function countCpu<T>(spent: CpuSpent | undefined, work: () => Promise<T>): Promise<T> {
  if (spent === undefined) return await work();
  const before = process.cpuUsage();
  try {
    return await work();
  } finally {
    const { user, system } = process.cpuUsage(before);
    spent((user + system) / 1000);
  }
}
