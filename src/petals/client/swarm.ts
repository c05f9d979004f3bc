/**
 * What all sessions of a model share: who serves it, who failed, how to reach them.
 *
 * @module
 */
import type { BlockRange, PeerId } from "../../base/tensor.ts";
import { containsRange } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { KvCache, LoadedBlocks } from "../../compute/backend.ts";
import type { Dht } from "../../dht/dht.ts";
import type { Rpc } from "../../p2p/rpc.ts";
import type { SessionEnergy } from "../report.ts";
import { knowsRewinding } from "../version.ts";
import type { SwarmServer } from "./announced.ts";
import { Bans } from "./bans.ts";
import { Directory, type DirectoryOptions } from "./directory.ts";
import type { OpenHopAt } from "./hop.ts";
import { openLocalHop } from "./local_hop.ts";
import { Patience } from "./patience.ts";
import { Pings } from "./pings.ts";
import { SpotChecks } from "./spot_check.ts";
import { openRemoteHop } from "./remote_hop.ts";

/** Sessions of this client that are kept for later and used by nobody now. */
export interface KeptSessions {
  /** Ends them, and none is kept until what it resolves with is disposed. */
  giveRoom(): Promise<Disposable>;
}

const NOTHING_KEPT: KeptSessions = { giveRoom: () => Promise.resolve({ [Symbol.dispose]: () => {} }) };

/** The servers of one model as a client sees them. Nothing is running: there is nothing to close. */
export interface Swarm {
  readonly directory: Directory;
  /** Those that may be asked, of those that announce themselves: this node too while it tells others that it is away. */
  readonly usable: (announced: readonly SwarmServer[]) => readonly SwarmServer[];
  readonly bans: Bans;
  readonly openHop: OpenHopAt;
  readonly pings: Pings;
  readonly patience: Patience;
  /** Whether a server forgets positions when asked to. */
  readonly canRewind: (server: SwarmServer) => boolean;
  /** Extra seconds of choosing a server; `Infinity` = never. */
  readonly extraSeconds: (server: SwarmServer) => number;
  /** Whether a peer is this node. */
  readonly isHere: (peer: PeerId) => boolean;
  /** Blocks that are in this process, or were until its engine died: then they come back. */
  readonly ownRange: () => BlockRange | undefined;
  readonly checks: SpotChecks;
  /** They go first where a server has no room, since they may be what fills it. */
  readonly kept: KeptSessions;
}

/** Ways to the swarm, and which model. */
export interface SwarmOptions extends DirectoryOptions {
  readonly rpc: Rpc;
  readonly dht: Dht;
  /**
   * Blocks of the model in this process: used without the network, announced or not. Read at each use, so it may be a
   * getter.
   */
  readonly local?: LoadedBlocks | undefined;
  /** Servers that take this client's work though they do not announce it. */
  readonly also?: readonly SwarmServer[] | undefined;
  /** What the steps over a cache of `local` cost so far. */
  readonly localEnergy?: (cache: KvCache) => SessionEnergy | undefined;
  /** Seconds that choosing a server costs beyond time: trust, residency. `Infinity` = never. */
  readonly extraSeconds?: (server: SwarmServer) => number;
  /** Sessions that may be ended where a server has no room. */
  readonly kept?: KeptSessions;
  /** Share of steps that a second server computes too, 0 to 1; none without it. */
  readonly spotCheckShare?: number;
}

/** The client's view of a model's servers. Share it between sessions. */
export function swarmOf(world: World, options: SwarmOptions): Swarm {
  const { rpc, dht, prefix } = options;
  const isHere = (peer: PeerId) => peer === rpc.self;
  let ownRange: BlockRange | undefined;
  // blocks come and go while the node runs
  const held = () => {
    const { local } = options;
    ownRange = local?.range ?? ownRange;
    return local;
  };
  const holds = (blocks: BlockRange) => {
    const local = held();
    return local !== undefined && containsRange(local.range, blocks);
  };
  const pings = new Pings(world, rpc);
  const swarm: Swarm = {
    isHere,
    ownRange: () => {
      held();
      return ownRange;
    },
    usable: (announced) => {
      const local = held();
      const { also = [] } = options;
      // what this node tells others, such as that it takes a rest, is nothing to itself
      const isKnown = announced.some(({ peerId, range }) => isHere(peerId) && holds(range));
      const own = local === undefined || isKnown ? [] : [unannounced(rpc.self, local)];
      const more = [...own, ...also.filter(({ peerId }) => !announced.some((one) => one.peerId === peerId))];
      return [...announced.filter((one) => !more.some(({ peerId }) => peerId === one.peerId)), ...more];
    },
    checks: new SpotChecks(world, options.spotCheckShare ?? 0, () => swarm),
    directory: new Directory(world, dht, options),
    bans: new Bans(world.clock),
    openHop: ({ peerId, info }, blocks, size, signal) => {
      const local = held();
      if (isHere(peerId) && local !== undefined) {
        const energyOf = options.localEnergy;
        return openLocalHop({ self: peerId, loaded: local, blocks, energyOf }, size, signal);
      }
      const span = { peerId, prefix, blocks, torchDtype: info.torchDtype, asksForEnergy: true };
      return openRemoteHop(world, rpc, { span, size }, signal);
    },
    pings,
    kept: options.kept ?? NOTHING_KEPT,
    patience: new Patience(world, (peer, signal) => pings.isThere(peer, signal)),
    canRewind: ({ peerId, info }) => isHere(peerId) || knowsRewinding(info.version),
    extraSeconds: (server) => {
      // nobody can dial itself: own records count only as far as the blocks are at hand
      if (isHere(server.peerId) && !holds(server.range)) return Infinity;
      return options.extraSeconds?.(server) ?? 0;
    },
  };
  return swarm;
}

/** Blocks of this process, as the record of a server that nobody else can read. */
const unannounced = (peerId: PeerId, { range, dtype }: LoadedBlocks): SwarmServer => ({
  peerId,
  range,
  info: { state: "online", throughput: 0, adapters: [], torchDtype: dtype },
  expiresAtMs: Infinity,
});
