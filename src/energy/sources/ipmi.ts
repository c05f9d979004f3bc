/**
 * Servers' management controllers by `ipmitool dcmi power reading` (DCMI 1.5, 6.6.1): what the supplies take in.
 *
 * @module
 */
import { messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import { runCommand } from "../../device/command.ts";
import { DOMAINS, type Finding } from "../types.ts";
import { openPolledChannel } from "./polled.ts";

/** Controllers renew the figure once in 1 to 60 seconds, and are slow to answer. */
const PERIOD_MS = 10_000;
const TIMEOUT_MS = 5_000;
const UNCERTAINTY = 0.05;
/** No single machine takes more. */
const MAX_WATTS = 20_000;
const PLACE = { id: "ipmi", kind: "measured", scope: "board" } as const;

/**
 * Microwatts of a reading. Throws `NodeError` `unsupported` where the controller does not measure, `malformed`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseDcmi("    Instantaneous power reading:                   136 Watts\n"), 136_000_000n);
 * ```
 */
export function parseDcmi(text: string): bigint {
  if (/power reading state is:\s+deactivated/i.test(text)) {
    throw new NodeError("unsupported", "Cannot read power by IPMI: the controller does not measure it");
  }
  const watts = text.match(/^\s*Instantaneous power reading:\s+(\d{1,6}) Watts\s*$/m)?.[1];
  if (watts === undefined || Number(watts) > MAX_WATTS) {
    throw new NodeError("malformed", "Cannot read power by IPMI: the answer names no plausible watts");
  }
  return BigInt(watts) * 1_000_000n;
}

/** The machine's power by its controller. Asked only where `wanted`, or where a controller shows itself. */
export async function findIpmi(
  world: World,
  { wanted, hasController }: { readonly wanted: boolean; readonly hasController: boolean },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (!wanted && !hasController) return [];
  const ask = async (signal: AbortSignal) =>
    parseDcmi(await runCommand("ipmitool", ["dcmi", "power", "reading"], signal));
  try {
    await ask(signal);
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    signal.throwIfAborted();
    const reason = `${messageOf(error)} (ipmitool as root; energy.ipmi=true asks for it)`;
    return [{ state: error.code === "not_found" && !wanted ? "absent" : "error", ...PLACE, reason }];
  }
  const channel = openPolledChannel(world, {
    id: PLACE.id,
    type: "gauge",
    minPeriodMs: PERIOD_MS,
    relativeUncertainty: UNCERTAINTY,
    timeoutMs: TIMEOUT_MS,
    read: ask,
    isObedient: true,
  });
  const close = () => channel[Symbol.asyncDispose]();
  return [{
    state: "ok",
    source: { ...PLACE, domain: DOMAINS.board, channels: [channel], [Symbol.asyncDispose]: close },
  }];
}
