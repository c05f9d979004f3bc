/**
 * Software Carbon Intensity (ISO/IEC 21031): SCI = (E·I + M) / R, with R = 1000 block-tokens, positions times blocks.
 *
 * E·I is location-based: certificates and contracts never lower it. M, the share of making the machine, is
 * TE · (TiR / EL) · (RR / ToR) with the whole machine reserved (RR = ToR), and absent unless the operator gives TE and EL.
 *
 * @module
 */
import type { AverageMethod } from "./types.ts";

/** The functional unit. */
export const BLOCK_TOKENS_PER_UNIT = 1000;

/** What making the machine cost, and over how long it is spread. */
export interface Embodied {
  /** TE, grams of CO2 equivalent. */
  readonly totalGrams: number;
  /** EL, milliseconds. */
  readonly lifetimeMs: number;
}

/** What the score is made of. */
export interface SciInput {
  /** Location-based grams of the energy the software used: E·I, summed hour by hour. */
  readonly operationalGrams: number;
  /** How I was counted. */
  readonly method: AverageMethod;
  /** TiR: time the machine was reserved. */
  readonly reservedMs: number;
  readonly embodied: Embodied | undefined;
  readonly blockTokens: number;
}

/** The score. */
export interface Sci {
  /** Grams of CO2 equivalent for 1000 block-tokens. */
  readonly grams: number;
  /** The part of it that stands for making the machine; null where that is not known, and not in it. */
  readonly embodiedGrams: number | null;
  /** I is an average of this kind, never a marginal figure. */
  readonly method: AverageMethod;
}

/**
 * The score; `undefined` before any work was done.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const sci = sciOf({
 *   operationalGrams: 10,
 *   method: "lifecycle",
 *   reservedMs: 3_600_000,
 *   embodied: { totalGrams: 87_660, lifetimeMs: 87_660 * 3_600_000 }, // ten years
 *   blockTokens: 2000,
 * });
 * assertEquals(sci, { grams: 5.5, embodiedGrams: 0.5, method: "lifecycle" });
 * ```
 */
export function sciOf(input: SciInput): Sci | undefined {
  const units = input.blockTokens / BLOCK_TOKENS_PER_UNIT;
  if (!(units > 0)) return undefined;
  const { embodied } = input;
  const embodiedGrams = embodied === undefined
    ? null
    : embodied.totalGrams * input.reservedMs / embodied.lifetimeMs / units;
  return {
    grams: input.operationalGrams / units + (embodiedGrams ?? 0),
    embodiedGrams,
    method: input.method,
  };
}
