/**
 * What `energy.renewables` may say: inverters and site meters, and what is taken of each.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { SOURCE_TYPES } from "../../config/keys_certificates.ts";
import type { SourceType } from "../certificates/types.ts";
import { type DeviceGrammar, deviceIdOf, type DeviceUrl, parseDeviceUrl } from "../device_url.ts";
import { ENTITY } from "../sources/home_assistant.ts";
import type { SiteRole } from "./types.ts";

/** One device. */
export interface RenewableUrl {
  readonly url: DeviceUrl;
  readonly id: string;
  readonly role: SiteRole;
  /** Where its energy comes from. */
  readonly source: SourceType;
}

const GRAMMAR: DeviceGrammar = {
  setting: "energy.renewables",
  example: "sunspec+tcp://192.0.2.9:502/1",
  transports: {
    sunspec: ["tcp"],
    fronius: ["http", "https"],
    enphase: ["https", "http"],
    victron: ["tcp", "mqtt"],
    homeassistant: ["http", "https"],
  },
  options: {
    role: /^(?:inverter|grid|load|battery)$/,
    sign: /^(?:import|export)$/,
    name: /^[A-Za-z0-9_.-]{1,32}$/,
    source: new RegExp(`^(?:${SOURCE_TYPES.join("|")})$`),
    energy: ENTITY,
    max_age: /^\d{1,6}$/,
  },
};
const UNIT = /^(?:[1-9]|[1-9]\d|1\d\d|2[0-4]\d)?$/;
/** By kind and transport. */
const PATHS: Readonly<Record<string, readonly [form: RegExp, example: string]>> = {
  "sunspec+tcp": [UNIT, "sunspec+tcp://192.0.2.9:502/1 with the unit after the host"],
  "victron+tcp": [UNIT, "victron+tcp://192.0.2.9"],
  "victron+mqtt": [
    /^[0-9a-z]{1,32}$/,
    "victron+mqtt://192.0.2.9/c0619ab12345 with the VRM portal id after the host",
  ],
  "homeassistant": [ENTITY, "homeassistant+http://192.0.2.9:8123/sensor.pv_power?role=inverter"],
};
const NO_PATH = [/^$/, "fronius+http://192.0.2.9"] as const;

/**
 * Reads one text of `energy.renewables`. `?role=` takes one part of a device: `inverter`, `grid` (a meter where the site
 * meets the grid), `load` (a meter of what the site uses), `battery`. `?sign=export` is for grid meters that count what
 * leaves as positive. Throws `NodeError` `usage`.
 */
export function readRenewableUrl(text: string): RenewableUrl {
  const url = parseDeviceUrl(text, GRAMMAR);
  const [form, example] = PATHS[`${url.kind}+${url.transport}`] ?? PATHS[url.kind] ?? NO_PATH;
  const refuse = (what: string, wanted: string) =>
    new NodeError("usage", `Cannot use energy.renewables: ${what}, wanted ${wanted}`);
  if (!form.test(url.path)) throw refuse(`"${url.kind}" has another path`, `one such as ${example}`);
  const role = url.options.get("role") as SiteRole | undefined;
  if (url.kind === "homeassistant" && role === undefined) {
    throw refuse("an entity of Home Assistant has no role", "?role=inverter, grid, load or battery");
  }
  const source = (url.options.get("source") ?? "solar_pv") as SourceType;
  return { url, id: deviceIdOf(url), role: role ?? "all", source };
}
