/**
 * Grams of energy.
 *
 * @module
 */

/** Microjoules of a kilowatt-hour. */
const MICROJOULES_PER_KWH = 3.6e12;

/** Kilowatt-hours of microjoules. */
export const kilowattHoursOf = (microjoules: bigint): number => Number(microjoules) / MICROJOULES_PER_KWH;

/**
 * Grams of CO2 equivalent of `microjoules` at an intensity of the same hour.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(gramsOf(3_600_000_000_000n, 381.2), 381.2); // one kilowatt-hour
 * ```
 */
export const gramsOf = (microjoules: bigint, gramsPerKwh: number): number =>
  kilowattHoursOf(microjoules) * gramsPerKwh;
