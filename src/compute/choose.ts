/**
 * Which engine computes here, and with how many threads.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { BlockBackend, EngineName } from "./backend.ts";

/** What an operator may ask for. */
export type EngineChoice = "auto" | EngineName;

/** The engine that was chosen. */
export interface ChosenBackend {
  readonly backend: BlockBackend;
  /** Why this one, such as `0.25.1 on AMD EPYC`; with what is wrong with those that come before it. */
  readonly reason: string;
}

/**
 * The first usable of `backends`, which stand in the order of preference, or the named one. Throws `NodeError`
 * `no_backend` that says why none is usable.
 */
export async function chooseBackend(
  backends: readonly BlockBackend[],
  choice: EngineChoice,
): Promise<ChosenBackend> {
  const refused: string[] = [];
  for (const backend of backends.filter(({ name }) => choice === "auto" || name === choice)) {
    const probe = await backend.probe();
    if (probe.usable) {
      return { backend, reason: [`${probe.version} on ${probe.device}`, ...refused].join("; ") };
    }
    refused.push(`${backend.name} is not usable: ${probe.reason}`);
  }
  const why = refused.length > 0 ? refused.join("; ") : "it is not part of this program";
  throw new NodeError("no_backend", `Cannot use the engine "${choice}": ${why}`);
}

/**
 * Threads of the engine: as configured, or for 0 all cores but one, which the network needs: ggml's threads wait for
 * each other by spinning, and lose more than a core where one of them is held up.
 */
export const threadsFor = (configured: number, cores: number): number =>
  configured > 0 ? configured : Math.max(1, Math.floor(cores) - 1);
