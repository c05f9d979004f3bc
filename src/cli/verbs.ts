/**
 * The verbs that there are.
 *
 * @module
 */
import { benchVerb } from "./bench.ts";
import { completionVerb } from "./completion.ts";
import { configVerb } from "./config.ts";
import { engineVerb } from "./engine.ts";
import { generateVerb } from "./generate.ts";
import { identityVerb } from "./identity.ts";
import { modelsVerb } from "./models.ts";
import { startVerb } from "./start.ts";
import { statusVerb } from "./status.ts";
import type { Verb } from "./verb.ts";
import { versionVerb } from "./version.ts";

/** All verbs, in the order in which the help lists them. */
export const VERBS: readonly Verb[] = [
  startVerb,
  statusVerb,
  generateVerb,
  modelsVerb,
  configVerb,
  identityVerb,
  benchVerb,
  versionVerb,
  engineVerb,
  completionVerb(() => VERBS),
];
