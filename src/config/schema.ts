/**
 * Every setting once: name, unit, range, default and one sentence. Flags, environment, file, `config show` and the
 * descriptors of `targets/` are all read from here.
 *
 * @module
 */
import * as v from "valibot";
import { choice, type ConfigKey, decimal, key, listOf, matching, text, whole } from "./key.ts";
import { CARBON_KEYS } from "./keys_carbon.ts";
import { CERTIFICATE_KEYS } from "./keys_certificates.ts";
import { ENERGY_KEYS } from "./keys_energy.ts";
import { HTTP_KEYS } from "./keys_http.ts";
import { POLICY_KEYS } from "./keys_policy.ts";

const PORT = "(?:6553[0-5]|655[0-2]\\d|65[0-4]\\d\\d|6[0-4]\\d{3}|[1-5]\\d{4}|\\d{1,4})";
/** There is no transport but TCP: at any other address nobody would be heard, and nobody heard of. */
const TCP_MULTIADDR = matching(
  new RegExp(`^/(?:ip4|ip6|dns|dns4|dns6)/[^/\\s]+/tcp/${PORT}(?:/p2p/[A-Za-z0-9]{20,80})?$`),
  "a multiaddr with /tcp/ and a port, such as /ip4/10.0.0.2/tcp/31337",
);
const BOOTSTRAP = matching(
  /^\/[^\s]+\/p2p\/[A-Za-z0-9]{20,80}(?:\/p2p-circuit\/p2p\/[A-Za-z0-9]{20,80})?$/,
  "a multiaddr that ends in /p2p/ and a peer id, such as /ip4/10.0.0.2/tcp/31337/p2p/12D3Koo…",
);
const HOST_PORT = matching(
  new RegExp(`^(?:\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9.-]+):${PORT}$`),
  "HOST:PORT such as 127.0.0.1:8080",
);
const GIB = 2 ** 30;

