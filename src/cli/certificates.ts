/**
 * `kwaainet certificates export | import | verify | match | registry`.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { NOTHING_ISSUED } from "../energy/certificates/statement.ts";
import { unknownWord } from "./config.ts";
import { CONFIG_FLAGS, JSON_FLAG } from "./flags.ts";
import { loadSettings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Verb } from "./verb.ts";

const ACTIONS = ["export", "import", "verify", "match", "registry"] as const;

/** Signed hours out, cancelled certificates in, and what they make of each other. */
export const certificatesVerb: Verb = {
  name: "certificates",
  summary: "Export signed hours of energy, import cancelled certificates, match them hour by hour",
  words: "export | import FILE… | verify FILE | match | registry query|cancel|claim|submit",
  wordCount: [1, 1000],
  flags: [
    {
      name: "from",
      kind: "text",
      value: "T",
      sentence: "First hour, UTC; seven days before --to without it.",
    },
    { name: "to", kind: "text", value: "T", sentence: "Hour after the last one, UTC; now without it." },
    { name: "output", kind: "text", value: "FILE", sentence: "Write there instead of to the screen." },
    {
      name: "hours",
      kind: "text",
      value: "FILE",
      sentence: "Match or check against the signed hours of a file instead of this node's books.",
    },
    {
      name: "ask-registry",
      kind: "boolean",
      sentence: "Ask the registry that is set whether it knows the bundles of a file.",
    },
    {
      name: "status",
      kind: "text",
      value: "S",
      sentence: "Query bundles of that status, such as Cancelled.",
    },
    { name: "send", kind: "boolean", sentence: "Really cancel, claim or submit; shown only without it." },
    {
      name: "dry-run",
      kind: "boolean",
      sentence: "Show what would be sent to the registry, and send nothing.",
    },
    ...CONFIG_FLAGS,
    JSON_FLAG,
  ],
  more: `${NOTHING_ISSUED} What export writes is a claim signed by this device, not a certificate.
A certificate counts (class B) when it is cancelled or claimed for this node, for at most an hour that this node's
books know, in its zone, used nowhere else here, and its issuer's key (certificates.issuer_keys) or a registry
(--ask-registry) vouches for it. Others are shown and count nothing. verify writes nothing. Exit code 1 when a
bundle was refused or a signature is wrong. No registry is asked unless certificates.registry is set and this verb says so.`,
  async run(invocation) {
    const [word = "", ...words] = invocation.words;
    if (!(ACTIONS as readonly string[]).includes(word)) throw unknownWord("certificates", word, ACTIONS);
    const action = word as (typeof ACTIONS)[number];
    const [least, most] = COUNTS[action];
    if (words.length < least || words.length > most) {
      throw new NodeError(
        "usage",
        `Cannot run certificates ${word}: ${words.length} words follow, wanted kwaainet certificates ${
          USAGE[action]
        }`,
      );
    }
    const settings = loadSettings(invocation, this.flags);
    using stop = listenForSignals();
    const world = worldOf(invocation, settings, "warn");
    return await (await actionOf(action))({ world, invocation, settings, words, signal: stop.signal });
  },
};

const COUNTS = {
  export: [0, 0],
  import: [1, 1000],
  verify: [1, 1],
  match: [0, 0],
  registry: [1, 1000],
} as const;
const USAGE = {
  export: "export",
  import: "import FILE…",
  verify: "verify FILE",
  match: "match",
  registry: "registry query|cancel|claim|submit",
} as const;

/** Loaded when it is needed: other verbs start without it. */
async function actionOf(action: (typeof ACTIONS)[number]) {
  switch (action) {
    case "export":
      return (await import("./certificates_export.ts")).exportHours;
    case "match":
      return (await import("./certificates_export.ts")).matchHours;
    case "import":
      return (await import("./certificates_import.ts")).importFiles;
    case "verify":
      return (await import("./certificates_import.ts")).verifyFile;
    case "registry":
      return (await import("./certificates_registry.ts")).useRegistry;
  }
}
