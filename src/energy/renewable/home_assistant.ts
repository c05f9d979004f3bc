/**
 * Entities of Home Assistant that show own generation, a grid or load meter, or a battery: any device that it knows.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { DeviceUrl } from "../device_url.ts";
import { askEntity } from "../sources/home_assistant.ts";
import { type HttpDevice, wrongAnswer } from "../sources/http_json.ts";
import { plausibleValues } from "./plausible.ts";
import type { SiteRole, SiteValues } from "./types.ts";

/** Asks for the entity in the path, and for the one of energy that the option `energy` names. */
export function askSiteEntity(
  world: World,
  device: HttpDevice,
  { url, role }: { readonly url: DeviceUrl; readonly role: SiteRole },
): (signal: AbortSignal) => Promise<SiteValues> {
  const energy = url.options.get("energy");
  const turned = url.options.get("sign") === "export" ? -1 : 1;
  return async (signal) => {
    const power = await askEntity(world, device, { url, entity: url.path }, signal);
    const total = energy === undefined
      ? undefined
      : await askEntity(world, device, { url, entity: energy }, signal);
    if (power.quantity !== "power" || total?.quantity === "power") {
      throw wrongAnswer(
        device.id,
        "an entity shows something else",
        "power in the path, energy in ?energy=",
        "wrong_unit",
      );
    }
    const { watts } = power;
    return plausibleValues(device.id, {
      pvWatts: role === "inverter" ? watts : undefined,
      siteWatts: role === "load" ? watts : undefined,
      gridWatts: role === "grid" ? turned * watts : undefined,
      batteryWatts: role === "battery" ? turned * watts : undefined,
      producedWattHours: role === "inverter" ? total?.wattHours : undefined,
    });
  };
}
