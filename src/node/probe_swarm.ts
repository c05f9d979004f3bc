/**
 * The swarm as a stranger finds it: a peer of its own, which meets the bootstraps and asks them what time it is, who they
 * are and where they see us come from.
 *
 * @module
 */
import { openDeadline } from "../base/deadline.ts";
import { NodeError, wordsOf } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import { ipOf, kindOfAddress } from "../device/addresses.ts";
import { skewOf } from "../dht/clock_rule.ts";
import { dhtIdOfPeer } from "../dht/id.ts";
import { DhtProtocol } from "../dht/protocol.ts";
import { createIdentity } from "../identity/keys.ts";
import { type DialFailureKind, dialFailureOf } from "../p2p/dial_failure.ts";
import { type Host, openHost } from "../p2p/host.ts";
import { CHECK_METHOD } from "../petals/server/reachability.ts";
import { peerOf } from "./peer_address.ts";

/** Longest wait for a connection: half of what a node waits. */
const DIAL_MS = 5_000;
/** Longest wait for an answer of a peer that is connected. */
const ANSWER_MS = 3_000;
/** Peers asked besides the bootstraps. */
const MAX_OTHERS = 5;
/** Addresses of one of them that are tried: a machine says of itself where it lives, loopback included. */
const MAX_TRIED = 2;

/** Why a peer could not be spoken to. */
export type AwayKind = DialFailureKind | "no_dht";

/** What became of one peer. */
export interface ProbedPeer {
  readonly peer: PeerId;
  /** As it was named, or where it was met; absent for one that was called by its name alone. */
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

/** A node that runs here. */
export interface OwnNode {
  readonly peer: PeerId;
  /** With `/p2p/`. */
  readonly addresses: readonly string[];
  /** Peers it is connected to, with addresses without `/p2p/`; they are found by asking it where absent. */
  readonly neighbours?: readonly { readonly peerId: PeerId; readonly addresses: readonly string[] }[];
}

/** What is looked for. */
export interface ProbeOptions {
  /** Multiaddrs with `/p2p/`. */
  readonly bootstraps: readonly string[];
  /** The running node of this machine: its neighbours are asked too. */
  readonly own?: OwnNode;
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
  const away = (kind: AwayKind, why: string): ProbedPeer => {
    signal.throwIfAborted();
    return { ...about, checks: false, away: { kind, why } };
  };
  try {
    if (address !== undefined) await host.dial(address, signal);
  } catch (error) {
    const { kind, why } = dialFailureOf(address!, error);
    return away(kind, why);
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
    return away("no_dht", wordsOf(error));
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
  const places = new Map((own.neighbours ?? []).map(({ peerId, addresses }) => [peerId, addresses]));
  const found = [...places.keys(), ...await neighboursOf(visit, own, signal)];
  const others = [...new Set(found)].filter((peer) => !named.has(peer)).slice(0, MAX_OTHERS);
  const met = await Promise.all(
    others.map((peer) => meetAnywhere(visit, peer, places.get(peer) ?? [], signal)),
  );
  return met.filter(({ away }) => away === undefined);
}

/** Who stands in the running node's table; nobody where it does not answer, which its own check says. */
async function neighboursOf(
  { host, dht }: Visit,
  own: OwnNode,
  signal: AbortSignal,
): Promise<readonly PeerId[]> {
  try {
    await Promise.any(own.addresses.map((address) => host.dial(address, signal)));
    const { found } = await dht.find(own.peer, [dht.table.self.id], signal);
    return [...found.values()].flatMap(({ nearest }) => nearest.map(({ peer }) => peer));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NodeError || error instanceof AggregateError) return [];
    throw error;
  }
}

/** At one of its addresses, those beyond this machine first; else by its name, which the node's table finds. */
async function meetAnywhere(
  visit: Visit,
  peer: PeerId,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<ProbedPeer> {
  const isHere = (address: string) => Number(kindOfAddress(ipOf(address) ?? "") === "loopback");
  const sorted = addresses.toSorted((a, b) => isHere(a) - isHere(b));
  for (const address of sorted.slice(0, MAX_TRIED)) {
    const met = await meet(visit, peer, `${address}/p2p/${peer}`, signal);
    if (met.away === undefined) return met;
  }
  return await meet(visit, peer, undefined, signal);
}
