/**
 * How joules are measured: sensors over the network, and what is known of the machine.
 *
 * @module
 */
import { type ConfigKey, key, listOf, matching } from "./key.ts";

/** Settings of `energy.*`. */
export const ENERGY_KEYS = {
  "energy.board_sensors": key(
    "list",
    listOf(matching(/^\S{1,200}$/, "the id of a sensor, as `kwaainet energy` shows it")),
    [],
    "Sensors that measure what the whole board takes in, by their ids.",
  ),
} as const satisfies Record<string, ConfigKey>;
