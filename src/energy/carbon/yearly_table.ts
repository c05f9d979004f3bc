/**
 * The built-in averages of whole years: countries, and the provinces of Canada.
 *
 * Sources, licences and whom to name stand in the tables. Left out: averages of states of the USA from 2016 in another
 * method, which would be less certain than the country's newer average.
 *
 * @module
 */
import { intensityOfMix } from "./mix.ts";
import countries from "./tables/country_yearly.json" with { type: "json" };
import canada from "./tables/canada_mix.json" with { type: "json" };
import type { Intensity } from "./types.ts";

/** Half width of the 95 % interval of a yearly average in its own year, and what each year since adds. */
const SAME_YEAR = 0.15;
const EACH_YEAR = 0.05;
/** What a mix of generation leaves out, imports above all. */
const MIX_ONLY = 0.1;

type Row = readonly [
  alpha2: string,
  name: string,
  year: number,
  gramsPerKwh: number,
  renewable: number,
  lowCarbon: number,
  solar: number,
];

const ROWS = countries.countries as unknown as Readonly<Record<string, Row>>;
const BY_ALPHA2 = new Map(Object.values(ROWS).map((row) => [row[0], row]));

/** How many countries the table knows. */
export const COUNTRY_COUNT = Object.keys(ROWS).length;

/**
 * The yearly average of `zone`: a country by two or three letters, `CA-QC` for a province of Canada, any other part of a
 * country as that country. `undefined` where there is none, or where the table says 0, which rounding made.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const germany = yearlyIntensity("DE", Date.UTC(2026, 0, 1));
 * assertEquals(germany?.method, "lifecycle");
 * assertEquals(germany?.uncertainty, 0.3); // of 2023: 15 % and 5 % for each year since
 * assertEquals(yearlyIntensity("XX", 0), undefined);
 * ```
 */
export function yearlyIntensity(zone: string, nowMs: number): Intensity<"lifecycle"> | undefined {
  const name = zone.toUpperCase();
  const [country = ""] = name.split("-");
  return provinceIntensity(name, nowMs) ??
    countryIntensity(name, Object.hasOwn(ROWS, country) ? ROWS[country] : BY_ALPHA2.get(country), nowMs);
}

function countryIntensity(
  zone: string,
  row: Row | undefined,
  nowMs: number,
): Intensity<"lifecycle"> | undefined {
  if (row === undefined || row[3] <= 0) return undefined;
  const [, , year, gramsPerKwh, renewableRatio] = row;
  return {
    ...yearly(zone, year, nowMs),
    gramsPerKwh,
    renewableRatio,
    attribution: countries.about.attribution,
  };
}

function provinceIntensity(zone: string, nowMs: number): Intensity<"lifecycle"> | undefined {
  if (!Object.hasOwn(canada.zones, zone)) return undefined;
  const result = intensityOfMix(canada.zones[zone as keyof typeof canada.zones]);
  if (result === undefined) return undefined;
  const base = yearly(zone, canada.about.year, nowMs);
  return {
    ...base,
    gramsPerKwh: result.gramsPerKwh,
    renewableRatio: result.renewableRatio,
    uncertainty: Math.min(1, base.uncertainty + MIX_ONLY),
    attribution: canada.about.attribution,
  };
}

/** What all yearly figures share; older ones say less of this year. */
function yearly(zone: string, year: number, nowMs: number) {
  const age = Math.max(0, new Date(nowMs).getUTCFullYear() - year);
  return {
    zone,
    quality: "yearly",
    method: "lifecycle",
    provider: "table",
    atMs: Date.UTC(year, 0, 1),
    uncertainty: Math.min(1, Math.round((SAME_YEAR + EACH_YEAR * age) * 100) / 100),
  } as const;
}
