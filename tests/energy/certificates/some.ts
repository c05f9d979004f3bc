/** Hours and bundles for tests; every value invented. */
import type {
  CertificateBundle,
  ConsumptionHour,
  ProductionHour,
  StoredCertificate,
} from "../../../src/energy/certificates/types.ts";
import { HOUR_MS, ofWattHours, toIsoSeconds } from "../../../src/energy/certificates/quantities.ts";
import { bundlesOf } from "../../../src/energy/certificates/bundle.ts";

/** 20 November 2026, 10 o'clock UTC: the hour of the shared bundle. */
export const TEN = Date.UTC(2026, 10, 20, 10);

/** The shared bundle (tests/vectors/energy/api), as an object that may be changed. */
export const sharedBundle = (): Record<string, unknown> =>
  JSON.parse(Deno.readTextFileSync(new URL("../../vectors/energy/api/gc_bundle.json", import.meta.url)));

/** The shared bundle with fields of its own, read. */
export function someBundle(fields: Record<string, unknown> = {}): CertificateBundle {
  const [read] = bundlesOf({ ...sharedBundle(), issue_market_zone: "DE-LU", ...fields }, "the test's bundle");
  if (read?.bundle === undefined) throw new Error(read?.why);
  return read.bundle;
}

/** An hour of consumption that was measured whole. */
export const consumed = (
  startMs: number,
  wattHours: number,
  more: Partial<ConsumptionHour> = {},
): ConsumptionHour => ({
  startMs,
  endMs: startMs + HOUR_MS,
  microjoules: BigInt(Math.round(wattHours * 3_600_000)) * 1000n,
  coverage: 1,
  kind: "measured",
  uncertainty: 0.02,
  ...more,
});

/** An hour of a roof, with a meter of the site. */
export const produced = (
  startMs: number,
  wattHours: number,
  more: Partial<ProductionHour> = {},
): ProductionHour => ({
  device: "roof",
  source: "solar_pv",
  startMs,
  endMs: startMs + HOUR_MS,
  milliwattHours: BigInt(Math.round(wattHours * 1000)),
  siteMilliwattHours: 2_000_000n,
  coverage: 1,
  kind: "measured",
  uncertainty: 0.02,
  ...more,
});

/** A certificate of `wattHours` from number `rangeStart` on. */
export const stored = (
  rangeStart: number,
  wattHours: number,
  more: Partial<StoredCertificate> = {},
): StoredCertificate => ({
  issuanceId: `1-${toIsoSeconds(more.startMs ?? TEN)}`,
  deviceId: "1",
  rangeStart,
  rangeEnd: rangeStart + wattHours - 1,
  wattHours: BigInt(wattHours),
  source: "solar_pv",
  zone: "DE-LU",
  startMs: TEN,
  endMs: (more.startMs ?? TEN) + HOUR_MS,
  gramsPerKwh: undefined,
  evidence: "B",
  by: "key:test",
  importedAtMs: TEN + 10 * HOUR_MS,
  ...more,
});

/** Microjoules of whole watt-hours. */
export const wh = (wattHours: number): bigint => ofWattHours(BigInt(wattHours));
