/**
 * Looking for sensors: all families at once, none able to spoil another.
 *
 * @module
 */
import { openDeadline, orAbort } from "../base/deadline.ts";
import { messageOf } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { EnergyScope, Finding } from "./types.ts";

/** Longest time a family may look. */
const LOOK_MS = 5_000;

/** One kind of sensors. */
export interface Family {
  /** Id of its finding where it fails as a whole. */
  readonly id: string;
  readonly scope: EnergyScope;
  /** Whether looking again is of no use: what the owner named is asked again by itself. */
  readonly once?: true;
  /** Must not throw for what the machine lacks. */
  find(signal: AbortSignal): readonly Finding[] | Promise<readonly Finding[]>;
}

/** What all families found, in their order. A family that fails or takes too long is an `error` and costs the others nothing. */
export async function discoverSources(
  world: World,
  families: readonly Family[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const found = await Promise.all(families.map((family) => look(world, family, signal)));
  return found.flat();
}

async function look(world: World, family: Family, signal: AbortSignal): Promise<readonly Finding[]> {
  using deadline = openDeadline(world.clock, LOOK_MS, `look for sensors of ${family.id}`, signal);
  // a family that comes too late must not leave files open
  const finding = Promise.resolve().then(() => family.find(deadline.signal));
  try {
    return await orAbort(finding, deadline.signal);
  } catch (error) {
    finding.then(closeAll, () => {});
    signal.throwIfAborted();
    world.log.warn("Sensors not looked for", { family: family.id, reason: messageOf(error) });
    const { id, scope } = family;
    return [{ state: "error", id, kind: "measured", scope, reason: messageOf(error) }];
  }
}

async function closeAll(findings: readonly Finding[]): Promise<void> {
  await Promise.all(findings.map(async (finding) => {
    if (finding.state === "ok") await finding.source[Symbol.asyncDispose]();
  }));
}
