/**
 * What a node is to be: the configuration, checked as a whole.
 *
 * @module
 */
import { requireKeys } from "../api/api_keys.ts";
import { splitHostPort } from "../api/server.ts";
import { NodeError } from "../base/errors.ts";
import type { BlockRange } from "../base/tensor.ts";
import { type NetworkProfile, networkProfile } from "../config/network_profile.ts";
import type { DataPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";

/** Everything that is decided before anything is opened. */
export interface NodePlan {
  readonly config: Config;
  readonly paths: DataPaths;
  /** Version of the program, as others see it. */
  readonly version: string;
  readonly network: NetworkProfile;
  /** Peers to join through: the named ones, else the network's. */
  readonly bootstraps: readonly string[];
  /** What to serve; absent for a node of the DHT only. */
  readonly model: string | undefined;
  /** What to ask without serving any of it; absent for a node that serves, or has no model. */
  readonly asks: string | undefined;
  /** Blocks that were asked for; absent = as many as fit, where they are needed most. */
  readonly range: BlockRange | undefined;
}

/** Plans a node. Throws `NodeError` `usage` for settings that contradict each other. */
export function planOf(config: Config, paths: DataPaths, version: string): NodePlan {
  requireSteps(config);
  requireKeys(splitHostPort(config.api).hostname, config["http.api_keys"] ?? []);
  const profile = networkProfile(config.network);
  const periodMs = config["announce.period_seconds"] === undefined
    ? profile.announcePeriodMs
    : config["announce.period_seconds"] * 1000;
  return {
    config,
    paths,
    version,
    network: {
      ...profile,
      announcePeriodMs: periodMs,
      recordLifeMs: Math.max(profile.recordLifeMs, 2 * periodMs),
    },
    bootstraps: config.initial_peers.length > 0 ? config.initial_peers : profile.bootstraps,
    model: config.serve ? config.model : undefined,
    asks: config.serve ? undefined : config.model,
    range: rangeOf(config),
  };
}

/** A pause that ended above where it began would never rest. */
function requireSteps(config: Config): void {
  const { "policy.pause_celsius": pause, "policy.resume_celsius": resume } = config;
  if (resume < pause) return;
  throw new NodeError(
    "usage",
    `Cannot use policy.resume_celsius ${resume}: it is not below policy.pause_celsius ${pause}, wanted less`,
  );
}

/** Blocks named by `blocks`, or by `start_block` and `end_block`. */
function rangeOf(config: Config): BlockRange | undefined {
  const { blocks, start_block: first, end_block: last } = config;
  if (blocks !== undefined && (first !== undefined || last !== undefined)) {
    throw contradiction(`both --blocks ${blocks} and --start-block or --end-block are given`, "one of them");
  }
  if (blocks === undefined && first === undefined && last === undefined) return undefined;
  if (blocks === undefined && (first === undefined || last === undefined)) {
    const missing = first === undefined ? "--start-block" : "--end-block";
    throw contradiction(`${missing} is missing`, "both ends, as in --start-block 0 --end-block 8");
  }
  const [start, end] = blocks === undefined
    ? [first!, last!]
    : blocks.split(":").map(Number) as [number, number];
  if (start >= end) {
    throw contradiction(`${start}:${end} holds no block`, "the end above the start, as in 0:8");
  }
  return { start, end };
}

const contradiction = (what: string, wanted: string) =>
  new NodeError("usage", `Cannot choose blocks: ${what}, wanted ${wanted}`);
