/**
 * Whether the network link is paid for by the byte, as NetworkManager knows it or guesses.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import { runCommand } from "./command.ts";
import { NO_WATCH, openWatch, type Watch } from "./watch.ts";

/** Between two questions: a process each. */
const PERIOD_MS = 60_000;
/** There while NetworkManager runs. */
const FOLDER = "/run/NetworkManager";
const NAME = "org.freedesktop.NetworkManager";
const QUESTION = ["--system", "get-property", NAME, "/org/freedesktop/NetworkManager", NAME, "Metered"];

/**
 * Reads the property `Metered` as busctl prints it (`NMMetered` of libnm): 1 yes, 2 no, 3 and 4 the same as guesses; 0 is
 * unknown. Android phones that share their link say so by DHCP, and are guessed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(["u 1\n", "u 3", "u 2", "u 4", "u 0", "?"].map(parseMetered), [true, true, false, false, undefined, undefined]);
 * ```
 */
export function parseMetered(text: string): boolean | undefined {
  const value = text.trim().match(/^u ([1-4])$/)?.[1];
  return value === undefined ? undefined : value === "1" || value === "3";
}

/** Begins to ask; nobody is asked where NetworkManager has never run since the machine started (`folder`). */
export function watchMetered(world: World, folder = FOLDER): Watch<boolean> {
  if (!isFolder(folder)) return NO_WATCH;
  return openWatch(
    world,
    PERIOD_MS,
    async (signal) => parseMetered(await runCommand("busctl", QUESTION, signal)),
  );
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
