/**
 * When the node contributes, slows down or withdraws.
 *
 * @module
 */
import type { ConfigKey } from "./key.ts";

/** Settings of `policy.*`. */
export const POLICY_KEYS = {} as const satisfies Record<string, ConfigKey>;
