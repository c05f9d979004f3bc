/**
 * From lines of the books to hours and totals. Each line is a part of its hour, so an hour that was written in parts, or
 * that a clock which was set back came by twice, is the sum of its lines; no joule is in two of them.
 *
 * @module
 */
import type { AccountSums } from "./attribute.ts";
import { gramsOf } from "./carbon/grams.ts";
import type { AverageMethod, IntensityQuality } from "./carbon/types.ts";
import type { EvidenceClass } from "./certificates/types.ts";
import { HOUR_MS, type LedgerRecord } from "./ledger_record.ts";
import type { EnergyKind } from "./types.ts";

/** Energy of the grid that was priced by one method. */
export interface LocationSum {
  readonly method: AverageMethod;
  readonly grams: number;
  /** What was priced. */
  readonly microjoules: bigint;
}

/** The same of one hour, with how its intensity was known: the worst of its parts. */
export interface LocationHour extends LocationSum {
  readonly gramsPerKwh: number;
  readonly quality: IntensityQuality;
  readonly provider: string;
  readonly zone: string;
  readonly uncertainty: number;
  readonly renewableRatio: number | null;
}

/** Energy priced in some other way. */
export interface PricedSum {
  readonly grams: number;
  readonly microjoules: bigint;
}

/** What hours and totals share. */
interface Sums {
  readonly microjoules: AccountSums;
  readonly totalMicrojoules: bigint;
  /** Own production's part of the total: 0 g, both location- and market-based. */
  readonly localMicrojoules: bigint;
  readonly tokens: number;
  readonly blockTokens: number;
  readonly elapsedMs: number;
  readonly coveredMs: number;
  /** Market-based: by contract or residual mix; null where none was set. */
  readonly market: PricedSum | null;
  /** What the grid would have saved without it; null where no service told. Not a footprint. */
  readonly marginal: PricedSum | null;
  /** Energy of the grid whose carbon was not known. */
  readonly unpricedMicrojoules: bigint;
}

/** One hour of the books. */
export interface LedgerHour extends Sums {
  /** Unix ms, a whole UTC hour. */
  readonly startMs: number;
  readonly endMs: number;
  /** Measured time by time the books were kept, 0 to 1. */
  readonly coverage: number;
  readonly kind: EnergyKind;
  readonly uncertainty: number | null;
  readonly evidence: EvidenceClass | null;
  /** Location-based, one entry for each method: nearly always one. Never added up. */
  readonly location: readonly LocationHour[];
}

