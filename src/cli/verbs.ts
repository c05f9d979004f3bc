/**
 * The verbs that there are.
 *
 * @module
 */
import { completionVerb } from "./completion.ts";
import { configVerb } from "./config.ts";
import type { Verb } from "./verb.ts";
import { versionVerb } from "./version.ts";

/** All verbs, in the order in which the help lists them. */
export const VERBS: readonly Verb[] = [configVerb, versionVerb, completionVerb(() => VERBS)];
