/**
 * Enphase gateways: `GET /production.json?details=1` with a token (a JWT of the owner's account).
 *
 * Entries are chosen by name: `eim` with `measurementType` `production`, `total-consumption` (what the site uses) and
 * `net-consumption` (from the grid, negative into it). Where no current transformer is fitted `eim` has `activeCount` 0
 * and nothing true in it; then `inverters` tells of generation, minutes late (as pyenphase does). A gateway that counts
 * power but no energy has been seen (`whLifetime` 0): such a counter is absent. Slightly negative at night: none.
 *
 * Gateways have certificates of their own making that name no host. The TLS library refuses them even when they are in
 * `energy.ca_file`: a proxy on the same machine or Home Assistant is the way then. Not tried on a gateway.
 *
 * @module
 */
import * as v from "valibot";
import type { World } from "../../base/world.ts";
import { type DeviceUrl, httpUrlOf } from "../device_url.ts";
import { askJson, type HttpDevice, wrongAnswer } from "../sources/http_json.ts";
import { plausibleValues } from "./plausible.ts";
import type { SiteValues } from "./types.ts";

const maybe = v.nullish(v.pipe(v.number(), v.finite()));
const ENTRY = v.object({
  type: v.string(),
  measurementType: v.nullish(v.string()),
  activeCount: maybe,
  readingTime: maybe,
  wNow: maybe,
  whLifetime: maybe,
});
type Entry = v.InferOutput<typeof ENTRY>;
const entries = v.nullish(v.pipe(v.array(ENTRY), v.maxLength(16)));

/** The answer of `/production.json`. */
export const PRODUCTION = v.object({ production: entries, consumption: entries });

/** Inverters report every five minutes, and not at night. */
const MAX_AGE_MS = 30 * 60_000;

/** Asks a gateway. */
export const askEnphase =
  (world: World, device: HttpDevice, url: DeviceUrl) => async (signal: AbortSignal) => {
    const answer = await askJson(
      world,
      device,
      httpUrlOf(url, "/production.json?details=1"),
      PRODUCTION,
      signal,
    );
    return decodeProduction(device.id, answer, world.clock.now());
  };

/** What an answer says. Throws a `PollFailure` where nothing in it is of use. */
export function decodeProduction(
  id: string,
  { production, consumption }: v.InferOutput<typeof PRODUCTION>,
  nowMs: number,
): SiteValues {
  const metered = find(production, "eim", "production");
  const made = metered ?? find(production, "inverters");
  if (made === undefined) throw wrongAnswer(id, "it tells of no production", "eim or inverters", "no_value");
  const isOld = typeof made.readingTime === "number" && made.readingTime > 0 &&
    made.readingTime * 1000 < nowMs - MAX_AGE_MS;
  if (isOld && metered !== undefined) throw wrongAnswer(id, "its values are old", "new ones", "stale");
  return plausibleValues(id, {
    pvWatts: isOld ? undefined : made.wNow,
    producedWattHours: made.whLifetime,
    siteWatts: find(consumption, "eim", "total-consumption")?.wNow,
    gridWatts: find(consumption, "eim", "net-consumption")?.wNow,
  });
}

/** An entry by name, unless it says that nothing is behind it. */
const find = (list: readonly Entry[] | null | undefined, type: string, measurementType?: string) =>
  list?.find((entry) =>
    entry.type === type && entry.activeCount !== 0 &&
    (measurementType === undefined || entry.measurementType === measurementType)
  );
