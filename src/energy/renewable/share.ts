/**
 * The share of own generation in what is used here, without asking anybody.
 *
 * @module
 */
import type { RenewablesSnapshot, SiteValues } from "./types.ts";

/** Power at the site, of all devices together. */
export type SitePower = Omit<SiteValues, "producedWattHours">;

/** Less than this is not what a site uses but what two meters differ by, watts. */
const LEAST_SITE_WATTS = 1;

/**
 * Adds up what devices tell. Generation and batteries are added; of grid and load the first that tells counts. What the
 * site uses is measured, or follows from the rest.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const inverter = { pvWatts: 3000 }, meter = { gridWatts: -2200 };
 * assertEquals(addUp([inverter, meter]), { pvWatts: 3000, gridWatts: -2200, siteWatts: 800 });
 * ```
 */
export function addUp(values: readonly SiteValues[]): SitePower {
  const known = (pick: (value: SiteValues) => number | undefined) =>
    values.map(pick).filter((watts) => watts !== undefined);
  const sum = (all: readonly number[]) => all.length === 0 ? undefined : all.reduce((a, b) => a + b, 0);
  const pvWatts = sum(known((value) => value.pvWatts));
  const batteryWatts = sum(known((value) => value.batteryWatts));
  const [gridWatts] = known((value) => value.gridWatts);
  const [loadWatts] = known((value) => value.siteWatts);
  const balance = gridWatts === undefined || pvWatts === undefined
    ? undefined
    : pvWatts + gridWatts + (batteryWatts ?? 0);
  const siteWatts = loadWatts ?? balance;
  return {
    ...(pvWatts === undefined ? {} : { pvWatts }),
    ...(gridWatts === undefined ? {} : { gridWatts }),
    ...(batteryWatts === undefined ? {} : { batteryWatts }),
    ...(siteWatts === undefined || siteWatts < LEAST_SITE_WATTS ? {} : { siteWatts }),
  };
}

/**
 * The share of own generation now.
 *
 * With a site meter it is `min(P_pv, P_site) / P_site`, and what comes from the grid at the same time is never own: a
 * battery that is charged meanwhile takes from the generation first. Without one it is `min(1, P_pv / P_node)`, which
 * assumes that this node is served before anything else at the site. A site meter that is there and silent leaves the
 * share unknown: what was measured is not replaced by an assumption.
 */
export function shareOf(
  { pvWatts, siteWatts, gridWatts }: SitePower,
  { nodeWatts, hasSiteMeter }: { readonly nodeWatts: number | undefined; readonly hasSiteMeter: boolean },
): Pick<RenewablesSnapshot, "share" | "basis" | "evidence"> {
  const none = { share: null, basis: null, evidence: null };
  if (pvWatts === undefined) return none;
  const pv = Math.max(0, pvWatts);
  if (siteWatts !== undefined) {
    const own = Math.min(pv, siteWatts - Math.max(0, gridWatts ?? 0));
    return { share: clamp(own / siteWatts), basis: "site_meter", evidence: "A" };
  }
  if (hasSiteMeter || nodeWatts === undefined || nodeWatts <= 0) return none;
  return { share: clamp(pv / nodeWatts), basis: "assumes_node_first", evidence: "E" };
}

const clamp = (share: number): number => Math.min(1, Math.max(0, share));
