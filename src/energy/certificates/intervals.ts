/**
 * Hours of the books as rows in the shape of granular certificates (EnergyTag, GC Scheme Standard V2) and of meter
 * readings (reference registry, `measurement`): whole UTC hours, watt-hours rounded down, status "unissued".
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { PeerId } from "../../base/tensor.ts";
import type { EnergyKind } from "../types.ts";
import {
  HOUR_MS,
  isWholeHour,
  ofMilliwattHours,
  ofWattHours,
  readTime,
  toIsoSeconds,
  toWattHours,
} from "./quantities.ts";
import type { ConsumptionHour, EvidenceClass, ProductionHour, SourceType } from "./types.ts";

/** Coverage below which an hour is not called measured (energy room: gaps are not bridged). */
export const LEAST_COVERAGE = 0.95;
/** Most hours that are taken at once: two devices' of a year. */
export const MAX_HOURS = 2 * 366 * 24;
/** Most watt-hours of an hour: a hundred megawatts is no node, and sums stay below 2^53. */
const MAX_WATT_HOURS = 100_000_000n;

/** What is said of every row. */
interface RowOrigin {
  readonly device_id: string;
  readonly certificate_bundle_status: "unissued";
  /** Whether the hour was measured, and nearly all of it. */
  readonly measured: boolean;
  readonly kind: EnergyKind;
  readonly coverage: number;
  readonly relative_uncertainty: number | null;
}

/** One hour of production, fields named as in a certificate bundle. */
export interface ProductionRow extends RowOrigin {
  readonly energy_carrier: "electricity";
  readonly energy_source: SourceType;
  readonly production_starting_interval: string;
  readonly production_ending_interval: string;
  /** Watt-hours, rounded down. */
  readonly bundle_quantity: number;
  /** What the whole site used in that hour, watt-hours, rounded up: more use is less share. Null without a meter. */
  readonly site_usage: number | null;
  readonly face_value: 1;
}

/** One hour of consumption, fields named as in a meter reading. */
export interface ConsumptionRow extends RowOrigin {
  readonly interval_start_datetime: string;
  readonly interval_end_datetime: string;
  /** Watt-hours, rounded down. */
  readonly interval_usage: number;
  readonly gross_net_indicator: "gross";
  /** That part of it which own production gave, watt-hours rounded down, and how far that can be believed. */
  readonly own_usage: number | null;
  readonly own_source: SourceType | null;
  readonly own_evidence: EvidenceClass | null;
}

/** Device id of the node's own consumption. */
export const consumptionDevice = (peerId: PeerId): string => `${peerId}:consumption`;

/** Device id of a production device. */
export const productionDevice = (peerId: PeerId, device: string): string => `${peerId}:production:${device}`;

/** Whether an hour may be called measured. */
export const isMeasured = (
  { kind, coverage }: { readonly kind: EnergyKind; readonly coverage: number },
): boolean => kind === "measured" && coverage >= LEAST_COVERAGE;

/** Rows of consumption, in order; hours without a figure are left out. Throws as {@linkcode checkHours}. */
export function consumptionRows(peerId: PeerId, hours: readonly ConsumptionHour[]): ConsumptionRow[] {
  checkHours(hours);
  return inOrder(hours).map((hour) => ({
    ...originOf(consumptionDevice(peerId), hour),
    interval_start_datetime: toIsoSeconds(hour.startMs),
    interval_end_datetime: toIsoSeconds(hour.endMs),
    interval_usage: wholeWattHours(hour.microjoules),
    gross_net_indicator: "gross",
    own_usage: hour.own === undefined ? null : wholeWattHours(hour.own.microjoules),
    own_source: hour.own?.source ?? null,
    own_evidence: hour.own?.evidence ?? null,
  }));
}

/** Rows of production, in order; hours without a figure are left out. Throws as {@linkcode checkHours}. */
export function productionRows(peerId: PeerId, hours: readonly ProductionHour[]): ProductionRow[] {
  checkHours(hours);
  return inOrder(hours).map((hour) => ({
    ...originOf(productionDevice(peerId, hour.device), hour),
    energy_carrier: "electricity",
    energy_source: hour.source,
    production_starting_interval: toIsoSeconds(hour.startMs),
    production_ending_interval: toIsoSeconds(hour.endMs),
    bundle_quantity: wholeWattHours(ofMilliwattHours(hour.milliwattHours)),
    site_usage: hour.siteMilliwattHours === undefined
      ? null
      : wholeWattHours(ofMilliwattHours(hour.siteMilliwattHours + 999n)),
    face_value: 1,
  }));
}

