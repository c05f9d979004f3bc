/**
 * The swarm as this node sees it, read from the DHT when somebody asks.
 *
 * @module
 */
import type {
  ServerProfile,
  SwarmDocument,
  SwarmModelDocument,
  SwarmServerDocument,
  SwarmSource,
} from "../api/swarm.ts";
import { openDeadline } from "../base/deadline.ts";
import { Lane } from "../base/lane.ts";
import { type BlockRange, lengthOf, type PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { NetworkName } from "../config/network_profile.ts";
import type { Dht } from "../dht/dht.ts";
import type { Rpc } from "../p2p/rpc.ts";
import { Directory, readModels, type SwarmView } from "../petals/client/directory.ts";
import type { SwarmServer } from "../petals/client/announced.ts";
import { Pings } from "../petals/client/pings.ts";
import { isThisProgram } from "../petals/version.ts";
import type { Network } from "./parts.ts";

/** Age up to which what was read is told again. */
const VIEW_AGE_MS = 30_000;
/** Longest read. */
const READ_MS = 20_000;
/** Models read; anyone may announce one. */
const MAX_MODELS = 64;
/** Keys read over all models: each block has one. */
const MAX_KEYS = 4096;
/** Servers told of one model. */
const MAX_SERVERS = 2048;

/** What the view is made of. */
export interface SwarmViewParts {
  readonly rpc: Rpc;
  readonly dht: Dht;
  readonly network: NetworkName;
  /** The model that this node serves or asks, which need not be announced. */
  readonly own: () => { readonly prefix: string; readonly blocks: number } | undefined;
}

/** What the API tells of the swarm. */
export function swarmSource(
  world: World,
  name: NetworkName,
  network: Pick<Network, "rpc" | "dht" | "knownPeers">,
  own: SwarmViewParts["own"],
): SwarmSource {
  const { rpc, dht } = network;
  const views = new SwarmViews(world, { rpc, dht, network: name, own });
  return {
    swarm: (signal) => views.read(signal),
    peers: async () => ({
      schema: 1,
      self: rpc.self,
      peers: (await network.knownPeers()).map((peer) => ({ ...peer, rttMs: views.rttMs(peer.peerId) })),
    }),
  };
}

/** Reads the swarm; callers that come at the same time share one read. */
export class SwarmViews {
  readonly #world: World;
  readonly #parts: SwarmViewParts;
  readonly #pings: Pings;
  readonly #reads = new Lane();
  readonly #directories = new Map<string, Directory>();
  #known: { readonly document: SwarmDocument; readonly atMs: number } | undefined;

  constructor(world: World, parts: SwarmViewParts) {
    this.#world = world;
    this.#parts = parts;
    this.#pings = new Pings(world, parts.rpc);
  }

  /** The swarm, at most half a minute old. Throws what the DHT throws, `timeout`, and the reason of `signal`. */
  async read(signal: AbortSignal): Promise<SwarmDocument> {
    const isYoung = () =>
      this.#known !== undefined && this.#world.clock.monotonic() - this.#known.atMs < VIEW_AGE_MS;
    if (isYoung()) return this.#known!.document;
    return await this.#reads.run(async () => {
      if (!isYoung()) {
        using deadline = openDeadline(this.#world.clock, READ_MS, "read the swarm", signal);
        const document = await this.#read(deadline.signal);
        this.#known = { document, atMs: this.#world.clock.monotonic() };
      }
      return this.#known!.document;
    }, signal);
  }

  /** Milliseconds to a peer; null where it was not measured, or gave no answer. */
  rttMs(peer: PeerId): number | null {
    const rtt = this.#pings.rttMs(peer);
    return rtt === undefined || rtt === Infinity ? null : Math.round(10 * rtt) / 10;
  }

  async #read(signal: AbortSignal): Promise<SwarmDocument> {
    const { rpc, dht, network, own } = this.#parts;
    const found = await readModels(dht, signal);
    const mine = own();
    const models = new Map<string, { readonly blocks: number; readonly repository?: string | undefined }>(
      mine === undefined ? [] : [[mine.prefix, { blocks: mine.blocks }]],
    );
    let keys = mine?.blocks ?? 0;
    for (const [prefix, model] of found) {
      const isMine = prefix === mine?.prefix;
      if (!isMine && (models.size >= MAX_MODELS || keys + model.blocks > MAX_KEYS)) continue;
      if (!isMine) keys += model.blocks;
      models.set(prefix, isMine ? { ...model, blocks: mine!.blocks } : model);
    }
    for (const prefix of this.#directories.keys()) if (!models.has(prefix)) this.#directories.delete(prefix);
    const views = await Promise.all([...models].map(async ([prefix, { blocks, repository }]) => {
      const view = await this.#directoryOf(prefix, blocks).view(0, signal);
      return { prefix, blocks, repository, view };
    }));
    const servers = views.flatMap(({ view }) => view.servers.map(({ peerId }) => peerId));
    await this.#pings.measure(servers, signal, VIEW_AGE_MS);
    return {
      schema: 1,
      network,
      self: rpc.self,
      readAt: Math.round(this.#world.clock.now()),
      models: views.map(({ prefix, blocks, repository, view }): SwarmModelDocument => ({
        prefix,
        repository: repository ?? null,
        blocks,
        ...this.#coverageOf(view, blocks),
        servers: this.#serversOf(view),
      })).filter(({ prefix, servers }) => servers.length > 0 || prefix === mine?.prefix),
    };
  }

  /** Who was asked and gave no answer serves nobody; who was not asked yet may. */
  #coverageOf({ servers }: SwarmView, blocks: number) {
    const { away = [], there = [] } = Object.groupBy(
      servers,
      ({ peerId }) => this.#pings.rttMs(peerId) === Infinity ? "away" : "there",
    );
    return coverageOf(there.map(({ range }) => range), away.map(({ range }) => range), blocks);
  }

  #directoryOf(prefix: string, blocks: number): Directory {
    const known = this.#directories.get(prefix);
    if (known?.blocks === blocks) return known;
    const directory = new Directory(this.#world, this.#parts.dht, { prefix, blocks });
    this.#directories.set(prefix, directory);
    return directory;
  }

  #serversOf({ servers, joining }: SwarmView): SwarmServerDocument[] {
    return [
      ...servers.map((server) => this.#serverOf(server, "online")),
      ...joining.map((server) => this.#serverOf(server, "joining")),
    ].slice(0, MAX_SERVERS);
  }

  #serverOf({ peerId, range, info, expiresAtMs }: SwarmServer, state: "online" | "joining") {
    const rtt = this.#pings.rttMs(peerId);
    return {
      peerId,
      name: info.publicName ?? null,
      version: info.version ?? null,
      profile: profileOf(info.version),
      state,
      blocks: [range.start, range.end] as const,
      throughput: info.throughput,
      inferenceRps: info.inferenceRps ?? null,
      cacheTokensLeft: info.cacheTokensLeft ?? null,
      dtype: info.torchDtype ?? null,
      quantisation: info.quantType ?? null,
      usingRelay: info.usingRelay ?? null,
      expiresAt: Math.round(expiresAtMs),
      reachable: rtt === undefined ? null : rtt !== Infinity,
      rttMs: this.rttMs(peerId),
      self: peerId === this.#parts.rpc.self,
      pledge: null,
    };
  }
}

