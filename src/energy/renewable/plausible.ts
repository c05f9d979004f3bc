/**
 * What devices at the site tell, checked: a wrong unit must not become a forest.
 *
 * @module
 */
import { wrongAnswer } from "../sources/http_json.ts";
import type { SiteValues } from "./types.ts";

/** More than this is no site of one node. */
const MAX_WATTS = 1e6;
const MAX_WATT_HOURS = 1e12;

type Told = { readonly [K in keyof SiteValues]-?: number | null | undefined };

/**
 * The values that are there. Generation and use below 0 are what the device itself takes at night, or noise: 0 and
 * nothing. A counter at 0 is one that does not count. Throws a `PollFailure` for power of no site.
 */
export function plausibleValues(id: string, told: Partial<Told>): SiteValues {
  const { pvWatts, siteWatts, gridWatts, batteryWatts, producedWattHours } = told;
  for (const watts of [pvWatts, siteWatts, gridWatts, batteryWatts]) {
    if (typeof watts === "number" && !(Math.abs(watts) <= MAX_WATTS)) {
      throw wrongAnswer(id, "its power is that of no site", `at most ${MAX_WATTS} W`, "implausible");
    }
  }
  const produced = producedWattHours ?? 0;
  return {
    ...(typeof pvWatts === "number" ? { pvWatts: Math.max(0, pvWatts) } : {}),
    ...(typeof siteWatts === "number" && siteWatts > 0 ? { siteWatts } : {}),
    ...(typeof gridWatts === "number" ? { gridWatts } : {}),
    ...(typeof batteryWatts === "number" ? { batteryWatts } : {}),
    ...(produced > 0 && produced <= MAX_WATT_HOURS ? { producedWattHours: produced } : {}),
  };
}
