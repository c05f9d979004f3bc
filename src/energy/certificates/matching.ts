/**
 * Hour-by-hour matching of what was used with what was produced green: CFE = Σ min(consumption, green) / Σ consumption.
 * Exact integers (microjoules); energy is rounded down when it is shown, emissions of one's own are rounded up.
 *
 * @module
 */
import { SOURCE_TYPES } from "../../config/keys_certificates.ts";
import { isMeasured } from "./intervals.ts";
import { HOUR_MS, ofMilliwattHours, ofWattHours } from "./quantities.ts";
import {
  type ConsumptionHour,
  type EvidenceClass,
  type ProductionHour,
  type SourceType,
  type StoredCertificate,
} from "./types.ts";

/** Carbon of the grid in one hour. */
export interface GridHour {
  /** Average of the zone, grams of CO2 equivalent for each kWh. */
  readonly gramsPerKwh: number;
  /** The same of what is left when certificates are taken out, where somebody publishes it. */
  readonly residualGramsPerKwh?: number;
}

/** What is matched. */
export interface MatchInput {
  /** Whole UTC hours, half-open. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly consumption: readonly ConsumptionHour[];
  readonly production: readonly ProductionHour[];
  readonly certificates: readonly StoredCertificate[];
  /** Energy sources that count as green. */
  readonly counted: readonly SourceType[];
  /** Whether certificates are issued for the own production: then it does not count beside them. */
  readonly productionCertified: boolean;
  gridIn(hourStartMs: number): GridHour | undefined;
}

/** Some green energy of an hour, all of which was used. */
export interface GreenPart {
  readonly class: "A" | "B";
  readonly source: SourceType;
  readonly microjoules: bigint;
  readonly gramsPerKwh: number;
}

/** One hour as it was matched. */
export interface MatchedHour {
  readonly startMs: number;
  readonly microjoules: bigint;
  readonly measured: boolean;
  readonly kind: ConsumptionHour["kind"];
  readonly parts: readonly GreenPart[];
  /** Sum of the parts, never above the hour's consumption. */
  readonly greenMicrojoules: bigint;
  /** Green energy of the hour that this node did not use. */
  readonly surplusMicrojoules: bigint;
  /** What was only said: unverified bundles, production without a meter of the site. */
  readonly wordMicrojoules: bigint;
  /** Class of the weakest part of what was used; D when the grid gave any of it. */
  readonly evidence: EvidenceClass;
}

/**
 * Grams as integers of milligrams. Own production used here is 0 both location- and market-based (GHG Protocol, scope 2:
 * it was not bought); certificates change the market-based line alone.
 */
export interface EmissionLines {
  readonly locationMilligrams: bigint;
  readonly marketMilligrams: bigint;
  readonly avoidedMilligrams: bigint;
  /** Hours with consumption and a figure of the grid: the lines speak of these only. */
  readonly hours: number;
  /** Whether the market-based line had a residual mix; without it, it takes the average. */
  readonly residualMix: boolean;
}

/** What matching found. */
export interface Matching {
  readonly hours: readonly MatchedHour[];
  /** Hours of the period that the books have no figure for: they are in no sum. */
  readonly missingHours: number;
  readonly consumedMicrojoules: bigint;
  readonly greenMicrojoules: bigint;
  /** Millionths, rounded down; `undefined` when nothing was used. */
  readonly cfeMillionths: bigint | undefined;
  readonly bySource: readonly {
    readonly class: "A" | "B";
    readonly source: SourceType;
    readonly microjoules: bigint;
  }[];
  /** Yearly certificates that reach into the period. */
  readonly yearlyWattHours: bigint;
  readonly wordMicrojoules: bigint;
  readonly emissions: EmissionLines | undefined;
}

/** Matches the hours of a period. Hours must be checked (`checkHours`); certificates come from `used_ranges`. */
export function match(input: MatchInput): Matching {
  const { fromMs, toMs } = input;
  const production = Map.groupBy(input.production, ({ startMs }) => startMs);
  const certificates = Map.groupBy(
    input.certificates.filter(({ evidence }) => evidence !== "C"),
    ({ startMs }) => Math.floor(startMs / HOUR_MS) * HOUR_MS,
  );
  const hours = input.consumption
    .filter(({ startMs, endMs, kind, coverage }) =>
      startMs >= fromMs && endMs <= toMs && kind !== "none" && coverage > 0
    )
    .sort((a, b) => a.startMs - b.startMs)
    .map((hour) =>
      matchHour(hour, production.get(hour.startMs) ?? [], certificates.get(hour.startMs) ?? [], input)
    );
  const consumedMicrojoules = sum(hours.map(({ microjoules }) => microjoules));
  const greenMicrojoules = sum(hours.map(({ greenMicrojoules }) => greenMicrojoules));
  return {
    hours,
    missingHours: Math.max(0, Math.floor((toMs - fromMs) / HOUR_MS) - hours.length),
    consumedMicrojoules,
    greenMicrojoules,
    cfeMillionths: consumedMicrojoules === 0n
      ? undefined
      : greenMicrojoules * 1_000_000n / consumedMicrojoules,
    bySource: bySource(hours),
    yearlyWattHours: sum(
      input.certificates.filter(({ evidence }) => evidence === "C").map((each) => each.wattHours),
    ),
    wordMicrojoules: sum(hours.map(({ wordMicrojoules }) => wordMicrojoules)),
    emissions: emissionsOf(hours, input),
  };
}

/** Green energy that is at hand in an hour, before it is held against consumption. */
type Offer = GreenPart;

