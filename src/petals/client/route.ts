/**
 * Which servers to ask for which blocks. Pure: the caller brings what was announced and measured.
 *
 * @module
 */
import type { BlockRange, PeerId } from "../../base/tensor.ts";

/** What routing needs to know of a server. */
export interface RouteServer {
  readonly peerId: PeerId;
  /** Blocks it announces. */
  readonly range: BlockRange;
  /** Blocks a second in single steps; unset or not above 0 counts as {@linkcode DEFAULT_BLOCKS_PER_SECOND}. */
  readonly inferenceRps?: number | undefined;
  /** Room for keys and values of that many tokens, both counted, over all its blocks; unset = enough. */
  readonly cacheTokensLeft?: number | undefined;
  /** Its own round trips to the servers that may follow, seconds. */
  readonly nextPings?: ReadonlyMap<PeerId, number> | undefined;
}

/** What the caller adds to the announced facts. */
export interface RouteOptions<S extends RouteServer> {
  /** Measured round trip from here, milliseconds; `undefined` = never measured. */
  readonly rttMs?: (peer: PeerId) => number | undefined;
  /** Positions the session will need at most. */
  readonly maxLength?: number;
  /** Extra seconds of choosing a server: trust, residency. `Infinity` = never. */
  readonly extraSeconds?: (server: S) => number;
}

/** One leg of a route: these blocks at that server. */
export interface RouteStop<S extends RouteServer> {
  readonly server: S;
  readonly blocks: BlockRange;
}

/** The cheapest chain, or the blocks that no server covers. */
export type Route<S extends RouteServer> =
  | { readonly found: true; readonly stops: readonly RouteStop<S>[]; readonly seconds: number }
  | { readonly found: false; readonly missing: readonly BlockRange[] };

// Figures of petals 2.2 (client/routing/sequence_manager.py, "min_latency").
const DEFAULT_BLOCKS_PER_SECOND = 300;
const DEFAULT_ONE_WAY_SECONDS = 0.15;
const MAX_ONE_WAY_SECONDS = 5;
const OVERHEAD_SECONDS = 0.018;
const NO_CACHE_SECONDS = 10;
/** Servers weighed for one block, nearest and fastest first: anyone may announce any number. */
const MAX_SERVERS_PER_BLOCK = 128;

/**
 * The chain over blocks `range` with the least expected time of one step: Dijkstra's shortest path over (server, block).
 * Blocks come in order, so the graph has no cycles and one pass from the first block to the last settles it.
 * Unlike Petals, a server may be left before its last block where that is cheaper. Equal costs go to the lower peer id.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const servers = [{ peerId: "A", range: { start: 0, end: 4 } }, { peerId: "B", range: { start: 4, end: 8 } }];
 * const route = findRoute(servers, { start: 0, end: 8 });
 * assertEquals(route.found && route.stops.map((stop) => stop.server.peerId), ["A", "B"]);
 * assertEquals(findRoute(servers, { start: 0, end: 9 }), { found: false, missing: [{ start: 8, end: 9 }] });
 * ```
 */
export function findRoute<S extends RouteServer>(
  servers: readonly S[],
  range: BlockRange,
  options: RouteOptions<S> = {},
): Route<S> {
  const usable = servers
    .map((server) => ({ server, extra: options.extraSeconds?.(server) ?? 0 }))
    .filter(({ extra }) => extra < Infinity)
    .sort((a, b) => compareServers(a.server, b.server));
  const missing = uncovered(usable.map(({ server }) => server.range), range);
  if (missing.length > 0) return { found: false, missing };

  const entries = usable.map(({ server, extra }) => ({
    server,
    computing: secondsPerBlock(server),
    oneWay: oneWaySeconds(options.rttMs?.(server.peerId), 1000),
    entering: OVERHEAD_SECONDS + extra + (hasRoom(server, options.maxLength) ? 0 : NO_CACHE_SECONDS),
  }));
  /** `settled[i]`: how block `range.start + i` is best computed at each server. */
  const settled: Settled<S>[][] = [];
  for (let block = range.start; block < range.end; block++) {
    const before = settled.at(-1);
    settled.push(candidates(entries, block).map((entry) => settle(entry, before)));
  }
  return walkBack(settled, range);
}

