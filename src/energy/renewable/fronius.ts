/**
 * Fronius inverters: Solar API V1, `GetPowerFlowRealtimeData` (Fronius Solar API V1, 42,0410,2012).
 *
 * `P_PV` is null while the inverter does not run: no generation. `P_Grid` is positive from the grid and null without a
 * meter, `P_Load` negative for what is used, `P_Akku` negative while it is charged. `E_Total` is in watt-hours, null on
 * newer devices.
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

/** The answer of `GetPowerFlowRealtimeData`. */
export const POWER_FLOW = v.object({
  Body: v.object({
    Data: v.optional(v.object({
      Site: v.object({
        P_PV: v.nullable(v.pipe(v.number(), v.finite())),
        P_Grid: maybe,
        P_Load: maybe,
        P_Akku: maybe,
        E_Total: maybe,
      }),
    })),
  }),
  Head: v.object({ Status: v.object({ Code: v.number() }) }),
});

const PATH = "/solar_api/v1/GetPowerFlowRealtimeData.fcgi";

/** Asks an inverter, or the data manager of several. */
export const askFronius = (world: World, device: HttpDevice, url: DeviceUrl) => async (signal: AbortSignal) =>
  decodePowerFlow(device.id, await askJson(world, device, httpUrlOf(url, PATH), POWER_FLOW, signal));

/** What an answer says. Throws a `PollFailure` where the inverter refuses. */
export function decodePowerFlow(id: string, { Body, Head }: v.InferOutput<typeof POWER_FLOW>): SiteValues {
  const site = Body.Data?.Site, code = Head.Status.Code;
  if (code !== 0 || site === undefined) {
    throw wrongAnswer(id, `its status is ${code}`, "0 and the power of the site", "status");
  }
  return plausibleValues(id, {
    pvWatts: site.P_PV ?? 0,
    gridWatts: site.P_Grid,
    siteWatts: typeof site.P_Load === "number" ? 0 - site.P_Load : undefined,
    batteryWatts: site.P_Akku,
    // what a battery gives is counted too
    producedWattHours: typeof site.P_Akku === "number" ? undefined : site.E_Total,
  });
}