function matchHour(
  hour: ConsumptionHour,
  production: readonly ProductionHour[],
  certificates: readonly StoredCertificate[],
  input: MatchInput,
): MatchedHour {
  const own = ownOffers(hour, production, input);
  const offers = [
    ...own,
    ...certificates.filter(({ evidence, source }) => evidence === "B" && input.counted.includes(source)).map(
      ({ source, wattHours, gramsPerKwh }): Offer => ({
        class: "B",
        source,
        microjoules: ofWattHours(wattHours),
        gramsPerKwh: gramsPerKwh ?? 0,
      }),
    ),
  ];
  const parts: GreenPart[] = [];
  let left = hour.microjoules;
  for (const offer of offers.sort(firstByClassThenSource)) {
    const microjoules = offer.microjoules < left ? offer.microjoules : left;
    if (microjoules > 0n) parts.push({ ...offer, microjoules });
    left -= microjoules;
  }
  const greenMicrojoules = hour.microjoules - left;
  return {
    startMs: hour.startMs,
    microjoules: hour.microjoules,
    measured: isMeasured(hour),
    kind: hour.kind,
    parts,
    greenMicrojoules,
    surplusMicrojoules: sum(offers.map(({ microjoules }) => microjoules)) - greenMicrojoules,
    wordMicrojoules: wordOf(certificates) +
      (input.productionCertified || own.length > 0 ? 0n : unmeteredOf(hour, production)),
    evidence: left > 0n || parts.length === 0 ? "D" : parts.some((part) => part.class === "B") ? "B" : "A",
  };
}

/**
 * Own production that reached this node, as the books say; else its consumption times the share of the site's use that
 * was produced there. Without a meter of the site that share is not known, and production is a word.
 */
function ownOffers(hour: ConsumptionHour, production: readonly ProductionHour[], input: MatchInput): Offer[] {
  if (input.productionCertified) return [];
  if (hour.own !== undefined) {
    const { source, microjoules, evidence } = hour.own;
    const counts = evidence === "A" && input.counted.includes(source);
    return counts ? [{ class: "A", source, microjoules, gramsPerKwh: 0 }] : [];
  }
  const believed = production.filter((each) => isClassA(each, input.counted));
  const produced = sum(believed.map(({ milliwattHours }) => milliwattHours));
  // meters of one site that differ: the largest use gives the smallest share
  const site = believed.reduce(
    (most, each) => each.siteMilliwattHours! > most ? each.siteMilliwattHours! : most,
    0n,
  );
  if (produced === 0n || site === 0n) return [];
  const here = hour.microjoules * (produced < site ? produced : site) / site;
  return believed.map(({ source, milliwattHours }) => ({
    class: "A",
    source,
    microjoules: here * milliwattHours / produced,
    gramsPerKwh: 0,
  }));
}

const isClassA = (each: ProductionHour, counted: readonly SourceType[]): boolean =>
  isMeasured(each) && (each.siteMilliwattHours ?? 0n) > 0n && counted.includes(each.source);

const wordOf = (certificates: readonly StoredCertificate[]): bigint =>
  sum(certificates.filter(({ evidence }) => evidence === "E").map(({ wattHours }) => ofWattHours(wattHours)));

const unmeteredOf = ({ own }: ConsumptionHour, production: readonly ProductionHour[]): bigint =>
  own?.microjoules ?? sum(production.map(({ milliwattHours }) => ofMilliwattHours(milliwattHours)));

const firstByClassThenSource = (a: GreenPart, b: GreenPart): number =>
  a.class === b.class
    ? SOURCE_TYPES.indexOf(a.source) - SOURCE_TYPES.indexOf(b.source)
    : a.class < b.class
    ? -1
    : 1;

function bySource(hours: readonly MatchedHour[]): Matching["bySource"] {
  const parts = Map.groupBy(hours.flatMap((hour) => hour.parts), (part) => `${part.class} ${part.source}`);
  return [...parts.values()].map((same) => ({
    class: same[0]!.class,
    source: same[0]!.source,
    microjoules: sum(same.map(({ microjoules }) => microjoules)),
  })).sort((a, b) => firstByClassThenSource({ ...a, gramsPerKwh: 0 }, { ...b, gramsPerKwh: 0 }));
}

function emissionsOf(hours: readonly MatchedHour[], input: MatchInput): EmissionLines | undefined {
  const known = hours.flatMap((hour) => {
    const grid = input.gridIn(hour.startMs);
    return grid === undefined ? [] : [{ hour, grid }];
  });
  if (known.length === 0) return undefined;
  // microjoules times milligrams for each kWh; divided once, at the end
  let [location, market, avoided] = [0n, 0n, 0n];
  for (const { hour, grid } of known) {
    const average = milligrams(grid.gramsPerKwh);
    const rest = hour.microjoules - hour.greenMicrojoules;
    location += (hour.microjoules - sum(hour.parts.map((part) =>
      part.class === "A" ? part.microjoules : 0n
    ))) * average;
    market += rest * milligrams(grid.residualGramsPerKwh ?? grid.gramsPerKwh);
    for (const { microjoules, gramsPerKwh } of hour.parts) {
      const own = milligrams(gramsPerKwh);
      market += microjoules * own;
      avoided += microjoules * (average > own ? average - own : 0n);
    }
  }
  return {
    locationMilligrams: up(location),
    marketMilligrams: up(market),
    avoidedMilligrams: avoided / MICROJOULES_PER_KWH,
    hours: known.length,
    residualMix: known.every(({ grid }) => grid.residualGramsPerKwh !== undefined),
  };
}

const MICROJOULES_PER_KWH = ofWattHours(1000n);
const milligrams = (gramsPerKwh: number): bigint => BigInt(Math.ceil(gramsPerKwh * 1000));
const up = (value: bigint): bigint => (value + MICROJOULES_PER_KWH - 1n) / MICROJOULES_PER_KWH;
const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n);
