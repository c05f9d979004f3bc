/**
 * The swarm as a stranger finds it: a peer of its own, which meets the bootstraps and asks them what time it is, who they
 * are and where they see us come from.
 *
 * @module
 */
import { openDeadline } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import { skewOf } from "../dht/clock_rule.ts";
import { dhtIdOfPeer } from "../dht/id.ts";
import { DhtProtocol } from "../dht/protocol.ts";
import { createIdentity } from "../identity/keys.ts";
import { type Host, openHost } from "../p2p/host.ts";
import { CHECK_METHOD } from "../petals/server/reachability.ts";
import { peerOf } from "./peer_address.ts";

/** Longest wait for a connection: half of what a node waits. */
const DIAL_MS = 5_000;
/** Longest wait for an answer of a peer that is connected. */
const ANSWER_MS = 3_000;
/** Peers asked besides the bootstraps. */
const MAX_OTHERS = 5;

/** Why a peer could not be spoken to. */
export type AwayKind = "refused" | "no_route" | "no_name" | "silent" | "other_peer" | "no_dht" | "failed";

/** What became of one peer. */
export interface ProbedPeer {
  readonly peer: PeerId;
  /** As it was named; absent for one that was found through others. */
  readonly address?: string;
  /** Absent for one that answers. */
  readonly away?: { readonly kind: AwayKind; readonly why: string };
  /** Seconds that its clock is ahead of ours; absent where it told no time. */
  readonly skewSeconds?: number;
  /** Multiaddr from which it saw us come. */
  readonly observed?: string;
  /** Whether it says that it can check whether others can be reached. */
  readonly checks: boolean;
}

/** What is looked for. */
export interface ProbeOptions {
  /** Multiaddrs with `/p2p/`. */
  readonly bootstraps: readonly string[];
  /** The running node of this machine: its neighbours are asked too. */
  readonly own?: { readonly peer: PeerId; readonly addresses: readonly string[] };
  readonly version: string;
}

/** A visit to the swarm. Dispose to leave. */
export interface SwarmProbe extends AsyncDisposable {
  readonly options: ProbeOptions;
  /** In the order of the bootstraps. */
  readonly bootstraps: readonly ProbedPeer[];
  /** Some neighbours of the running node. */
  readonly others: readonly ProbedPeer[];
  readonly host: Host;
}

/** Meets all bootstraps, and some neighbours of the running node. Takes at most some 15 s; throws the reason of `signal`. */
export async function openSwarmProbe(
  world: World,
  options: ProbeOptions,
  signal: AbortSignal,
): Promise<SwarmProbe> {
  await using rooms = new AsyncDisposableStack();
  const identity = await createIdentity();
  const agent = `kwaainet-doctor/${options.version}`;
  const host = rooms.use(await openHost(world, { identity, listen: [], agent, dialMs: DIAL_MS }));
  const self = { id: await dhtIdOfPeer(host.self), peer: host.self };
  const log = world.log.child("dht");
  const dht = rooms.use(new DhtProtocol({ clock: world.clock, log }, host, self, { clientMode: true }));
  const visit: Visit = { world, host, dht };
  const named = [...new Set(options.bootstraps)].filter((address) => peerOf(address) !== options.own?.peer);
  const [bootstraps, others] = await Promise.all([
    Promise.all(named.map((address) => meet(visit, peerOf(address), address, signal))),
    meetOthers(visit, options, signal),
  ]);
  const open = rooms.move();
  return { options, bootstraps, others, host, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

interface Visit {
  readonly world: World;
  readonly host: Host;
  readonly dht: DhtProtocol;
}

async function meet(
  { world, host, dht }: Visit,
  peer: PeerId,
  address: string | undefined,
  signal: AbortSignal,
): Promise<ProbedPeer> {
  const about = { peer, ...(address === undefined ? {} : { address }) };
  const away = (kind: AwayKind, error: unknown): ProbedPeer => {
    signal.throwIfAborted();
    return {
      ...about,
      checks: false,
      away: { kind, why: reasonsOf(error)[0]!.replace(/^Cannot connect to \S+: /, "") },
    };
  };
  try {
    if (address !== undefined) await host.dial(address, signal);
  } catch (error) {
    return away(awayKindOf(reasonsOf(error).join("; ")), error);
  }
  try {
    const { clock } = await dht.ping(peer, false, signal);
    const told = await introductionOf({ world, host, dht }, peer, signal);
    return {
      ...about,
      ...(clock.theirs === 0 ? {} : { skewSeconds: skewOf(clock) }),
      ...(told?.observed === undefined ? {} : { observed: told.observed }),
      checks: told?.protocols.includes(CHECK_METHOD) ?? false,
    };
  } catch (error) {
    return away("no_dht", error);
  }
}

/** A peer that does not introduce itself is asked without. */
async function introductionOf({ world, host }: Visit, peer: PeerId, signal: AbortSignal) {
  using late = openDeadline(world.clock, ANSWER_MS, `ask ${peer} who it is`, signal);
  try {
    return await host.introduction(peer, late.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof NodeError)) throw error;
    return undefined;
  }
}

async function meetOthers(
  visit: Visit,
  { own, bootstraps }: ProbeOptions,
  signal: AbortSignal,
): Promise<ProbedPeer[]> {
  if (own === undefined) return [];
  const named = new Set([own.peer, visit.host.self, ...bootstraps.map(peerOf)]);
  try {
    await Promise.any(own.addresses.map((address) => visit.host.dial(address, signal)));
    const answer = await visit.dht.find(own.peer, [visit.dht.table.self.id], signal);
    const found = [...answer.found.values()].flatMap(({ nearest }) => nearest.map(({ peer }) => peer));
    const others = found.filter((peer) => !named.has(peer)).slice(0, MAX_OTHERS);
    const met = await Promise.all(others.map((peer) => meet(visit, peer, undefined, signal)));
    return met.filter(({ away }) => away === undefined);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NodeError || error instanceof AggregateError) return []; // the node's own check says so
    throw error;
  }
}

/** Messages of an error and of all that caused it, the first one for people. */
function reasonsOf(error: unknown, depth = 0): string[] {
  if (depth > 5) return [];
  const inner = error instanceof AggregateError ? error.errors : [];
  const cause = error instanceof Error && error.cause !== undefined ? [error.cause] : [];
  return [messageOf(error), ...[...inner, ...cause].flatMap((each) => reasonsOf(each, depth + 1))];
}

/** Node's and Deno's words, and libp2p's. */
const WORDS: readonly (readonly [AwayKind, RegExp])[] = [
  ["other_peer", /UnexpectedPeer|does not match expected|Payload identity key/i],
  ["no_name", /ENOTFOUND|EAI_AGAIN|failed to lookup|no valid addresses/i],
  ["no_route", /ENETUNREACH|EHOSTUNREACH|unreachable \(os error|No route to host/i],
  ["refused", /ECONNREFUSED|Connection refused|ECONNRESET|Connection reset/i],
  ["silent", /does not answer|no answer within|ETIMEDOUT|timed out|TimeoutError/i],
];

/** Which kind of absence the words of a failed dial tell of. */
export const awayKindOf = (words: string): AwayKind =>
  WORDS.find(([, pattern]) => pattern.test(words))?.[0] ?? "failed";