/** The hours that rows of consumption tell of; times must be checked (`checkDocument`). */
export const hoursOfConsumption = (rows: readonly ConsumptionRow[]): ConsumptionHour[] =>
  rows.map((row) => ({
    ...periodOf(row.interval_start_datetime),
    ...qualityOf(row),
    microjoules: ofWattHours(BigInt(row.interval_usage)),
    ...(row.own_usage === null || row.own_source === null || row.own_evidence === null ? {} : {
      own: {
        microjoules: ofWattHours(BigInt(row.own_usage)),
        source: row.own_source,
        evidence: row.own_evidence,
      },
    }),
  }));

/** The hours that rows of production tell of; times must be checked (`checkDocument`). */
export const hoursOfProduction = (rows: readonly ProductionRow[]): ProductionHour[] =>
  rows.map((row) => ({
    ...periodOf(row.production_starting_interval),
    ...qualityOf(row),
    device: row.device_id,
    source: row.energy_source,
    milliwattHours: BigInt(row.bundle_quantity) * 1000n,
    ...(row.site_usage === null ? {} : { siteMilliwattHours: BigInt(row.site_usage) * 1000n }),
  }));

function periodOf(start: string): Pick<ConsumptionHour, "startMs" | "endMs"> {
  const startMs = readTime(start)!;
  return { startMs, endMs: startMs + HOUR_MS };
}

const qualityOf = ({ kind, coverage, relative_uncertainty }: RowOrigin) => ({
  kind,
  coverage,
  uncertainty: relative_uncertainty,
});

/** What is checked of hours from the books or from a file. */
type AnyHour = Pick<ConsumptionHour, "startMs" | "endMs" | "coverage" | "uncertainty"> & {
  readonly device?: string;
};

/**
 * Refuses hours that are no whole UTC hours, that come twice for one device, or are more than two devices' of a year.
 * Throws `NodeError` `malformed`, `too_large`.
 */
export function checkHours(hours: readonly AnyHour[]): void {
  if (hours.length > MAX_HOURS) {
    throw new NodeError(
      "too_large",
      `Cannot use hours: there are ${hours.length}, wanted at most ${MAX_HOURS}`,
    );
  }
  const seen = new Set<string>();
  for (const { device = "", startMs, endMs, coverage, uncertainty } of hours) {
    if (!isWholeHour(startMs, endMs)) throw notHours("an interval is no whole UTC hour of 2000 to 2100");
    if (!(coverage >= 0 && coverage <= 1)) throw notHours("a coverage is not between 0 and 1");
    if (uncertainty !== null && !(uncertainty >= 0 && uncertainty < Infinity)) {
      throw notHours("an uncertainty is no number of 0 or more");
    }
    const name = `${startMs} ${device}`;
    if (seen.has(name)) throw notHours(`${toIsoSeconds(startMs)} comes twice for one device`);
    seen.add(name);
  }
}

/** Hours with a figure; one of kind `none` or of no time has none, whatever number stands in it. */
const inOrder = <T extends Pick<ConsumptionHour, "startMs" | "kind" | "coverage">>(
  hours: readonly T[],
): T[] =>
  hours.filter(({ kind, coverage }) => kind !== "none" && coverage > 0).sort((a, b) => a.startMs - b.startMs);

function originOf(
  device_id: string,
  hour: Pick<ConsumptionHour, "kind" | "coverage" | "uncertainty">,
): RowOrigin {
  return {
    device_id,
    certificate_bundle_status: "unissued",
    measured: isMeasured(hour),
    kind: hour.kind,
    coverage: hour.coverage,
    relative_uncertainty: hour.uncertainty,
  };
}

function wholeWattHours(microjoules: bigint): number {
  const wattHours = toWattHours(microjoules);
  if (microjoules >= 0n && wattHours <= MAX_WATT_HOURS) return Number(wattHours);
  throw notHours(`an hour holds ${wattHours} Wh, wanted 0 to ${MAX_WATT_HOURS}`);
}

const notHours = (problem: string) => new NodeError("malformed", `Cannot use hours: ${problem}`);
