/**
 * How joules are measured: sensors over the network, and what is known of the machine.
 *
 * @module
 */
import type { ConfigKey } from "./key.ts";

/** Settings of `energy.*`. */
export const ENERGY_KEYS = {} as const satisfies Record<string, ConfigKey>;
