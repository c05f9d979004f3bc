/**
 * What a server's version says of it.
 *
 * @module
 */

/** Marks servers of this program: other KwaaiNet nodes have numbers of their own, which mean other things. */
const MARK = "+kwaainet";

/** The version that this program announces: its own, marked as local label (PEP 440), as Petals reads versions. */
export const announcedVersion = (version: string): string => version + MARK;

/** Whether a server of that version is this program. */
export const isThisProgram = (version: string | undefined): boolean => version?.endsWith(MARK) ?? false;

/**
 * Whether a server takes `start_from_position`, which forgets what came after: this program does, and Petals from 2.3 on
 * (its repository's head); the released 2.2 does not know it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const versions = ["0.1.0+kwaainet", "2.2.0.post1", "2.3.0.dev2", "0.6.2", undefined];
 * assertEquals(versions.map(knowsRewinding), [true, false, true, false, false]);
 * ```
 */
export function knowsRewinding(version: string | undefined): boolean {
  if (isThisProgram(version)) return true;
  const [, major, minor] = version?.match(/^(\d{1,6})\.(\d{1,6})/) ?? [];
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 3);
}
