/**
 * The power controller of the Raspberry Pi 5 and the Compute Module 5: twelve rails, asked from the firmware by its mailbox
 * or, where that cannot be opened, by `vcgencmd`. The kernel shows none of it.
 *
 * @module
 */
import { messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import { runCommand } from "../../device/command.ts";
import type { TextFiles } from "../../device/sysfs.ts";
import { openVideocore, type Videocore } from "../../device/videocore_ffi.ts";
import { DOMAINS, type Finding } from "../types.ts";
import { boardMicrowatts, parsePmicListing, PMIC_UNCERTAINTY } from "./pi_listing.ts";
import { openPolledChannel } from "./polled.ts";

const COMMAND = "pmic_read_adc";
/** A call of the mailbox takes a fraction of a millisecond; a process for each reading costs 3.5 ms. */
const MAILBOX_PERIOD_MS = 100;
const PROCESS_PERIOD_MS = 500;
const TIMEOUT_MS = 1000;
const PLACE = { id: "pi5-pmic", kind: "mixed", scope: "board" } as const;

/** One way to the firmware. */
interface Way {
  readonly periodMs: number;
  readonly ask: (signal: AbortSignal) => Promise<string>;
  readonly close: () => void;
}

/** Whether the board has such a controller, by its device tree. */
export const hasPmic = (files: TextFiles): boolean =>
  /Raspberry Pi (?:5|500|Compute Module 5)/.test(
    files.readText("/proc/device-tree/model") ?? files.readText("/sys/firmware/devicetree/base/model") ?? "",
  );

/** The board's power, corrected for what the rails leave out. Nothing on other boards. */
export async function findPiPmic(
  world: World,
  files: TextFiles,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (!hasPmic(files)) return [];
  const reasons: string[] = [];
  let state: "denied" | "error" = "error";
  for (const open of [mailbox, process]) {
    let way: Way | undefined;
    try {
      way = open();
      parsePmicListing(await way.ask(signal));
      return [{ state: "ok", source: sourceOf(world, way) }];
    } catch (error) {
      way?.close();
      if (!(error instanceof NodeError)) throw error;
      signal.throwIfAborted();
      if (error.code === "denied") state = "denied";
      reasons.push(messageOf(error));
    }
  }
  const cure =
    "let this user open /dev/vcio (sudo usermod -aG video USER, then log in again), or put vcgencmd into PATH";
  return [{ state, ...PLACE, reason: `${reasons.join("; ")}; ${cure}` }];
}

function sourceOf(world: World, { periodMs, ask, close }: Way): Extract<Finding, { state: "ok" }>["source"] {
  const channel = openPolledChannel(world, {
    id: PLACE.id,
    type: "gauge",
    minPeriodMs: periodMs,
    relativeUncertainty: PMIC_UNCERTAINTY,
    timeoutMs: TIMEOUT_MS,
    read: async (signal) => boardMicrowatts(parsePmicListing(await ask(signal))),
    isObedient: true,
  });
  return {
    ...PLACE,
    domain: DOMAINS.board,
    channels: [channel],
    async [Symbol.asyncDispose]() {
      await channel[Symbol.asyncDispose]();
      close();
    },
  };
}

function mailbox(): Way {
  const videocore: Videocore = openVideocore();
  return {
    periodMs: MAILBOX_PERIOD_MS,
    ask: () => videocore.ask(COMMAND),
    close: () => videocore[Symbol.dispose](),
  };
}

const process = (): Way => ({
  periodMs: PROCESS_PERIOD_MS,
  ask: (signal) => runCommand("vcgencmd", [COMMAND], signal),
  close: () => {},
});
