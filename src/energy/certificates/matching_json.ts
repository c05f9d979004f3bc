/**
 * A matching report as JSON: integers of milliwatt-hours rounded down, grams with three digits.
 *
 * @module
 */
import type { MatchedHour, Matching } from "./matching.ts";
import { toIsoSeconds, toMilliwattHours } from "./quantities.ts";
import { MATCH_STATEMENT } from "./statement.ts";

/** What a report is about. */
export interface ReportPeriod {
  readonly fromMs: number;
  readonly toMs: number;
  readonly zones: readonly string[];
}

/** The report. `cfe` is null when nothing was used, `emissions` when no hour had a figure of the grid. */
export function matchingJson(found: Matching, { fromMs, toMs, zones }: ReportPeriod) {
  return {
    schema: 1,
    issued: false,
    statement: MATCH_STATEMENT,
    from: toIsoSeconds(fromMs),
    to: toIsoSeconds(toMs),
    zones,
    cfe: found.cfeMillionths === undefined ? null : Number(found.cfeMillionths) / 1e6,
    consumedMilliwattHours: toNumber(found.consumedMicrojoules),
    measuredMilliwattHours: toNumber(sumOf(found.hours.filter(({ measured }) => measured))),
    greenMilliwattHours: toNumber(found.greenMicrojoules),
    missingHours: found.missingHours,
    bySource: found.bySource.map((each) => ({
      class: each.class,
      source: each.source,
      milliwattHours: toNumber(each.microjoules),
    })),
    notCounted: {
      yearlyWattHours: Number(found.yearlyWattHours),
      wordMilliwattHours: toNumber(found.wordMicrojoules),
    },
    emissions: emissionsJson(found),
    hours: found.hours.map(hourJson),
  };
}

function emissionsJson({ emissions }: Matching) {
  if (emissions === undefined) return null;
  return {
    locationGrams: Number(emissions.locationMilligrams) / 1000,
    marketGrams: Number(emissions.marketMilligrams) / 1000,
    avoidedGrams: Number(emissions.avoidedMilligrams) / 1000,
    avoidedAgainst: "the average of the grid in the same hour",
    marketRest: emissions.residualMix ? "residual mix" : "average of the grid, as no residual mix is known",
    hours: emissions.hours,
  };
}

function hourJson(hour: MatchedHour) {
  const of = (wanted: "A" | "B") => toNumber(sumOf(hour.parts.filter((part) => part.class === wanted)));
  return {
    start: toIsoSeconds(hour.startMs),
    consumedMilliwattHours: toNumber(hour.microjoules),
    kind: hour.kind,
    measured: hour.measured,
    greenMilliwattHours: toNumber(hour.greenMicrojoules),
    classA: of("A"),
    classB: of("B"),
    surplusMilliwattHours: toNumber(hour.surplusMicrojoules),
    wordMilliwattHours: toNumber(hour.wordMicrojoules),
    evidence: hour.evidence,
  };
}

const toNumber = (microjoules: bigint): number => Number(toMilliwattHours(microjoules));
const sumOf = (parts: readonly { readonly microjoules: bigint }[]): bigint =>
  parts.reduce((total, { microjoules }) => total + microjoules, 0n);
