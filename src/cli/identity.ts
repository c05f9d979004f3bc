/**
 * `kwaainet identity show | init`.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { DataPaths } from "../config/paths.ts";
import { unknownWord } from "./config.ts";
import { CONFIG_FLAGS, JSON_FLAG } from "./flags.ts";
import { loadSettings } from "./settings.ts";
import type { Verb } from "./verb.ts";

const ACTIONS = { show, init } as const;

/** Shows the peer id of the data folder, or makes one. */
export const identityVerb: Verb = {
  name: "identity",
  summary: "Show this node's peer id, or make its key",
  words: "show | init",
  wordCount: [1, 1],
  flags: [...CONFIG_FLAGS, JSON_FLAG],
  more: "The key lies in identity.key of the data folder, in the format of hivemind's identity files.",
  async run(invocation) {
    const word = invocation.words[0]!;
    if (!Object.hasOwn(ACTIONS, word)) throw unknownWord("identity", word, Object.keys(ACTIONS));
    const { paths } = loadSettings(invocation, this.flags);
    const { peerId, type } = await ACTIONS[word as keyof typeof ACTIONS](paths);
    if (invocation.flags.has("json")) {
      invocation.output.json({ schema: 1, peerId, type, file: paths.identity });
    } else invocation.output.line(peerId);
    return 0;
  },
};

async function show(paths: DataPaths) {
  const { readIdentity } = await import("../identity/keys.ts");
  const identity = await readIdentity(paths.identity);
  if (identity !== undefined) return identity;
  throw new NodeError(
    "not_found",
    `Cannot show the identity: ${paths.identity} does not exist, wanted a key (kwaainet identity init makes one)`,
  );
}

/** Keeps a key that is there already: it is what others know this node by. */
async function init(paths: DataPaths) {
  const { openIdentity } = await import("../identity/keys.ts");
  await Deno.mkdir(paths.root, { recursive: true, mode: 0o700 });
  return await openIdentity(paths.identity);
}
