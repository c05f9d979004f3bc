/** The owner's rules as they are where nothing is configured, and changes of them. */
import { loadConfig } from "../../src/config/load.ts";
import { rulesOf } from "../../src/node/contribute.ts";
import { decide, WILLING } from "../../src/policy/decide.ts";
import type { Conditions, Decision, Rules } from "../../src/policy/types.ts";

const DEFAULTS = rulesOf(
  loadConfig({ flags: new Map(), sets: [], environment: {}, file: undefined, target: undefined }).config,
);

export const rules = (change: Partial<Rules> = {}): Rules => ({ ...DEFAULTS, ...change });

/** What is decided of `now`, by default as the first decision. */
export const decideFirst = (now: Conditions, change: Partial<Rules> = {}): Decision =>
  decide(now, rules(change), WILLING, NOW_MS);

/** Some moment; its minute has just begun. */
export const NOW_MS = 1_700_000_040_000;
