/**
 * Flags that several verbs share.
 *
 * @module
 */
import { CONFIG_KEYS, type ConfigPath } from "../config/schema.ts";
import type { Flag } from "./verb.ts";

/** Tokens generated when nobody says how many. */
export const DEFAULT_MAX_TOKENS = 128;

/** Blocks measured when nobody names some: the slowest engine has to stand it too. */
export const DEFAULT_BENCH_BLOCKS = 4;

/** A flag that is another name of a setting; its sentence is the setting's. */
export function settingFlag(setting: ConfigPath, value: string): Flag {
  const { kind, sentence } = CONFIG_KEYS[setting];
  return {
    name: setting.replaceAll("_", "-"),
    kind: kind === "list" ? "list" : "text",
    value,
    sentence,
    setting,
  };
}

/** Further ggml backends; deep in the settings, but asked for by name. */
export const BACKEND_DIR_FLAG: Flag = {
  name: "backend-dir",
  kind: "text",
  value: "DIR",
  sentence: CONFIG_KEYS["compute.backend_dir"].sentence,
  setting: "compute.backend_dir",
};

/** Machine-readable output. */
export const JSON_FLAG: Flag = { name: "json", kind: "boolean", sentence: "Answer in JSON." };

/** Where settings come from besides flags. */
export const CONFIG_FLAGS: readonly Flag[] = [
  settingFlag("data_dir", "D"),
  { name: "config", kind: "text", value: "FILE", sentence: "Configuration file in place of the usual ones." },
  { name: "set", kind: "list", value: "a.b=c", sentence: "Set any setting; may be repeated." },
  settingFlag("log_level", "L"),
];
