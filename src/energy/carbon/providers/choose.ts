/**
 * The service that the operator named.
 *
 * @module
 */
import { NodeError } from "../../../base/errors.ts";
import type { World } from "../../../base/world.ts";
import type { CARBON_PROVIDERS } from "../../../config/keys_carbon.ts";
import { addressOf, type ProviderAccess } from "../http.ts";
import type { IntensityProvider } from "../types.ts";
import { electricityMaps } from "./electricitymaps.ts";
import { energyCharts } from "./energycharts.ts";
import { entsoe } from "./entsoe.ts";
import { carbonIntensityUk } from "./uk.ts";
import { wattTime } from "./watttime.ts";

/** Name of a service. */
export type ProviderName = (typeof CARBON_PROVIDERS)[number];

const MAKERS = {
  electricitymaps: electricityMaps,
  watttime: wattTime,
  uk: carbonIntensityUk,
  energycharts: energyCharts,
  entsoe,
} as const;

/** What is asked, about which zone. */
export interface ProviderChoice {
  readonly name: ProviderName;
  /** As the service calls it; else as the operator does. */
  readonly zone: string | undefined;
  readonly access: ProviderAccess;
}

/** The service, `undefined` for `none`. Throws `NodeError` `usage` when something it needs is not set. */
export function chooseProvider(world: World, choice: ProviderChoice): IntensityProvider | undefined {
  const { name, zone, access } = choice;
  if (name === "none") return undefined;
  if (zone === undefined) {
    throw new NodeError(
      "usage",
      `Cannot ask ${name}: no zone is set, wanted carbon.zone or carbon.provider_zone`,
    );
  }
  addressOf(access, "https://service.invalid", "/");
  return MAKERS[name](world, zone, access);
}
