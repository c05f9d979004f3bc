/**
 * Where the power comes from and what carbon it costs.
 *
 * @module
 */
import type { ConfigKey } from "./key.ts";

/** Settings of `carbon.*`. */
export const CARBON_KEYS = {} as const satisfies Record<string, ConfigKey>;
