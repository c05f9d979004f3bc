/**
 * Flags of `start`; `config` takes them too, so that one can see what they do.
 *
 * @module
 */
import { BACKEND_DIR_FLAG, CONFIG_FLAGS, settingFlag } from "./flags.ts";
import type { Flag } from "./verb.ts";

/** All that `start` takes besides `--json`. */
export const START_FLAGS: readonly Flag[] = [
  settingFlag("name", "N"),
  settingFlag("model", "SOURCE"),
  settingFlag("blocks", "A:B"),
  settingFlag("start_block", "A"),
  settingFlag("end_block", "B"),
  {
    name: "no-serve",
    kind: "boolean",
    sentence: "Be a node of the DHT only: bootstrap and relay.",
    setting: "serve",
    sets: false,
  },
  settingFlag("network", "kwaai|petals|private"),
  settingFlag("dht_prefix", "P"),
  settingFlag("dtype", "f32|f16|bf16|auto"),
  settingFlag("engine", "auto|ggml|onnx|reference"),
  BACKEND_DIR_FLAG,
  settingFlag("initial_peers", "MADDR[,MADDR…]"),
  settingFlag("listen", "MADDR[,MADDR…]"),
  settingFlag("api", "HOST:PORT"),
  settingFlag("sysfs", "DIR"),
  settingFlag("procfs", "DIR"),
  ...CONFIG_FLAGS,
];
