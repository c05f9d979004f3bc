/**
 * What `energy.meters` may say: which meters there are on the network, and what of this machine each of them measures.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { type DeviceGrammar, deviceIdOf, type DeviceUrl, parseDeviceUrl } from "../device_url.ts";
import { DOMAINS, type EnergyScope } from "../types.ts";
import { ENTITY } from "./home_assistant.ts";
import { SHELLY_PATH } from "./plug_shelly.ts";
import { TASMOTA_PATH } from "./plug_tasmota.ts";
import { POE_PATH } from "./poe.ts";
import { REDFISH_PATH } from "./redfish.ts";

/** One meter. */
export interface MeterUrl {
  readonly url: DeviceUrl;
  readonly id: string;
  readonly scope: EnergyScope;
  readonly domain: string;
}

const GRAMMAR: DeviceGrammar = {
  setting: "energy.meters",
  example: "shelly+http://192.0.2.7, or poe+ubus:lan3",
  transports: {
    shelly: ["http", "https"],
    tasmota: ["http", "https"],
    homeassistant: ["http", "https"],
    redfish: ["https", "http"],
    poe: ["ubus"],
  },
  options: {
    scope: /^(?:wall|board|part|others)$/,
    name: /^[A-Za-z0-9_.-]{1,32}$/,
    energy: ENTITY,
    max_age: /^\d{1,6}$/,
  },
};
const PATHS: Readonly<Record<string, readonly [form: RegExp, example: string]>> = {
  shelly: [SHELLY_PATH, "shelly+http://192.0.2.7/switch:0"],
  tasmota: [TASMOTA_PATH, "tasmota+http://192.0.2.7/2 for the second channel"],
  homeassistant: [ENTITY, "homeassistant+http://192.0.2.7:8123/sensor.rack_power"],
  redfish: [REDFISH_PATH, "redfish+https://bmc.example/redfish/v1/Chassis/1"],
  poe: [POE_PATH, "poe+ubus:lan3"],
};

/**
 * Reads one text of `energy.meters`. `?scope=` says what is behind the meter: `wall` this machine alone (the default),
 * `board` this machine behind its power supply, `part` some of it, `others` anything that is not this machine, or more
 * than it. Throws `NodeError` `usage`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const { id, scope, domain } = readMeterUrl("tasmota+http://192.0.2.8?name=desk");
 * assertEquals([id, scope, domain], ["tasmota:desk", "wall", "wall"]);
 * assertEquals(readMeterUrl("poe+ubus:lan3").domain, "others/poe:lan3");
 * ```
 */
export function readMeterUrl(text: string): MeterUrl {
  const url = parseDeviceUrl(text, GRAMMAR);
  const [form, example] = PATHS[url.kind]!;
  const justEnergy = url.kind === "homeassistant" && url.path === "" && url.options.has("energy");
  if (!form.test(url.path) && !justEnergy) {
    throw new NodeError(
      "usage",
      `Cannot use energy.meters: "${url.kind}" has another path, wanted one such as ${example}`,
    );
  }
  const id = deviceIdOf(url);
  const scope = url.options.get("scope") ?? (url.kind === "poe" ? "others" : "wall");
  if (url.kind === "poe" && scope !== "others") {
    throw new NodeError(
      "usage",
      "Cannot use energy.meters: a port with PoE feeds other devices, wanted no scope or scope=others",
    );
  }
  return { url, id, ...placeOf(scope, id) };
}

function placeOf(scope: string, id: string): Pick<MeterUrl, "scope" | "domain"> {
  const name = id.replaceAll("/", "_");
  switch (scope) {
    case "wall":
      return { scope, domain: DOMAINS.wall };
    case "board":
      return { scope, domain: DOMAINS.board };
    case "part":
      return { scope, domain: DOMAINS.rail(name) };
    default:
      return { scope: "part", domain: DOMAINS.others(name) };
  }
}

/** What stands for a meter whose address cannot be read: it must not show a password. */
export const placeholderId = (text: string, index: number): string =>
  `${/^([a-z0-9]{1,32})\+/.exec(text)?.[1] ?? "meter"}:${index}`;
