/**
 * How joules are measured: sensors over the network, and what is known of the machine.
 *
 * @module
 */
import * as v from "valibot";
import { type ConfigKey, decimal, key, listOf, matching, text } from "./key.ts";

const METER = matching(
  /^(?:shelly|tasmota|homeassistant|redfish)\+https?:\/\/[^\s@,]{1,1024}$|^poe\+ubus:[^\s@,]{1,128}$/,
  "addresses such as shelly+http://192.0.2.7, without user and password (they belong in energy.secrets)",
);
const RENEWABLE = matching(
  /^(?:sunspec\+tcp|fronius\+https?|enphase\+https?|victron\+(?:tcp|mqtt)|homeassistant\+https?):\/\/[^\s@,]{1,1024}$/,
  "addresses such as sunspec+tcp://192.0.2.9:502/1, without user and password (they belong in energy.secrets)",
);
const SECRET = matching(
  /^[^\s=@/]{1,260}=[^\p{Cc}]{1,2048}$/u,
  "HOST=USER:PASSWORD or HOST=TOKEN; one with a comma only in the file",
);

/** Settings of `energy.*`. */
export const ENERGY_KEYS = {
  "energy.board_sensors": key(
    "list",
    listOf(matching(/^\S{1,200}$/, "the id of a sensor, as `kwaainet energy` shows it")),
    [],
    "Sensors that measure what the whole board takes in, by their ids.",
  ),
  "energy.meters": key(
    "list",
    listOf(METER),
    [],
    "Meters on the network: shelly+http, tasmota+http, homeassistant+http, redfish+https, poe+ubus. ?scope=wall, board, part or others says what is behind one.",
  ),
  "energy.renewables": key(
    "list",
    listOf(RENEWABLE),
    [],
    "Inverters and site meters: sunspec+tcp, fronius+http, enphase+https, victron+tcp, victron+mqtt, homeassistant+http. ?role=inverter, grid or load takes one part of a device.",
  ),
  "energy.secrets": {
    ...key(
      "list",
      v.optional(listOf(SECRET)),
      undefined,
      "Passwords and tokens of meters and inverters, as HOST=USER:PASSWORD or HOST=TOKEN.",
    ),
    secret: true,
  },
  "energy.ca_file": key(
    "text",
    text,
    undefined,
    "File with the certificates (PEM) by which meters and inverters with https are trusted, beside the system's.",
  ),
  "energy.ipmi": key(
    "boolean",
    v.boolean("true or false"),
    false,
    "Whether the management controller is asked for power (ipmitool); where the kernel shows one, it is without this.",
  ),
  "energy.model_idle_watts": key(
    "number",
    v.optional(decimal(0.01, 100_000)),
    undefined,
    "Power of the whole machine when it does nothing, for machines without a sensor: measure it once with a plug.",
    "W",
  ),
  "energy.model_load_watts": key(
    "number",
    v.optional(decimal(0.01, 100_000)),
    undefined,
    "Power of the whole machine with all processors busy.",
    "W",
  ),
} as const satisfies Record<string, ConfigKey>;
