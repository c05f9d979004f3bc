/**
 * What inverters and site meters tell, and what follows from it.
 *
 * @module
 */
import type { EvidenceClass, ProductionHour } from "../certificates/types.ts";

/** What one device tells at once. Fields that it does not measure are absent, never 0. */
export interface SiteValues {
  /** Own generation, watts. */
  readonly pvWatts?: number;
  /** What the whole site uses, watts. */
  readonly siteWatts?: number;
  /** From the grid, watts; negative is into it. */
  readonly gridWatts?: number;
  /** Out of the battery, watts; negative is into it. */
  readonly batteryWatts?: number;
  /** What was generated over the device's life, watt-hours. */
  readonly producedWattHours?: number;
}

/** A device that is asked again and again. */
export interface SiteDevice extends AsyncDisposable {
  /** Throws a `PollFailure` or `NodeError`. */
  ask(signal: AbortSignal): Promise<SiteValues>;
}

/** What is taken of a device: everything it tells, or only one part of it. */
export type SiteRole = "all" | "inverter" | "grid" | "load" | "battery";

/**
 * How the share came about: `site_meter` of what the whole site uses, or, where nobody measures that, on the assumption
 * that own power goes to this node before anything else.
 */
export type ShareBasis = "site_meter" | "assumes_node_first";

/** Why a device gives nothing. */
export interface SiteFailure {
  /** Of the device. */
  readonly id: string;
  /** One word for counting, such as `http_401`. */
  readonly word: string;
  /** In words, with what to do. */
  readonly reason: string;
}

/** Own renewable power as it is now. Null is "not known", never 0. */
export interface RenewablesSnapshot {
  readonly pvWatts: number | null;
  readonly siteWatts: number | null;
  readonly gridWatts: number | null;
  readonly batteryWatts: number | null;
  /** Share of the node's power that is own generation, 0 to 1. */
  readonly share: number | null;
  readonly basis: ShareBasis | null;
  /** `A` where the site is metered beside the inverter, else `E`: the assumption is the operator's word. */
  readonly evidence: Extract<EvidenceClass, "A" | "E"> | null;
  /** Age of the oldest value in it. */
  readonly ageMs: number | null;
  readonly failures: readonly SiteFailure[];
}

/** Own renewable power, watched. Dispose to stop asking. */
export interface Renewables extends AsyncDisposable {
  snapshot(): RenewablesSnapshot;
  /** Whole UTC hours of production that have ended since the last call, from lifetime counters alone. At most two days' are kept. */
  takeHours(): ProductionHour[];
}
