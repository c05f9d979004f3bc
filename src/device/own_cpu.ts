/**
 * Processor time of this process.
 *
 * @module
 */
import process from "node:process";

/** Milliseconds over all threads since the process began (getrusage); children do not count. */
export function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