/**
 * How many of `ranges` hold each block, the runs that none holds, and those of them that ranges of `away` hold.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const there = [{ start: 0, end: 2 }, { start: 1, end: 3 }];
 * const { coverage, missing, silent } = coverageOf(there, [{ start: 2, end: 4 }], 5);
 * assertEquals([coverage, missing, silent], [[1, 2, 1, 0, 0], [[3, 5]], [[3, 4]]]);
 * ```
 */
export function coverageOf(
  ranges: readonly BlockRange[],
  away: readonly BlockRange[],
  blocks: number,
): Pick<SwarmModelDocument, "coverage" | "missing" | "silent"> {
  const coverage = countsOf(ranges, blocks);
  const announced = countsOf(away, blocks);
  return {
    coverage,
    missing: runsWhere(coverage, (servers) => servers === 0),
    silent: runsWhere(coverage, (servers, block) => servers === 0 && announced[block]! > 0),
  };
}

/** How many of `ranges` hold each block. */
function countsOf(ranges: readonly BlockRange[], blocks: number): readonly number[] {
  const counts = new Array<number>(blocks).fill(0);
  for (const range of ranges) {
    if (lengthOf(range) <= 0) continue;
    for (let block = Math.max(0, range.start); block < Math.min(blocks, range.end); block++) {
      counts[block]!++;
    }
  }
  return counts;
}

/** The half-open runs of blocks that `holds` is true of. */
function runsWhere(
  counts: readonly number[],
  holds: (servers: number, block: number) => boolean,
): SwarmModelDocument["missing"] {
  const runs: [number, number][] = [];
  counts.forEach((servers, block) => {
    if (!holds(servers, block)) return;
    const last = runs.at(-1);
    if (last?.[1] === block) last[1]++;
    else runs.push([block, block + 1]);
  });
  return runs;
}

/** What kind of program announces such a version. Petals' own are `2.2.0.post1` and the like. */
export function profileOf(version: string | undefined): ServerProfile {
  if (isThisProgram(version)) return "kwaainet";
  return /^[12]\.\d+\.\d+(?:\.?(?:post|dev|rc)\d*)?$/.test(version ?? "") ? "petals" : "other";
}