interface Entry<S extends RouteServer> {
  readonly server: S;
  readonly computing: number;
  readonly oneWay: number;
  readonly entering: number;
}

/** The least seconds until a block is computed at one server, and where the block before was. */
interface Settled<S extends RouteServer> {
  readonly at: Entry<S>;
  readonly seconds: number;
  readonly from: Settled<S> | undefined;
}

function candidates<S extends RouteServer>(entries: readonly Entry<S>[], block: number): readonly Entry<S>[] {
  const serving = entries.filter(({ server: { range } }) => block >= range.start && block < range.end);
  if (serving.length <= MAX_SERVERS_PER_BLOCK) return serving;
  const weight = ({ entering, oneWay, computing }: Entry<S>) => entering + oneWay + computing;
  return serving.sort((a, b) => weight(a) - weight(b)).slice(0, MAX_SERVERS_PER_BLOCK);
}

function settle<S extends RouteServer>(
  at: Entry<S>,
  before: readonly Settled<S>[] | undefined,
): Settled<S> {
  const { server, entering, computing } = at;
  if (before === undefined) return { at, seconds: at.oneWay + entering + computing, from: undefined };
  let from = before.find((done) => done.at === at);
  let arrival = from?.seconds ?? Infinity;
  for (const done of before) {
    if (done.at === at) continue;
    const hop = oneWaySeconds(done.at.server.nextPings?.get(server.peerId), 1);
    if (done.seconds + hop + entering >= arrival) continue;
    arrival = done.seconds + hop + entering;
    from = done;
  }
  return { at, seconds: arrival + computing, from };
}

function walkBack<S extends RouteServer>(
  settled: readonly (readonly Settled<S>[])[],
  range: BlockRange,
): Route<S> {
  let seconds = settled.length === 0 ? 0 : Infinity;
  let last: Settled<S> | undefined;
  for (const done of settled.at(-1) ?? []) {
    if (done.seconds + done.at.oneWay >= seconds) continue;
    seconds = done.seconds + done.at.oneWay;
    last = done;
  }
  const stops: RouteStop<S>[] = [];
  let { end } = range;
  for (let block = range.end - 1; last !== undefined; block--) {
    if (last.from?.at !== last.at) {
      stops.unshift({ server: last.at.server, blocks: { start: block, end } });
      end = block;
    }
    last = last.from;
  }
  return { found: true, stops, seconds };
}

/** Parts of `range` that lie in none of `covers`, in order. */
export function uncovered(covers: readonly BlockRange[], range: BlockRange): readonly BlockRange[] {
  const missing: BlockRange[] = [];
  for (let block = range.start; block < range.end; block++) {
    if (covers.some((cover) => block >= cover.start && block < cover.end)) continue;
    const last = missing.at(-1);
    if (last?.end === block) missing[missing.length - 1] = { start: last.start, end: block + 1 };
    else missing.push({ start: block, end: block + 1 });
  }
  return missing;
}

/** `perSecond` = units of `rtt` in a second. */
function oneWaySeconds(rtt: number | undefined, perSecond: number): number {
  if (rtt === undefined || Number.isNaN(rtt) || rtt < 0) return DEFAULT_ONE_WAY_SECONDS;
  return Math.min(rtt / perSecond / 2, MAX_ONE_WAY_SECONDS);
}

function secondsPerBlock({ inferenceRps }: RouteServer): number {
  return 1 / (inferenceRps !== undefined && inferenceRps > 0 ? inferenceRps : DEFAULT_BLOCKS_PER_SECOND);
}

/** Keys and values of every announced block count, as in Petals: a part of the span may be asked for later. */
function hasRoom({ range, cacheTokensLeft }: RouteServer, maxLength: number | undefined): boolean {
  if (maxLength === undefined || cacheTokensLeft === undefined) return true;
  return 2 * (range.end - range.start) * maxLength <= cacheTokensLeft;
}

function compareServers(a: RouteServer, b: RouteServer): number {
  if (a.peerId !== b.peerId) return a.peerId < b.peerId ? -1 : 1;
  return a.range.start - b.range.start || a.range.end - b.range.end;
}
