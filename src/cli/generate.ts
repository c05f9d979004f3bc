/**
 * `kwaainet generate PROMPT`.
 *
 * @module
 */
import { BACKEND_DIR_FLAG, CONFIG_FLAGS, DEFAULT_MAX_TOKENS, JSON_FLAG, settingFlag } from "./flags.ts";
import type { Flag, Verb } from "./verb.ts";

const FLAGS: readonly Flag[] = [
  settingFlag("model", "SOURCE"),
  settingFlag("initial_peers", "MADDR[,MADDR…]"),
  settingFlag("network", "kwaai|petals|private"),
  settingFlag("dht_prefix", "P"),
  settingFlag("engine", "auto|ggml|onnx|reference"),
  BACKEND_DIR_FLAG,
  {
    name: "max-tokens",
    kind: "text",
    value: "N",
    sentence: `Most new tokens; ${DEFAULT_MAX_TOKENS} without it.`,
  },
  {
    name: "temperature",
    kind: "text",
    value: "T",
    sentence: "0, the default, takes the likeliest token each time.",
  },
  { name: "seed", kind: "text", value: "S", sentence: "Same seed, same servers, same text." },
  ...CONFIG_FLAGS,
  JSON_FLAG,
];

/** Continues a prompt through the swarm. */
export const generateVerb: Verb = {
  name: "generate",
  summary: "Continue a text through the swarm",
  words: "PROMPT",
  wordCount: [1, 1],
  flags: FLAGS,
  more:
    `A short-lived client enters the swarm through --initial-peers, else through the node that runs on --data-dir, whose
model is the default, else through the network's bootstraps. Tokenizer, embeddings and output matrix come from the model
here; the blocks are computed by whoever serves them. The prompt is continued as it stands, without a chat template.
--json writes one object at the end. Ctrl-C ends with exit code 130.`,
  async run(invocation) {
    const { runGenerate } = await import("./generate_text.ts");
    return await runGenerate(invocation, this.flags);
  },
};