/** All hours together. */
export interface LedgerTotals extends Sums {
  readonly hours: number;
  /** First hour's start and last hour's end; null for empty books. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly location: readonly LocationSum[];
}

/** Energy of all accounts. */
export const totalOf = ({ serve, idle, other }: AccountSums): bigint => serve + idle + other;

/** Energy that came from the grid. */
export const gridOf = ({ microjoules, localMicrojoules }: LedgerRecord): bigint =>
  totalOf(microjoules) - localMicrojoules;

/** Hours of `records`, in order of time. */
export function hoursOf(records: readonly LedgerRecord[]): LedgerHour[] {
  const byHour = Map.groupBy(records, ({ startMs }) => startMs);
  return [...byHour].sort(([a], [b]) => a - b).map(([startMs, parts]) => hourOf(startMs, parts));
}

/** Totals of `hours`. */
export function totalsOf(hours: readonly LedgerHour[]): LedgerTotals {
  const methods = Map.groupBy(hours.flatMap(({ location }) => location), ({ method }) => method);
  return {
    ...addUp(hours),
    hours: hours.length,
    fromMs: hours.at(0)?.startMs ?? null,
    toMs: hours.at(-1)?.endMs ?? null,
    market: addPriced(hours.map(({ market }) => market)),
    marginal: addPriced(hours.map(({ marginal }) => marginal)),
    unpricedMicrojoules: hours.reduce((sum, each) => sum + each.unpricedMicrojoules, 0n),
    location: [...methods].map(([method, parts]) => ({ method, ...addPriced(parts)! })),
  };
}

function hourOf(startMs: number, parts: readonly LedgerRecord[]): LedgerHour {
  const sums = addUp(parts);
  const priced = parts.filter(({ intensity }) => intensity !== null);
  const methods = Map.groupBy(priced, ({ intensity }) => intensity!.method);
  const priceBy = (grams: (part: LedgerRecord) => number | null) =>
    addPriced(parts.map((part) => pricedAt(gridOf(part), grams(part))));
  return {
    startMs,
    endMs: startMs + HOUR_MS,
    ...sums,
    coverage: sums.elapsedMs === 0 ? 0 : Math.min(1, sums.coveredMs / sums.elapsedMs),
    kind: kindOf(parts),
    uncertainty: weighted(parts.map((part) => [totalOf(part.microjoules), part.uncertainty])),
    evidence: weakest(parts.map(({ evidence }) => evidence)),
    location: [...methods].map(([method, of]) => locationOf(method, of)),
    market: priceBy(({ marketGramsPerKwh }) => marketGramsPerKwh),
    marginal: priceBy(({ marginalGramsPerKwh }) => marginalGramsPerKwh),
    unpricedMicrojoules: parts.filter(({ intensity }) => intensity === null)
      .reduce((sum, part) => sum + gridOf(part), 0n),
  };
}

const QUALITY_ORDER: readonly IntensityQuality[] = ["live", "estimated", "stale", "yearly"];

function locationOf(method: AverageMethod, parts: readonly LedgerRecord[]): LocationHour {
  const known = parts.map((part) => ({ grid: gridOf(part), ...part.intensity! }));
  const microjoules = known.reduce((sum, { grid }) => sum + grid, 0n);
  const grams = known.reduce((sum, { grid, gramsPerKwh }) => sum + gramsOf(grid, gramsPerKwh), 0);
  const names = (name: "provider" | "zone") => [...new Set(known.map((each) => each[name]))].join("+");
  return {
    method,
    grams,
    microjoules,
    gramsPerKwh: weighted(known.map(({ grid, gramsPerKwh }) => [grid, gramsPerKwh])) ?? known[0]!.gramsPerKwh,
    quality: QUALITY_ORDER[Math.max(...known.map(({ quality }) => QUALITY_ORDER.indexOf(quality)))]!,
    provider: names("provider"),
    zone: names("zone"),
    uncertainty: Math.max(...known.map(({ uncertainty }) => uncertainty)),
    renewableRatio: weighted(known.map(({ grid, renewableRatio }) => [grid, renewableRatio])),
  };
}

type Countable = Pick<
  LedgerRecord,
  "microjoules" | "localMicrojoules" | "tokens" | "blockTokens" | "elapsedMs" | "coveredMs"
>;

function addUp(parts: readonly Countable[]) {
  const energy = (pick: (part: Countable) => bigint) => parts.reduce((sum, part) => sum + pick(part), 0n);
  const count = (pick: (part: Countable) => number) => parts.reduce((sum, part) => sum + pick(part), 0);
  const microjoules = {
    serve: energy((part) => part.microjoules.serve),
    idle: energy((part) => part.microjoules.idle),
    other: energy((part) => part.microjoules.other),
  };
  return {
    microjoules,
    totalMicrojoules: totalOf(microjoules),
    localMicrojoules: energy((part) => part.localMicrojoules),
    tokens: count((part) => part.tokens),
    blockTokens: count((part) => part.blockTokens),
    elapsedMs: count((part) => part.elapsedMs),
    coveredMs: count((part) => part.coveredMs),
  };
}

const pricedAt = (microjoules: bigint, gramsPerKwh: number | null): PricedSum | null =>
  gramsPerKwh === null ? null : { grams: gramsOf(microjoules, gramsPerKwh), microjoules };

function addPriced(parts: readonly (PricedSum | null)[]): PricedSum | null {
  const known = parts.filter((part) => part !== null);
  if (known.length === 0) return null;
  return {
    grams: known.reduce((sum, { grams }) => sum + grams, 0),
    microjoules: known.reduce((sum, { microjoules }) => sum + microjoules, 0n),
  };
}

/** Mean by energy; null when a part with energy has no value. */
function weighted(parts: readonly (readonly [energy: bigint, value: number | null])[]): number | null {
  const heavy = parts.filter(([energy]) => energy > 0n);
  const counted = heavy.length > 0 ? heavy : parts.map(([, value]) => [1n, value] as const);
  if (counted.length === 0 || counted.some(([, value]) => value === null)) return null;
  const total = counted.reduce((sum, [energy]) => sum + Number(energy), 0);
  return counted.reduce((sum, [energy, value]) => sum + Number(energy) / total * value!, 0);
}

/** The kind of all parts that hold energy; `mixed` where they differ. */
function kindOf(parts: readonly LedgerRecord[]): EnergyKind {
  const heavy = parts.filter(({ microjoules }) => totalOf(microjoules) > 0n);
  const kinds = new Set((heavy.length > 0 ? heavy : parts).map(({ kind }) => kind));
  return kinds.size === 1 ? [...kinds][0]! : "mixed";
}

const weakest = (classes: readonly (EvidenceClass | null)[]): EvidenceClass | null =>
  classes.filter((each) => each !== null).sort().at(-1) ?? null;
