/**
 * Room on disks.
 *
 * @module
 */
import { statfsSync } from "node:fs";

/** Bytes that may still be written to the file system of `path`; `undefined` where that cannot be told. */
export function diskFreeBytes(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
