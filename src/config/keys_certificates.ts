/**
 * Energy certificates: whose they are, which count, and the registry that may be asked.
 *
 * @module
 */
import * as v from "valibot";
import { choice, type ConfigKey, key, listOf, matching, secretKey, text, whole } from "./key.ts";

/** Energy sources as the EnergyTag registry names them. */
export const SOURCE_TYPES = [
  "solar_pv",
  "wind",
  "hydro",
  "biomass",
  "nuclear",
  "electrolysis",
  "geothermal",
  "battery_storage",
  "chp",
  "other",
] as const;

const LINE = matching(/^[^\p{Cc}]{1,256}$/u, "a text of at most 256 characters");
const NUMBER = v.optional(whole(0, Number.MAX_SAFE_INTEGER));

/** Settings of `certificates.*`. */
export const CERTIFICATE_KEYS = {
  "certificates.beneficiary": key(
    "list",
    listOf(LINE),
    [],
    "Names under which certificates are cancelled for this node; kwaai-node:PEER_ID and PEER_ID without them.",
  ),
  "certificates.zones": key(
    "list",
    listOf(LINE),
    [],
    "Names of the market zone this node takes its electricity from, such as DE-LU; certificates of others do not count.",
  ),
  "certificates.country": key(
    "text",
    v.optional(matching(/^[A-Z]{2}$/, "two capital letters such as DE")),
    undefined,
    "Country written into exported intervals.",
  ),
  "certificates.counted_sources": key(
    "list",
    listOf(choice(...SOURCE_TYPES)),
    ["solar_pv", "wind", "hydro", "geothermal", "biomass"],
    "Energy sources that count as green; add nuclear for carbon-free instead of renewable.",
  ),
  "certificates.production_certified": key(
    "boolean",
    v.boolean("true or false"),
    false,
    "Whether certificates are issued for the own production; then those count if they are imported, and it does not.",
  ),
  "certificates.issuer_keys": key(
    "list",
    listOf(matching(/^[^=\p{Cc}]{1,128}=[A-Za-z0-9+/]{20,800}={0,2}$/u, "ISSUER=KEY, the key in base64")),
    [],
    "Public keys of issuing bodies as ISSUER=KEY: SubjectPublicKeyInfo in base64, as in a PEM file.",
  ),
  "certificates.registry": key(
    "text",
    v.optional(matching(/^https?:\/\/[^\s@?#]+$/, "an address such as https://registry.example")),
    undefined,
    "Address of a certificate registry; it is asked only by `kwaainet certificates` and only when told to.",
  ),
  "certificates.registry_token": secretKey("Token for the certificate registry."),
  "certificates.registry_zone": key(
    "text",
    text,
    undefined,
    "Market zone of every certificate of that registry, where it does not say so itself.",
  ),
  "certificates.account_id": key("integer", NUMBER, undefined, "Our account at the registry."),
  "certificates.user_id": key("integer", NUMBER, undefined, "Our user at the registry."),
  "certificates.device_id": key(
    "integer",
    NUMBER,
    undefined,
    "Number by which the registry knows this node's consumption, for readings.",
  ),
} as const satisfies Record<string, ConfigKey>;