/** All settings by path, in the order in which they are shown. */
export const CONFIG_KEYS = {
  name: key(
    "text",
    v.optional(v.pipe(v.string(), v.maxLength(100, "100 characters or fewer"))),
    undefined,
    "Name that others see on the map; nothing is shown without one.",
  ),
  model: key(
    "text",
    text,
    undefined,
    "Model to serve or to ask: a file, a folder, hf:org/name, or a name of the store.",
  ),
  blocks: key(
    "text",
    v.optional(matching(/^\d{1,5}:\d{1,5}$/, "A:B, half-open, such as 0:8")),
    undefined,
    "Blocks to serve as A:B, half-open; as many as fit without it.",
  ),
  start_block: key("integer", v.optional(whole(0, 99_999)), undefined, "First block to serve."),
  end_block: key("integer", v.optional(whole(1, 100_000)), undefined, "Block after the last one to serve."),
  serve: key(
    "boolean",
    v.boolean("true or false"),
    true,
    "Whether blocks are served; false is a node of the DHT only.",
  ),
  network: key("text", choice("kwaai", "petals", "private"), "kwaai", "Swarm to join."),
  dht_prefix: key(
    "text",
    v.optional(matching(/^[^.\s]{1,200}$/, "a prefix without dots and spaces")),
    undefined,
    "Name of the model in the DHT; the network's rule decides without it.",
  ),
  dtype: key("text", choice("auto", "f32", "f16", "bf16"), "auto", "What blocks compute and answer in."),
  engine: key("text", choice("auto", "ggml", "onnx", "reference"), "auto", "What computes the blocks."),
  initial_peers: key(
    "list",
    listOf(BOOTSTRAP),
    [],
    "Peers to join the swarm through; the network's own without them.",
  ),
  listen: key(
    "list",
    listOf(TCP_MULTIADDR),
    ["/ip4/0.0.0.0/tcp/0"],
    "Addresses to listen on; port 0 picks one.",
  ),
  api: key("text", HOST_PORT, "127.0.0.1:8080", "Where the local API listens; port 0 picks one."),
  data_dir: key("text", text, undefined, "Folder of identity, state and models."),
  log_level: key(
    "text",
    v.optional(choice("error", "warn", "info", "debug", "trace")),
    undefined,
    "Least urgent log lines that are written; info for start, warn for other verbs, error for generate and chat on a terminal.",
  ),
  sysfs: key("text", v.pipe(v.string(), v.nonEmpty("a folder")), "/sys", "Folder that stands for /sys."),
  procfs: key("text", v.pipe(v.string(), v.nonEmpty("a folder")), "/proc", "Folder that stands for /proc."),
  "p2p.announce": key(
    "list",
    listOf(TCP_MULTIADDR),
    [],
    "Addresses told to others in place of the ones listened on.",
  ),
  "p2p.max_connections": key("integer", whole(8, 100_000), 200, "Most connections kept open.", "connections"),
  "compute.threads": key(
    "integer",
    whole(0, 1024),
    0,
    "Threads of the engine; 0 leaves one core to the rest.",
    "threads",
  ),
  "compute.backend_dir": key(
    "text",
    text,
    undefined,
    "Folder with further ggml backends; Vulkan was seen to crash the engine process, CUDA was never run.",
  ),
  "compute.command_prefix": key(
    "list",
    listOf(v.string()),
    [],
    "Words before the command of the engine process, such as an emulator.",
  ),
  "compute.reserve_bytes": key(
    "integer",
    whole(0, 1024 * GIB),
    GIB / 4,
    "Memory left to the rest of the machine.",
    "bytes",
  ),
  "compute.max_blocks": key(
    "integer",
    whole(1, 100_000),
    100_000,
    "Most blocks taken when none are named.",
    "blocks",
  ),
  "sessions.cache_tokens": key(
    "integer",
    v.optional(whole(16, 2 ** 31)),
    undefined,
    "Positions of attention memory for each served block, shared by all sessions; by the model, as far as memory reaches, without it.",
    "tokens",
  ),
  "sessions.max_length": key(
    "integer",
    v.optional(whole(16, 2 ** 24)),
    undefined,
    "Longest session; without it 8192 for models with grouped heads and 2048 for others, as in Petals.",
    "tokens",
  ),
  "sessions.max_open": key("integer", whole(1, 100_000), 256, "Most sessions open at once.", "sessions"),
  "announce.period_seconds": key(
    "integer",
    v.optional(whole(5, 3600)),
    undefined,
    "Time between announcements; the network's own without it.",
    "seconds",
  ),
  "announce.bandwidth_mbit": key(
    "integer",
    whole(1, 1_000_000),
    100,
    "Rate of the network link that announced figures reckon with; Petals' own default.",
    "Mbit/s",
  ),
  "text.solo": key(
    "text",
    choice("auto", "always", "never"),
    "auto",
    "Whether a model that is only asked is computed here alone; auto does where all of it fits.",
  ),
  "text.sessions": key("integer", whole(1, 10_000), 64, "Most answers made at once.", "answers"),
  "text.draft_tokens": key(
    "integer",
    whole(0, 8),
    8,
    "Most tokens guessed ahead of one pass over all blocks; as many as pay, up to it. 0 is off.",
    "tokens",
  ),
  "text.draft_model": key(
    "text",
    text,
    undefined,
    "Small model with the same vocabulary that guesses ahead where the text repeats nothing, named as model is.",
  ),
  "text.spot_check_share": key(
    "number",
    decimal(0, 1),
    0.005,
    "Share of steps that a second server computes too, to find out those that answer wrongly; 0 is off.",
  ),
  "text.waiting": key(
    "integer",
    whole(0, 100_000),
    64,
    "Most requests that wait for their turn.",
    "requests",
  ),
  ...HTTP_KEYS,
  ...ENERGY_KEYS,
  ...CARBON_KEYS,
  ...CERTIFICATE_KEYS,
  ...POLICY_KEYS,
} as const satisfies Record<string, ConfigKey>;

/** Path of a setting, such as `compute.threads`. */
export type ConfigPath = keyof typeof CONFIG_KEYS;

/** All settings with their values. */
export type Config = { readonly [P in ConfigPath]: v.InferOutput<(typeof CONFIG_KEYS)[P]["schema"]> };

/** All paths, in the order in which they are shown. */
export const CONFIG_PATHS: readonly ConfigPath[] = Object.keys(CONFIG_KEYS) as ConfigPath[];

/** Whether `path` names a setting. */
export const isConfigPath = (path: string): path is ConfigPath => Object.hasOwn(CONFIG_KEYS, path);

/**
 * Name of a setting in the environment.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(environmentName("compute.threads"), "KWAAI_COMPUTE_THREADS");
 * ```
 */
export const environmentName = (path: ConfigPath): string =>
  `KWAAI_${path.replaceAll(".", "_").toUpperCase()}`;
