/**
 * What a running node keeps of its settings in its lock file, so that a verb beside it sees the world as the node does.
 *
 * @module
 */
import * as v from "valibot";
import type { ConfigKey } from "../config/key.ts";
import { type Config, CONFIG_KEYS } from "../config/schema.ts";

/** Settings that say where a node lives and what it is for. None of them is secret. */
export const RUNNING_KEYS = [
  "network",
  "initial_peers",
  "listen",
  "p2p.announce",
  "api",
  "serve",
  "model",
  "dht_prefix",
  "engine",
  "compute.backend_dir",
  "compute.reserve_bytes",
] as const;

type RunningKey = typeof RUNNING_KEYS[number];

/** The effective values of a node that runs; what is absent was not set, or is not known. */
export type RunningSettings = Partial<Pick<Config, RunningKey>>;

/** What is kept of `config`. */
export const runningSettings = (config: Config): RunningSettings =>
  Object.fromEntries(RUNNING_KEYS.map((path) => [path, config[path]]));

/** Reads what was kept; a value that another version wrote and this one does not take is left out. */
export function readRunningSettings(kept: unknown): RunningSettings | undefined {
  if (typeof kept !== "object" || kept === null) return undefined;
  const values = RUNNING_KEYS.flatMap((path) => {
    if (!Object.hasOwn(kept, path)) return [];
    const { schema }: ConfigKey = CONFIG_KEYS[path];
    const read = v.safeParse(schema, (kept as Record<string, unknown>)[path]);
    return read.success ? [[path, read.output]] : [];
  });
  return Object.fromEntries(values);
}
