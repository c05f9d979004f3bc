/**
 * What the firmware of a Raspberry Pi says of its supply and its clock, asked in the background.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { openDeadline } from "../base/deadline.ts";
import type { Clock, World } from "../base/world.ts";
import { runCommand } from "./command.ts";
import type { TextFiles } from "./sysfs.ts";
import { openVideocore } from "./videocore_ffi.ts";
import { NO_WATCH, openWatch, type Watch } from "./watch.ts";

/** State of the supply now. */
export interface Throttled {
  /** Bit 0. */
  readonly undervolted: boolean;
  /** Bit 2. */
  readonly throttled: boolean;
}

/** Between two questions: a process each, where the mailbox cannot be opened. */
const PERIOD_MS = 10_000;
const TIMEOUT_MS = 2_000;

/**
 * Reads the bits of `get_throttled`: 0 the voltage is too low, 1 the clock is capped, 2 throttled, 3 the soft limit of heat;
 * 16 to 19 that it has happened, which is no reason for anything now.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseThrottled("throttled=0x50005\n"), { undervolted: true, throttled: true });
 * assertEquals(parseThrottled("50000"), { undervolted: false, throttled: false });
 * assertEquals(parseThrottled("error=1"), undefined);
 * ```
 */
export function parseThrottled(text: string): Throttled | undefined {
  const bits = text.trim().match(/^(?:throttled=0x)?([0-9a-f]{1,8})$/i)?.[1];
  if (bits === undefined) return undefined;
  const value = parseInt(bits, 16);
  return { undervolted: (value & 1) !== 0, throttled: (value & 4) !== 0 };
}

/** Whether this is a Raspberry Pi: on other machines nobody is asked. */
const isRaspberryPi = (files: TextFiles): boolean =>
  /Raspberry Pi/.test(
    files.readText("/proc/device-tree/model") ?? files.readText("/sys/firmware/devicetree/base/model") ?? "",
  );

/** Begins to ask, on Raspberry Pis whose kernel does not show it. Elsewhere nothing runs. */
export const watchThrottled = (world: World, files: TextFiles): Watch<Throttled> =>
  isRaspberryPi(files) ? openWatch(world, PERIOD_MS, askFirmware) : NO_WATCH;

/** What the firmware says now; `undefined` where there is none that answers. Throws the reason of `signal`. */
export async function readThrottled(
  clock: Clock,
  files: TextFiles,
  signal: AbortSignal,
): Promise<Throttled | undefined> {
  if (!isRaspberryPi(files)) return undefined;
  using deadline = openDeadline(clock, TIMEOUT_MS, "ask for throttling", signal);
  const found = await askFirmware(deadline.signal);
  signal.throwIfAborted();
  return found;
}

/** By the mailbox, else by the program. Throws for nothing but mistakes of ours. */
async function askFirmware(signal: AbortSignal): Promise<Throttled | undefined> {
  for (const ask of [askMailbox, askProgram]) {
    try {
      const found = parseThrottled(await ask(signal));
      if (found !== undefined) return found;
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
    }
  }
  return undefined;
}

async function askMailbox(): Promise<string> {
  using videocore = openVideocore();
  return await videocore.ask("get_throttled");
}

const askProgram = (signal: AbortSignal): Promise<string> =>
  runCommand("vcgencmd", ["get_throttled"], signal);
