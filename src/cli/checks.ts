/**
 * What `doctor` looks at. A check tells what it found; whatever is wrong comes with its cause and what to do.
 *
 * @module
 */
import type { EnergyDocument } from "../api/energy.ts";
import type { World } from "../base/world.ts";
import type { Settings } from "./settings.ts";

/** How bad it is: `fail` keeps something that was asked for from working, `warn` makes it worse, `info` is worth knowing. */
export type Severity = "ok" | "info" | "warn" | "fail";

/** One thing that was found. */
export interface Diagnosis {
  readonly check: string;
  readonly severity: Severity;
  /** What is. */
  readonly says: string;
  /** What to do; absent where nothing is to be done. */
  readonly cure?: string;
}

/** What checks may use. */
export interface CheckContext {
  readonly world: World;
  readonly settings: Settings;
  /** What is known of energy: by the running node, or by sensors opened for this. */
  readonly energy: EnergyDocument;
  /** Whether a node runs on the data folder. */
  readonly isRunning: boolean;
}

/** One check. Must not throw for what it looks for. */
export interface Check {
  readonly name: string;
  run(context: CheckContext, signal: AbortSignal): Diagnosis[] | Promise<Diagnosis[]>;
}
