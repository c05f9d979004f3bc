/**
 * From what a grid's power is made of to its carbon.
 *
 * @module
 */
import factors from "./tables/lifecycle_factors.json" with { type: "json" };

/** A kind of power station. */
export type Fuel = keyof typeof factors.factors;

/** Power or energy by fuel, in any one unit; `unknown` for what no factor is known of. */
export type FuelMix = Readonly<Partial<Record<Fuel | "unknown", number>>>;

/** What a mix gives. */
export interface MixResult {
  /** Life-cycle grams for each kWh, of what has a factor. */
  readonly gramsPerKwh: number;
  /** Share of what has none, 0 to 1. */
  readonly unknownRatio: number;
  readonly renewableRatio: number;
}

/** Whom to name for the factors. */
export const FACTORS_ATTRIBUTION = factors.about.attribution;

const RENEWABLE: ReadonlySet<string> = new Set<Fuel>([
  "biomass",
  "solar_utility",
  "solar_rooftop",
  "geothermal",
  "hydro",
  "ocean",
  "wind_offshore",
  "wind_onshore",
]);

/**
 * Carbon of a mix; `undefined` for one that is empty or nearly all unknown. Negative parts (stations that take power for
 * themselves) are no part of the mix.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(intensityOfMix({ gas: 50, wind_onshore: 50 }), {
 *   gramsPerKwh: 250.5,
 *   unknownRatio: 0,
 *   renewableRatio: 0.5,
 * });
 * assertEquals(intensityOfMix({}), undefined);
 * ```
 */
export function intensityOfMix(mix: FuelMix): MixResult | undefined {
  let [total, known, grams, renewable] = [0, 0, 0, 0];
  for (const [fuel, amount] of Object.entries(mix)) {
    if (!(amount > 0) || !Number.isFinite(amount)) continue;
    total += amount;
    if (RENEWABLE.has(fuel)) renewable += amount;
    if (!Object.hasOwn(factors.factors, fuel)) continue;
    known += amount;
    grams += amount * factors.factors[fuel as Fuel];
  }
  if (known <= total / 2) return undefined;
  return {
    gramsPerKwh: grams / known,
    unknownRatio: (total - known) / total,
    renewableRatio: renewable / total,
  };
}
