/**
 * What a node is put together from. `assemble.ts` has the real ones, tests have others.
 *
 * @module
 */
import type { CarbonAwareSource } from "../api/carbon_aware.ts";
import type { EnergyDocument } from "../api/energy.ts";
import type { MetricsInput } from "../api/metrics_input.ts";
import type { ApiServer } from "../api/server.ts";
import type { PeerDocument, SwarmSource } from "../api/swarm.ts";
import type { ServingStatus, StatusDocument } from "../api/status.ts";
import type { Table } from "../base/database.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { Dht } from "../dht/dht.ts";
import type { LoadedBlocks } from "../compute/backend.ts";
import type { Rpc } from "../p2p/rpc.ts";
import type { Account } from "./account.ts";
import type { ContributeParts, Contribution } from "./contribute.ts";
import type { ServedModel, Tell } from "./events.ts";
import type { Health } from "./health.ts";
import type { DataLock } from "./lock.ts";
import type { Joinable } from "./membership.ts";
import type { NodeCarbon } from "./open_carbon.ts";
import type { NodeEnergy } from "./open_energy.ts";
import type { OwnPower } from "./open_own_power.ts";
import type { TextBase } from "./open_text.ts";
import type { TextModels } from "../text/types.ts";
import type { NodePlan } from "./plan.ts";

/** A listening peer with its node of the DHT. Dispose to close all connections. */
export interface Network extends Joinable, AsyncDisposable {
  readonly rpc: Rpc;
  readonly dht: Dht;
  /** Full multiaddrs with `/p2p/`. */
  addresses(): readonly string[];
  readonly reachability: StatusDocument["reachability"];
  /** Peers that are connected or in the routing table. */
  knownPeers(): Promise<readonly Omit<PeerDocument, "rttMs">[]>;
  /** Asks peers again and again whether they get through; `joined` resolves when joining was tried. */
  keepReachability(joined: Promise<void>): AsyncDisposable;
  /** A table of the state file, which is written now and then. */
  table(name: string): Table;
}

/** What the rest of the node knows that the policy asks for. */
export type ContributionNeeds = Pick<ContributeParts, "health" | "table" | "servedBytes" | "gramsPerKwh">;

/** What serving takes from the rest of the node. */
export interface ServingContext {
  readonly world: World;
  readonly plan: NodePlan;
  readonly network: Network;
  readonly health: Health;
  readonly account: Account;
  /** Whether work is taken now. */
  readonly contribution: Contribution;
  readonly tell: Tell;
  /** Resolves when the first try to join has ended. */
  readonly joined: Promise<void>;
  /** Ends the node's own answers when it stops: blocks that they use are freed after it. */
  readonly lastAnswers?: () => Promise<void>;
}

/** Blocks on their way to being served, or served. Dispose to announce OFFLINE, end streams and leave. */
export interface Serving extends AsyncDisposable {
  /** `undefined` until model and blocks are chosen. */
  readonly served: ServedModel | undefined;
  /** `undefined` until model and blocks are chosen. */
  status(): ServingStatus | undefined;
  /** Unix ms of the last announcement; `undefined` before the first. */
  readonly announcedAtMs: number | undefined;
  /** The model, once it is open; rejects where it never will be. */
  readonly base: Promise<TextBase>;
  /** The blocks, while they are loaded. */
  readonly loaded: LoadedBlocks | undefined;
  /** Rejects when blocks can never be served. Never resolves. */
  readonly failed: Promise<never>;
}

/** A model to ask. Dispose to let go of it. */
export interface Asking extends AsyncDisposable {
  /** The model, once it is open; rejects where it never will be. */
  readonly base: Promise<TextBase>;
  /** All its blocks, while they are loaded here. */
  readonly loaded: LoadedBlocks | undefined;
  /** Rejects when the model can never be asked. Never resolves. */
  readonly failed: Promise<never>;
}

/** What the API shows of a node. */
export interface NodeShown {
  readonly status: () => StatusDocument;
  readonly energy: () => EnergyDocument;
  readonly metrics: () => MetricsInput;
  readonly carbonAware: CarbonAwareSource;
  readonly swarm: SwarmSource;
  /** Models that answer. */
  readonly text: TextModels;
  /** The owner asks for quiet until then, Unix ms; a time that has passed ends it. */
  readonly pause: (untilMs: number) => void;
  /** This peer asks for the owner. */
  readonly own: (peerId: PeerId) => void;
}

/** The listening API, and the key by which verbs on this machine ask it where keys are wanted. */
export interface NodeApi extends ApiServer {
  readonly ownKey?: string | undefined;
}

/** Openers of every part, in the order in which they are called. */
export interface NodeParts {
  openLock(world: World, plan: NodePlan): Promise<DataLock>;
  openNetwork(world: World, plan: NodePlan): Promise<Network>;
  /** Carbon of the grid and the books of energy. */
  openCarbon(world: World, plan: NodePlan, table: Table): Promise<NodeCarbon>;
  openOwnPower(world: World, plan: NodePlan, nodeWatts: () => number | undefined): Promise<OwnPower>;
  openEnergy(world: World, plan: NodePlan): NodeEnergy;
  openContribution(world: World, plan: NodePlan, parts: ContributionNeeds): Contribution;
  openApi(world: World, plan: NodePlan, shown: NodeShown): NodeApi;
  openServing(context: ServingContext): Serving;
  /** A model to ask without serving it. */
  openAsking(context: ServingContext): Asking;
}
