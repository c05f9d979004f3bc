/**
 * What the page of metrics is made from.
 *
 * @module
 */
import type { CarbonBooks, CarbonSnapshot } from "../energy/carbon/books.ts";
import type { MeterSums } from "../energy/meter.ts";
import type { EnergyKind, EnergySnapshot } from "../energy/types.ts";
import type { StatusDocument } from "./status.ts";

/** What is told. */
export interface MetricsInput {
  readonly status: StatusDocument;
  readonly energy: EnergySnapshot;
  /** Settled sums: they never go back. */
  readonly sums: MeterSums;
  /** Microjoules of the node by the kind they were taken with. */
  readonly byKind: ReadonlyMap<EnergyKind, bigint>;
  readonly carbon?: CarbonMetrics | undefined;
}

/** Carbon for metrics. */
export interface CarbonMetrics {
  readonly snapshot: CarbonSnapshot;
  /** Of hours that are over; null where not known. */
  readonly locationGrams: number | null;
  readonly marketGrams: number | null;
  /** Share of own power in the node's now; null where it is not known. */
  readonly localRatio: number | null;
}

/** What the books tell of hours that are over, and own power of now. */
export function carbonMetrics(
  books: Pick<CarbonBooks, "snapshot" | "settled">,
  localRatio: number | null,
): CarbonMetrics {
  const { location, market } = books.settled;
  return {
    snapshot: books.snapshot(),
    // grams of different methods are never added up
    locationGrams: location.length === 1 ? location[0]!.grams : null,
    marketGrams: market?.grams ?? null,
    localRatio,
  };
}
