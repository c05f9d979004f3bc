/**
 * What a pause means for the owner: it keeps work for others away, not the owner's own.
 *
 * @module
 */
import type { Decision } from "./types.ts";

/** Rules that guard the machine itself, whoever asks. All others say when it works for others. */
const GUARDS: ReadonlySet<string> = new Set([
  "undervoltage",
  "heat",
  "battery_level",
  "battery_heat",
  "memory_pressure",
]);

/**
 * Why the machine is to compute nothing now, not for its owner either; `undefined` where it may.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const paused = { rule: "pause", action: "withdraw", says: "paused by the owner for 5 minutes" } as const;
 * const hot = { rule: "heat", action: "withdraw", says: "84 °C on cpu-thermal, resumes at 70 °C" } as const;
 * assertEquals(machineRests({ because: [paused] }), undefined);
 * assertEquals(machineRests({ because: [paused, hot] }), "84 °C on cpu-thermal, resumes at 70 °C");
 * ```
 */
export function machineRests({ because }: Pick<Decision, "because">): string | undefined {
  const reasons = because.filter(({ rule, action }) => action === "withdraw" && GUARDS.has(rule));
  return reasons.length === 0 ? undefined : reasons.map(({ says }) => says).join("; ");
}
