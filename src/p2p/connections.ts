/**
 * Other peers: connections to them, and what is known of them.
 *
 * @module
 */
import type { Connection, IdentifyResult, Libp2p } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { multiaddr } from "@multiformats/multiaddr";
import { openDeadline, orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import { ASK_AGAIN_MS, TABLES_FILL_MS } from "./constants.ts";
import { dialError, DialFailures, unreachable } from "./dial_failure.ts";

/** What a peer says of itself and of us when it is asked (libp2p's identify). None of it is proven. */
export interface Introduction {
  readonly agent: string;
  /** Where it says that it listens, without `/p2p/`. */
  readonly addresses: readonly string[];
  /** Where it saw us come from. */
  readonly observed: string | undefined;
  readonly protocols: readonly string[];
}

/** A peer that is known here. */
export interface Neighbour {
  readonly peerId: PeerId;
  readonly connected: boolean;
  /** Without `/p2p/`. */
  readonly addresses: readonly string[];
  /** Program, by its own words; null where it did not say. */
  readonly agent: string | null;
}

/** Most entries of a list in an introduction that are looked at. */
const MAX_INTRODUCED = 200;

/** Neighbours told at most. */
const MAX_NEIGHBOURS = 1000;

/** How libp2p says that no address of a peer was found. */
const UNKNOWN_PEER: ReadonlySet<string> = new Set(["NotFoundError", "NoValidAddressesError"]);

/** What dialling is done with. */
export interface ConnectionParts {
  readonly node: Libp2p;
  /** Longest wait for a connection. */
  readonly dialMs: number;
  /** Peers that are not called by themselves any more. */
  readonly left: Set<PeerId>;
  /** Aborts when no more is dialled. */
  readonly leaving: AbortSignal;
}

/** Connections of a host. */
export class Connections {
  readonly #world: World;
  readonly #parts: ConnectionParts;
  /** When the last connection was made. */
  #connectedAt = -Infinity;
  readonly #introduced = new WeakMap<Connection, Introduction>();
  /** Dials under way: callers of one peer share one. */
  readonly #dials = new Map<PeerId, Promise<Connection>>();
  readonly #failures = new DialFailures();

  constructor(world: World, parts: ConnectionParts) {
    this.#world = world;
    this.#parts = parts;
    const { node } = parts;
    node.addEventListener("connection:open", ({ detail }) => {
      this.#connectedAt = world.clock.monotonic();
      this.#failures.forget(detail.remotePeer.toString());
    });
    node.addEventListener(
      "peer:identify",
      ({ detail }) => this.#introduced.set(detail.connection, introductionOf(detail)),
    );
  }

  /** A connection that is open, one without limits before others. */
  open(peer: PeerId): Connection | undefined {
    const connections = this.#parts.node.getConnections(peerIdFromString(peer)).filter(({ status }) =>
      status === "open"
    );
    return connections.find(({ limits }) => limits === undefined) ?? connections[0];
  }

  /** Dials by id: addresses from the peer store, else from a kad lookup, both inside libp2p. */
  connect(peer: PeerId, signal: AbortSignal): Promise<Connection> {
    let dial = this.#dials.get(peer);
    if (dial === undefined) {
      dial = this.#dial(peer).finally(() => this.#dials.delete(peer));
      this.#dials.set(peer, dial);
      dial.catch(() => {});
    }
    return orAbort(dial, signal);
  }

  async #dial(peer: PeerId): Promise<Connection> {
    using late = openDeadline(
      this.#world.clock,
      this.#parts.dialMs,
      `connect to ${peer}`,
      this.#parts.leaving,
    );
    while (true) {
      try {
        return await this.#parts.node.dial(peerIdFromString(peer), { signal: late.signal });
      } catch (error) {
        if (!this.#mayBeKnownSoon(error) || late.signal.aborted) {
          throw this.#dialFailure(peer, error, late.signal);
        }
      }
      await this.#world.clock.sleep(ASK_AGAIN_MS, late.signal);
    }
  }

  /** Of a peer that nobody knows an address of, the one that was named may have been dialled in vain before. */
  #dialFailure(peer: PeerId, error: unknown, signal: AbortSignal): Error {
    const known = isUnknown(error) ? this.#failures.of(peer) : undefined;
    return known ?? dialError(peer, error, signal);
  }

  /** Whether nobody knew the peer, but our first neighbours have only just been met: identify and kad take a moment. */
  #mayBeKnownSoon(error: unknown): boolean {
    return isUnknown(error) && this.#world.clock.monotonic() - this.#connectedAt < TABLES_FILL_MS;
  }

  /** See `Host.dial`. */
  async dial(address: string, signal: AbortSignal): Promise<PeerId> {
    const target = parseAddress(address);
    this.#parts.left.delete(address.slice(address.lastIndexOf("/") + 1));
    using late = openDeadline(this.#world.clock, this.#parts.dialMs, `connect to ${address}`, signal);
    try {
      const connection = await orAbort(this.#parts.node.dial(target, { signal: late.signal }), late.signal);
      return connection.remotePeer.toString();
    } catch (error) {
      const failure = dialError(address, error, late.signal);
      this.#failures.keep(address, failure);
      throw failure;
    }
  }

  /** See `Host.knownPeers`. */
  async knownPeers(): Promise<readonly PeerId[]> {
    return (await this.#parts.node.peerStore.all()).filter((peer) => peer.addresses.length > 0).map((
      { id },
    ) => id.toString());
  }

  /** See `Host.neighbours`. */
  async neighbours(others: readonly PeerId[]): Promise<readonly Neighbour[]> {
    const connected = this.#parts.node.getPeers().map(String);
    const all = [...new Set([...connected, ...others])].slice(0, MAX_NEIGHBOURS);
    return await Promise.all(all.map(async (peerId) => {
      const connection = this.open(peerId);
      const introduced = connection === undefined ? undefined : this.#introduced.get(connection);
      const known = await this.#parts.node.peerStore.get(peerIdFromString(peerId)).catch(() => undefined);
      const addresses = known?.addresses.map(({ multiaddr }) => multiaddr.toString()) ?? [];
      const here = connection === undefined ? [] : [connection.remoteAddr.toString()];
      return {
        peerId,
        connected: connection !== undefined,
        addresses: [
          ...new Set([...addresses, ...here].map((address) => address.replace(/\/p2p\/[^/]+$/, ""))),
        ]
          .slice(0, MAX_INTRODUCED),
        agent: introduced?.agent || null,
      };
    }));
  }

  /** See `Host.introduction`. */
  async introduction(peer: PeerId, signal: AbortSignal): Promise<Introduction> {
    const connection = this.open(peer);
    if (connection === undefined) throw unreachable(peer, new Error("there is no connection"));
    const told = this.#introduced.get(connection);
    if (told !== undefined) return told;
    const coming = Promise.withResolvers<Introduction>();
    const listen = ({ detail }: CustomEvent<IdentifyResult>) => {
      if (detail.connection === connection) coming.resolve(introductionOf(detail));
    };
    this.#parts.node.addEventListener("peer:identify", listen);
    try {
      return await orAbort(coming.promise, signal);
    } finally {
      this.#parts.node.removeEventListener("peer:identify", listen);
    }
  }

  /** See `Host.locate`. */
  async locate(peer: PeerId, signal: AbortSignal): Promise<readonly string[]> {
    try {
      const find = this.#parts.node.peerRouting.findPeer(peerIdFromString(peer), { signal });
      const { multiaddrs } = await orAbort(find, signal);
      return multiaddrs.slice(0, MAX_INTRODUCED).map((address) =>
        address.toString().replace(/\/p2p\/[^/]+$/, "")
      );
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Error && (UNKNOWN_PEER.has(error.name) || error.name === "QueryAbortedError")) {
        return [];
      }
      throw unreachable(peer, error);
    }
  }

  /** See `Host.hangUp`. */
  async hangUp(peer: PeerId, signal: AbortSignal): Promise<void> {
    this.#parts.left.add(peer);
    await orAbort(this.#parts.node.hangUp(peerIdFromString(peer), { signal }), signal);
  }
}

const isUnknown = (error: unknown): boolean => error instanceof Error && UNKNOWN_PEER.has(error.name);

const introductionOf = (told: IdentifyResult): Introduction => ({
  agent: told.agentVersion ?? "",
  addresses: told.listenAddrs.slice(0, MAX_INTRODUCED).map(String),
  observed: told.observedAddr?.toString(),
  protocols: told.protocols.slice(0, MAX_INTRODUCED),
});

function parseAddress(address: string): ReturnType<typeof multiaddr> {
  try {
    const target = multiaddr(address);
    if (!/\/p2p\/[^/]+$/.test(target.toString())) throw new Error("it names no peer");
    return target;
  } catch (error) {
    throw new NodeError(
      "usage",
      `Cannot connect to ${JSON.stringify(address)}: ${
        messageOf(error)
      }, wanted a multiaddr such as /ip4/192.0.2.1/tcp/31337/p2p/Qm…`,
      { cause: error },
    );
  }
}
