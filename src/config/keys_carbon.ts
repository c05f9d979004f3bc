/**
 * Where the power comes from and what carbon it costs.
 *
 * @module
 */
import * as v from "valibot";
import { choice, type ConfigKey, decimal, key, matching, secretKey } from "./key.ts";

/** Services that tell the carbon intensity of a grid; `none` asks nobody. */
export const CARBON_PROVIDERS = [
  "none",
  "electricitymaps",
  "watttime",
  "uk",
  "energycharts",
  "entsoe",
] as const;

const optional = <S extends v.GenericSchema>(schema: S) => v.optional(schema);

/** Settings of `carbon.*`. */
export const CARBON_KEYS = {
  "carbon.zone": key(
    "text",
    optional(
      matching(
        /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3}$/,
        "a country or a part of one, such as DE, GBR or CA-QC",
      ),
    ),
    undefined,
    "Grid this node takes its power from: a country, or a part of one. Nothing finer is wanted; it is never guessed.",
  ),
  "carbon.provider": key(
    "text",
    choice(...CARBON_PROVIDERS),
    "none",
    "Service asked for the carbon of the grid, a few times an hour; none uses the built-in yearly table and asks nobody.",
  ),
  "carbon.provider_zone": key(
    "text",
    optional(matching(/^[A-Za-z0-9_-]{1,32}$/, "a name such as CAISO_NORTH or 10Y1001A1001A82H")),
    undefined,
    "What that service calls the zone, where it is not the country: a region, an outward postcode, an EIC code.",
  ),
  "carbon.provider_url": key(
    "text",
    optional(matching(/^https?:\/\/[^\s@?#]+$/, "an address such as https://proxy.example/api")),
    undefined,
    "Address asked in place of the service's own; with a token only https:// or this machine.",
  ),
  "carbon.provider_user": key(
    "text",
    optional(matching(/^[^\s:\p{Cc}]{1,128}$/u, "a name without colon")),
    undefined,
    "User name at WattTime; other services need none.",
  ),
  "carbon.provider_token": secretKey("Token of that service; for WattTime the password."),
  "carbon.market_grams_per_kwh": key(
    "number",
    optional(decimal(0, 2000)),
    undefined,
    "Carbon of the power by contract or residual mix, for the market-based sum; there is no such sum without it.",
    "g/kWh",
  ),
  "carbon.embodied_grams": key(
    "number",
    optional(decimal(0, 1e9)),
    undefined,
    "Carbon of making this machine, for SCI; left out without it.",
    "g",
  ),
  "carbon.lifetime_years": key(
    "number",
    optional(decimal(0.1, 100)),
    undefined,
    "Years this machine is expected to serve, over which its making is spread.",
    "years",
  ),
} as const satisfies Record<string, ConfigKey>;
