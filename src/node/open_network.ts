/**
 * Listening, and the node of the DHT.
 *
 * @module
 */
import type { PeerDocument } from "../api/swarm.ts";
import type { StatusDocument } from "../api/status.ts";
import type { Database, Table } from "../base/database.ts";
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { type DhtNode, openDhtNode } from "../dht/node.ts";
import { openIdentity } from "../identity/keys.ts";
import { datastoreOf } from "../p2p/datastore.ts";
import { type Host, openHost } from "../p2p/host.ts";
import { serveReachability } from "../petals/server/reachability.ts";
import { openNodeState } from "./node_state.ts";
import type { Network } from "./parts.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import { keepReachability } from "./keep_reachability.ts";
import type { NodeVerdicts } from "./probe_inbound.ts";
import { peerOf } from "./peer_address.ts";
import type { NodePlan } from "./plan.ts";

/** Opens identity, host and DHT: the node listens when this resolves. Throws `NodeError`. */
export async function openNetwork(world: World, plan: NodePlan): Promise<Network> {
  await using rooms = new AsyncDisposableStack();
  const identity = await openIdentity(plan.paths.identity);
  const state = rooms.use(openNodeState(world, plan.paths.state));
  const host = rooms.use(
    await openHost(world, {
      identity,
      listen: plan.config.listen,
      announce: plan.config["p2p.announce"],
      agent: `kwaainet/${plan.version}`,
      maxConnections: plan.config["p2p.max_connections"],
      datastore: datastoreOf(state.database.table("peerstore")),
    }),
  );
  const end = new AbortController();
  rooms.defer(() => end.abort(new NodeError("aborted", "The node stops")));
  const dht = rooms.use(await openDhtNode(world, host, { known: state.known }, end.signal));
  state.keep(() => dht.peers());
  // with blocks it is served by their server, as in Petals; bootstraps answer too (petals 2.2 `cli/run_dht.py`)
  if (plan.model === undefined) rooms.use(serveReachability(world, host));
  const { database } = state;
  return new OpenNetwork(world, { host, dht, plan, database }, rooms.move());
}

interface OpenParts {
  readonly host: Host;
  readonly dht: DhtNode;
  readonly plan: NodePlan;
  readonly database: Database;
}

class OpenNetwork implements Network {
  readonly rpc: Host;
  readonly dht: DhtNode;
  reachability: StatusDocument["reachability"] = {
    state: "unknown",
    reason: "no other peer was asked to call back yet",
  };
  readonly #bootstraps: readonly string[];
  readonly #rooms: AsyncDisposableStack;

  readonly #database: Database;
  readonly #world: World;
  readonly #plan: NodePlan;

  constructor(world: World, { host, dht, plan, database }: OpenParts, rooms: AsyncDisposableStack) {
    this.#world = world;
    this.#plan = plan;
    this.rpc = host;
    this.dht = dht;
    this.#database = database;
    this.#bootstraps = plan.bootstraps.filter((address) => peerOf(address) !== host.self);
    this.#rooms = rooms;
  }

  get hasBootstraps(): boolean {
    return this.#bootstraps.length > 0;
  }

  addresses(): readonly string[] {
    return this.rpc.addresses();
  }

  table(name: string): Table {
    return this.#database.table(name);
  }

  peers(): number {
    return this.dht.status().peers;
  }

  async join(signal: AbortSignal): Promise<void> {
    await dialAll(this.rpc, this.#bootstraps, signal);
    const report = await this.dht.join(this.#bootstraps.map(peerOf), signal);
    this.reachability = report.isReachable ? { state: "reachable", reason: "a peer called back" } : {
      state: "unreachable",
      reason: "no peer could call back: open the port, or name addresses with p2p.announce",
    };
  }

  async knownPeers(): Promise<readonly Omit<PeerDocument, "rttMs">[]> {
    return await this.rpc.neighbours(this.dht.peers().map(({ peer }) => peer));
  }

  keepReachability(joined: Promise<void>): AsyncDisposable {
    return keepReachability(this.#world, {
      joined,
      addresses: () => this.addresses(),
      peers: () => this.peers(),
      ask: (signal) => this.#askPeers(signal),
      tell: (reachability) => {
        this.reachability = reachability;
      },
    });
  }

  /** By a key of its own: peers that know this node call over the connections that there are. */
  async #askPeers(signal: AbortSignal): Promise<NodeVerdicts> {
    const [{ openSwarmProbe }, { askAboutNode }] = await Promise.all([
      import("./probe_swarm.ts"),
      import("./probe_inbound.ts"),
    ]);
    const own = { peer: this.rpc.self, addresses: this.addresses() };
    const options = { bootstraps: this.#bootstraps, own, version: this.#plan.version };
    await using probe = await openSwarmProbe(this.#world, options, signal);
    return await askAboutNode(this.#world, probe, openSystemFiles(this.#plan.config), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rooms.disposeAsync();
  }
}

/** Connects to every address that answers; those that do not are tried by their peer ids afterwards. */
export async function dialAll(host: Host, addresses: readonly string[], signal: AbortSignal): Promise<void> {
  await Promise.all(addresses.map(async (address) => {
    try {
      await host.dial(address, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NodeError)) throw error;
    }
  }));
}
