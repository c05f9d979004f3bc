/**
 * Power of a server as its management controller tells it (DMTF Redfish: schemas Chassis, EnvironmentMetrics, Power).
 *
 * `EnvironmentMetrics.PowerWatts.Reading`, and on older firmware `Power.PowerControl[].PowerConsumedWatts`. Either may
 * be null. Figures are seconds to minutes old. Only power is taken: the energy counters beside it are rare.
 *
 * A controller with a certificate of its own can be asked only where `energy.ca_file` holds that certificate, and it
 * names the host (subjectAltName) and is no certificate of an authority (`CA:TRUE`): the TLS library refuses others.
 *
 * @module
 */
import * as v from "valibot";
import type { World } from "../../base/world.ts";
import { type DeviceUrl, httpUrlOf } from "../device_url.ts";
import { askJson, type HttpDevice, reasonOf, wrongAnswer } from "./http_json.ts";
import type { AskMeter } from "./meter_answer.ts";

const maybe = v.nullish(v.pipe(v.number(), v.finite()));
const CHASSIS = v.object({
  Members: v.pipe(v.array(v.object({ "@odata.id": v.pipe(v.string(), v.maxLength(256)) })), v.maxLength(64)),
});

/** `…/EnvironmentMetrics`. */
export const ENVIRONMENT_METRICS = v.object({ PowerWatts: v.nullish(v.object({ Reading: maybe })) });
/** `…/Power`. */
export const POWER = v.object({
  PowerControl: v.nullish(v.pipe(v.array(v.object({ PowerConsumedWatts: maybe })), v.maxLength(64))),
});

/** What comes after the host: a chassis, or nothing for the first that tells its power. */
export const REDFISH_PATH = /^(?:redfish\/v1\/Chassis\/[\w.:-]{1,64})?$/;

interface Way {
  readonly chassis: string;
  readonly resource: "EnvironmentMetrics" | "Power";
}

/** Asks a management controller; what it has is found out once. */
export function askRedfish(world: World, device: HttpDevice, url: DeviceUrl): AskMeter {
  let known: Way | undefined;
  return async (signal) => {
    const ways = known === undefined ? await waysOf(world, device, url, signal) : [known];
    for (const way of ways) {
      const watts = await askWay(world, { device, url, way }, signal);
      if (watts === undefined) continue;
      known = way;
      return { watts };
    }
    throw wrongAnswer(device.id, "no chassis tells its power", "one that does", "no_value");
  };
}

async function waysOf(
  world: World,
  device: HttpDevice,
  url: DeviceUrl,
  signal: AbortSignal,
): Promise<readonly Way[]> {
  const chassis = url.path === ""
    ? (await askJson(world, device, httpUrlOf(url, "/redfish/v1/Chassis"), CHASSIS, signal)).Members
      .map((member) => member["@odata.id"].replace(/^\/+|\/+$/g, ""))
      .filter((path) => path !== "" && REDFISH_PATH.test(path))
    : [url.path];
  return chassis.slice(0, 8).flatMap((path) =>
    (["EnvironmentMetrics", "Power"] as const).map((resource) => ({ chassis: path, resource }))
  );
}

async function askWay(
  world: World,
  { device, url, way }: { readonly device: HttpDevice; readonly url: DeviceUrl; readonly way: Way },
  signal: AbortSignal,
): Promise<number | undefined> {
  const address = httpUrlOf(url, `/${way.chassis}/${way.resource}`);
  try {
    if (way.resource === "Power") return consumedWatts(await askJson(world, device, address, POWER, signal));
    const { PowerWatts } = await askJson(world, device, address, ENVIRONMENT_METRICS, signal);
    return PowerWatts?.Reading ?? undefined;
  } catch (error) {
    if (reasonOf(error) !== "http_404") throw error;
    return undefined;
  }
}

/** The first figure: further ones are parts of the same chassis. */
export const consumedWatts = ({ PowerControl }: v.InferOutput<typeof POWER>): number | undefined =>
  PowerControl?.find(({ PowerConsumedWatts }) => typeof PowerConsumedWatts === "number")
    ?.PowerConsumedWatts ??
    undefined;
