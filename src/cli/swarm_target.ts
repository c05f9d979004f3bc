/**
 * Which swarm a short verb talks to.
 *
 * @module
 */
import type { StatusDocument } from "../api/status.ts";
import { codeOf, NodeError } from "../base/errors.ts";
import { type NetworkProfile, networkProfile } from "../config/network_profile.ts";
import { readHolder } from "../node/lock.ts";
import type { SwarmServer } from "../petals/client/announced.ts";
import { machineRests } from "../policy/own_use.ts";
import { askNode } from "./ask_node.ts";
import type { Settings } from "./settings.ts";

/** Where to enter, and what to ask for. */
export interface SwarmTarget {
  readonly network: NetworkProfile;
  readonly bootstraps: readonly string[];
  /** Model as it was named. */
  readonly model: string;
  /** Prefix that was set, or that the running node serves; else the network's rule decides. */
  readonly prefix: string | undefined;
  /** The running node of the owner while it takes no work of others. */
  readonly paused?: SwarmServer & { readonly prefix: string };
}

/**
 * The named peers; else the node that runs on the data folder, whose model is the default; else the network's bootstraps.
 * Throws `NodeError` `usage` that says what is missing.
 */
export async function swarmTarget(
  { config, origins, paths }: Settings,
  signal: AbortSignal,
): Promise<SwarmTarget> {
  const network = networkProfile(config.network);
  const named = { network, bootstraps: config.initial_peers, prefix: config.dht_prefix };
  if (config.initial_peers.length > 0) return { ...named, model: requireModel(config.model) };

  const running = await runningNode(paths, signal);
  if (running !== undefined) {
    const { status, model } = running;
    // who names a network of its own does not mean the node's
    const own = networkProfile(origins.network === "built in" ? status.network : config.network);
    const served = config.model === undefined ? status.serving?.prefix || undefined : undefined;
    return {
      network: own,
      bootstraps: status.addresses,
      prefix: config.dht_prefix ?? served,
      model: requireModel(config.model ?? model),
      ...pausedNode(status),
    };
  }
  if (network.bootstraps.length === 0) {
    throw new NodeError(
      "usage",
      `Cannot find the swarm: no node runs on ${paths.root} and a ${network.name} network has no bootstraps, wanted --initial-peers or a running node`,
    );
  }
  return { ...named, bootstraps: network.bootstraps, model: requireModel(config.model) };
}

/** A node that is paused takes its owner's work all the same, unless the machine itself has to rest: then this throws. */
function pausedNode(
  { peerId, serving, policy }: Pick<StatusDocument, "peerId" | "serving" | "policy">,
): Pick<SwarmTarget, "paused"> {
  if (serving === null || policy.action !== "withdraw") return {};
  const why = machineRests(policy);
  if (why !== undefined) {
    throw new NodeError(
      "unreachable",
      `Cannot generate: this machine rests: ${why}, wanted it fit to compute (try again later)`,
    );
  }
  const [start, end] = serving.blocks;
  const { throughput = 0, dtype, version } = serving.announced ?? {};
  const info = {
    state: "online" as const,
    throughput,
    adapters: [],
    version,
    torchDtype: dtype ?? undefined,
  };
  return { paused: { peerId, range: { start, end }, info, expiresAtMs: Infinity, prefix: serving.prefix } };
}

async function runningNode(paths: Settings["paths"], signal: AbortSignal) {
  try {
    const status = await askNode<StatusDocument>(paths, "/api/v1/status", signal);
    return { status, model: readHolder(paths)?.model };
  } catch (error) {
    if (codeOf(error, "corrupt") === "not_running") return undefined;
    throw error;
  }
}

function requireModel(model: string | undefined): string {
  if (model !== undefined) return model;
  throw new NodeError(
    "usage",
    "Cannot generate: no model is named, wanted --model SOURCE (its tokenizer, embeddings and output matrix are needed here)",
  );
}
