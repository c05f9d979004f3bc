/**
 * The hours that certificates are about: out of the node's books, or out of a signed file in their place.
 *
 * @module
 */
import { yearlyIntensity } from "../energy/carbon/yearly_table.ts";
import type { GridHour } from "../energy/certificates/matching.ts";
import { readProduction } from "../energy/certificates/production_book.ts";
import { HOUR_MS, ofWattHours } from "../energy/certificates/quantities.ts";
import type { ConsumptionHour } from "../energy/certificates/types.ts";
import { readLedgerHours } from "../energy/ledger.ts";
import type { LedgerHour } from "../energy/ledger_sums.ts";
import { readIdentity } from "../identity/keys.ts";
import { type Books, booksOfFile, type Period, type Work } from "./certificates_work.ts";

/** Hours, and what the books know of the grid in them. */
export interface KnownBooks extends Books {
  gridIn(hourStartMs: number): GridHour | undefined;
  /** Where the figures of the grid come from; absent where there are none. */
  readonly grid: GridOrigin | undefined;
}

/** What must be said beside figures of the grid. */
export interface GridOrigin {
  /** What grams are counted, such as `lifecycle`. */
  readonly method: string;
  readonly zones: readonly string[];
  /** Whom to name: the table's licence wants it. */
  readonly attributions: readonly string[];
}

/** Hours of the file that `--hours` names, else of the node's own books. */
export async function readBooks(work: Work, period: Period): Promise<KnownBooks> {
  const books = await booksOfFile(work);
  return books === undefined
    ? await ownBooks(work, period)
    : { ...books, gridIn: () => undefined, grid: undefined };
}

/** Hours of the node's own books that are over. */
export async function ownBooks(
  { world, settings: { paths } }: Work,
  { fromMs, toMs }: Period,
): Promise<KnownBooks> {
  const now = world.clock.now();
  const isOver = ({ endMs }: { readonly endMs: number }) => endMs <= now;
  const hours = (await readLedgerHours(paths.ledger, fromMs, toMs)).filter(isOver);
  const method = commonMethod(hours);
  const grid = new Map(hours.map((hour) => [hour.startMs, gridOf(hour, method)]));
  return {
    device: (await readIdentity(paths.identity))?.peerId,
    consumption: hours.map(consumptionOf),
    production: (await readProduction(paths.ledger, fromMs, toMs)).filter(isOver),
    gridIn: (startMs) => grid.get(startMs),
    grid: method === undefined ? undefined : originOf(hours, method),
  };
}

/** An hour in which the node did not run is not measured, however well it was measured before. */
const consumptionOf = (hour: LedgerHour): ConsumptionHour => ({
  startMs: hour.startMs,
  endMs: hour.endMs,
  microjoules: hour.totalMicrojoules,
  coverage: Math.min(1, hour.coveredMs / HOUR_MS),
  kind: hour.kind,
  uncertainty: hour.uncertainty,
  ...(hour.localMicrojoules > 0n && hour.evidence !== null
    ? { own: { microjoules: hour.localMicrojoules, evidence: hour.evidence, source: "solar_pv" } }
    : {}),
});

/** Lifecycle and operational grams say different things: of the two, those that more hours have are added up. */
function commonMethod(hours: readonly LedgerHour[]): string | undefined {
  const methods = Map.groupBy(hours.flatMap(({ location }) => location), ({ method }) => method);
  return [...methods].sort(([, a], [, b]) => b.length - a.length)[0]?.[0];
}

function originOf(hours: readonly LedgerHour[], method: string): GridOrigin {
  const priced = hours.flatMap(({ startMs, location }) =>
    location.filter((each) => each.method === method).map((each) => ({ startMs, ...each }))
  );
  const attributionOf = ({ provider, zone, startMs }: (typeof priced)[number]) =>
    provider === "table" ? yearlyIntensity(zone, startMs)?.attribution ?? provider : provider;
  return {
    method,
    zones: [...new Set(priced.map(({ zone }) => zone))],
    attributions: [...new Set(priced.map(attributionOf))],
  };
}

function gridOf({ location, market }: LedgerHour, method: string | undefined): GridHour | undefined {
  const priced = location.find((each) => each.method === method);
  if (priced === undefined) return undefined;
  const residual = market === null || market.microjoules === 0n
    ? undefined
    : market.grams * Number(ofWattHours(1000n)) / Number(market.microjoules);
  return {
    gramsPerKwh: priced.gramsPerKwh,
    ...(residual === undefined ? {} : { residualGramsPerKwh: residual }),
  };
}
