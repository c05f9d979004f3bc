/**
 * The settings with which a verb looks beside a running node: the node's own, but for flags that say otherwise.
 *
 * @module
 */
import { CONFIG_KEYS } from "../config/schema.ts";
import { readHolder } from "../node/lock.ts";
import { RUNNING_KEYS, type RunningSettings } from "../node/running_settings.ts";
import type { NodeAnswer } from "./checks.ts";
import type { Settings } from "./settings.ts";

/** Settings, and what of them came from the node. */
export interface SettingsBesideNode {
  readonly settings: Settings;
  /** In one sentence; absent where nothing was taken. */
  readonly taken?: string | undefined;
}

/** What one setting says at most in the sentence. */
const MAX_SHOWN = 200;

/** Settings of the node that holds the data folder, where one does; flags win. */
export function asNodeRuns(settings: Settings, node: NodeAnswer): SettingsBesideNode {
  const kept = keptOf(settings, node);
  if (kept === undefined) return { settings };
  const taken = RUNNING_KEYS.filter((path) => path in kept && !isGiven(settings, path) && !isOfOther(path));
  const given = RUNNING_KEYS.filter((path) => isGiven(settings, path));
  const values = Object.fromEntries(taken.map((path) => [path, kept[path]]));
  const origins = Object.fromEntries(taken.map((path) => [path, "running node"]));
  return {
    settings: {
      ...settings,
      config: { ...settings.config, ...values },
      origins: { ...settings.origins, ...origins },
    },
    taken: sentenceOf(kept, taken, given),
  };

  /** Peers of one network are of no use in another. */
  function isOfOther(path: string): boolean {
    return path === "initial_peers" && isGiven(settings, "network") &&
      kept!.network !== settings.config.network;
  }
}

/** A node that does not answer holds its folder all the same; one of an earlier version tells its network alone. */
function keptOf({ paths }: Settings, node: NodeAnswer): RunningSettings | undefined {
  if (node.state === "none") return undefined;
  const { settings } = readHolder(paths) ?? {};
  return settings ?? (node.state === "running" ? { network: node.status.network } : undefined);
}

const isGiven = ({ origins }: Settings, path: keyof Settings["origins"]): boolean =>
  origins[path] === "flag" || origins[path] === "--set";

function sentenceOf(
  kept: RunningSettings,
  taken: readonly (keyof RunningSettings)[],
  given: readonly string[],
): string {
  const shown = taken
    .filter((path) => JSON.stringify(kept[path]) !== JSON.stringify(CONFIG_KEYS[path].fallback))
    .map((path) => `${path} ${shortOf([kept[path]].flat().join(","))}`);
  const own = `looked at with its own settings${shown.length === 0 ? "" : `: ${shown.join(", ")}`}`;
  return given.length === 0 ? own : `${own}; flags here say otherwise for ${given.join(", ")}`;
}

const shortOf = (text: string): string => text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
