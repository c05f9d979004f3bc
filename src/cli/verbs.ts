/**
 * The verbs that there are.
 *
 * @module
 */
import { blocksVerb } from "./blocks.ts";
import { benchVerb } from "./bench.ts";
import { certificatesVerb } from "./certificates.ts";
import { chatVerb } from "./chat.ts";
import { completionVerb } from "./completion.ts";
import { configVerb } from "./config.ts";
import { doctorVerb } from "./doctor.ts";
import { energyVerb } from "./energy.ts";
import { engineVerb } from "./engine.ts";
import { generateVerb } from "./generate.ts";
import { identityVerb } from "./identity.ts";
import { modelsVerb } from "./models.ts";
import { peersVerb } from "./peers.ts";
import { startVerb } from "./start.ts";
import { statusVerb } from "./status.ts";
import type { Verb } from "./verb.ts";
import { versionVerb } from "./version.ts";

/** All verbs, in the order in which the help lists them. */
export const VERBS: readonly Verb[] = [
  startVerb,
  statusVerb,
  peersVerb,
  blocksVerb,
  energyVerb,
  doctorVerb,
  generateVerb,
  chatVerb,
  modelsVerb,
  configVerb,
  identityVerb,
  certificatesVerb,
  benchVerb,
  versionVerb,
  engineVerb,
  completionVerb(() => VERBS),
];
