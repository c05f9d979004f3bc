/**
 * What `doctor` looks at. A check tells what it found; whatever is wrong comes with its cause and what to do.
 *
 * @module
 */
import type { EnergyDocument } from "../api/energy.ts";
import type { StatusDocument } from "../api/status.ts";
import type { World } from "../base/world.ts";
import type { Settings } from "./settings.ts";

/** How bad it is: `fail` keeps something that was asked for from working, `warn` makes it worse, `info` is worth knowing. */
export type Severity = "ok" | "info" | "warn" | "fail";

/** One thing that was found. */
export interface Diagnosis {
  readonly check: string;
  readonly severity: Severity;
  /** What is, and why. */
  readonly says: string;
  /** What to do, in lines; absent where nothing is to be done. */
  readonly cure?: string;
}

/** Whether a node runs on the data folder, and what it says. */
export type NodeAnswer =
  | { readonly state: "running"; readonly status: StatusDocument }
  | { readonly state: "none" }
  /** It holds the folder and does not answer as it should. */
  | { readonly state: "silent"; readonly why: string };

/** What checks may use. */
export interface CheckContext {
  readonly world: World;
  readonly settings: Settings;
  /** What is known of energy: by the running node, or by sensors opened for this. */
  readonly energy: EnergyDocument;
  readonly node: NodeAnswer;
}

/** One check. Must not throw for what it looks for. */
export interface Check {
  readonly name: string;
  run(context: CheckContext, signal: AbortSignal): Diagnosis[] | Promise<Diagnosis[]>;
}

/** How a check tells what it found. */
export type Tell = (severity: Severity, says: string, cure?: string) => Diagnosis;

/** Diagnoses of the check `name`. */
export const tellOf = (check: string): Tell => (severity, says, cure) => ({
  check,
  severity,
  says,
  ...(cure === undefined ? {} : { cure }),
});
