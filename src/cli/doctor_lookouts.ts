/**
 * What checks of `doctor` ask the outside for. Each thing is found out once, when it is first asked for; the network's
 * libraries are loaded then.
 *
 * @module
 */
import type { PeerDocument, PeersDocument } from "../api/swarm.ts";
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { networkProfile } from "../config/network_profile.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import { openModel } from "../model/open_model.ts";
import { resolveHere } from "../model/resolve.ts";
import { resolveContext } from "../node/find_model.ts";
import type { ProbeOptions, SwarmProbe } from "../node/probe_swarm.ts";
import { askNode } from "./ask_node.ts";
import { VERSION } from "./build_info.ts";
import type { Lookouts, NodeAnswer } from "./checks.ts";
import type { Settings } from "./settings.ts";

/** Lookouts that are closed with all that they opened. */
export interface OpenLookouts extends Lookouts, AsyncDisposable {}

/** The named bootstraps; else those of the network. */
export const bootstrapsOf = ({ config }: Settings): readonly string[] =>
  config.initial_peers.length > 0 ? config.initial_peers : networkProfile(config.network).bootstraps;

/** Where lookouts stand. */
export interface LookFrom {
  readonly node: NodeAnswer;
  /** Environment variables: caches of models. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Lookouts of one run; `signal` ends all of them. */
export function openLookouts(
  world: World,
  settings: Settings,
  { node, environment }: LookFrom,
  signal: AbortSignal,
): OpenLookouts {
  const { config, paths } = settings;
  const swarm = once(async (): Promise<SwarmProbe> => {
    const { openSwarmProbe } = await import("../node/probe_swarm.ts");
    const own = await ownOf(paths, node, signal);
    return await openSwarmProbe(
      world,
      { bootstraps: bootstrapsOf(settings), version: VERSION, ...own },
      signal,
    );
  });
  return {
    swarm: swarm.get,
    async askAboutNode(signal) {
      const { askAboutNode } = await import("../node/probe_inbound.ts");
      return await askAboutNode(world, await swarm.get(), openSystemFiles(config), signal);
    },
    async askAboutStandIn(signal) {
      const { askAboutStandIn } = await import("../node/probe_inbound.ts");
      const places = { listen: config.listen, announce: config["p2p.announce"] };
      return await askAboutStandIn(world, await swarm.get(), places, signal);
    },
    async findTwin(peer, own, signal) {
      const { findTwin } = await import("../node/probe_twin.ts");
      return await findTwin(world, await swarm.get(), { peer, own }, signal);
    },
    engine: (signal) => startEngine(world, settings, signal),
    async model(name, signal) {
      const context = resolveContext(world, { paths, environment }, () => {});
      const here = await resolveHere(context, name, signal);
      if (here === undefined) return undefined;
      await using source = await openModel(here.path, signal);
      return { id: here.id ?? source.id, blocks: source.architecture.blocks };
    },
    async identity() {
      const { readIdentity } = await import("../identity/keys.ts");
      return (await readIdentity(paths.identity))?.peerId;
    },
    async [Symbol.asyncDispose]() {
      await (await swarm.settled())?.[Symbol.asyncDispose]();
    },
  };
}

/** What the running node says of itself and of those it is connected to. */
async function ownOf(
  paths: Settings["paths"],
  node: NodeAnswer,
  signal: AbortSignal,
): Promise<Pick<ProbeOptions, "own">> {
  if (node.state !== "running") return {};
  const { peerId: peer, addresses } = node.status;
  return { own: { peer, addresses, neighbours: await neighboursOf(paths, signal) } };
}

/** None where the node cannot tell: the swarm is then met through the bootstraps alone. */
async function neighboursOf(paths: Settings["paths"], signal: AbortSignal): Promise<readonly PeerDocument[]> {
  try {
    const { peers } = await askNode<PeersDocument>(paths, "/api/v1/peers", signal);
    return peers.filter(({ connected }) => connected);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NodeError) return [];
    throw error;
  }
}

interface Once<T> {
  readonly get: () => Promise<T>;
  /** What was found, if it was asked for and found. */
  readonly settled: () => Promise<T | undefined>;
}

function once<T>(find: () => Promise<T>): Once<T> {
  let found: Promise<T> | undefined;
  return {
    get: () => found ??= find(),
    settled: async () => await found?.catch(() => undefined),
  };
}

/** Libraries that a node has not written out yet go to a folder for this: looking must not fill the data folder. */
async function startEngine(world: World, { config, paths }: Settings, signal: AbortSignal) {
  const { openEngine } = await import("../node/open_compute.ts");
  const isWritten = await Deno.stat(paths.native).then(() => true, () => false);
  const root = isWritten ? paths.root : await Deno.makeTempDir({ prefix: "kwaainet-doctor-" });
  try {
    await using engine = await openEngine(world, { config, paths: { ...paths, root } }, signal);
    return { name: engine.name, reason: engine.reason };
  } finally {
    if (!isWritten) await Deno.remove(root, { recursive: true }).catch(() => {});
  }
}
