/**
 * The node on the network: the one file that puts libp2p together (js-libp2p 3.3.11; libp2p specifications).
 *
 * @module
 */
import { identify } from "@libp2p/identify";
import type {
  Connection,
  ConnectionGater,
  IdentifyResult,
  Libp2p,
  MultiaddrConnection,
  Stream,
} from "@libp2p/interface";
import { kadDHT, passthroughMapper } from "@libp2p/kad-dht";
import { peerIdFromString } from "@libp2p/peer-id";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import type { Datastore } from "interface-datastore";
import { createLibp2p } from "libp2p";
import { openDeadline, orAbort } from "../base/deadline.ts";
import { codeOf, messageOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { Identity } from "../identity/keys.ts";
import { memoryTable } from "../base/database.ts";
import { ConnectionUses, PendingByAddress } from "./admission.ts";
import { ByteBudget } from "./byte_budget.ts";
import type { Channel } from "./channel.ts";
import {
  ADDRESS_LIFE_MS,
  ASK_AGAIN_MS,
  CONNECTION_CHECK_MS,
  CROWDED,
  DIAL_MS,
  GOODBYE_MS,
  HANDSHAKE_MS,
  MAX_CONNECTIONS,
  MAX_HELD_BYTES,
  MAX_HELD_BYTES_PER_PEER,
  MAX_INBOUND_CALLS,
  MAX_INBOUND_CALLS_PER_PEER,
  MAX_NEW_CONNECTIONS_PER_HOST,
  MAX_PENDING_CONNECTIONS,
  MAX_PENDING_PER_ADDRESS,
  MAX_STREAMS_PER_PROTOCOL,
  READ_AHEAD_BYTES,
  STREAM_WINDOW_BYTES,
  TABLES_FILL_MS,
} from "./constants.ts";
import { datastoreOf } from "./datastore.ts";
import { InboundCalls, type Place } from "./inbound_calls.ts";
import { loggerOf } from "./libp2p_log.ts";
import { makeStreamCall, makeUnaryCall } from "./make_call.ts";
import type { Rpc, RpcStream, StreamHandler, UnaryHandler } from "./rpc.ts";
import { mendSockets, noise } from "./runtime.ts";
import { type Callee, serveStreamCall, serveUnaryCall } from "./serve_call.ts";
import { channelOf } from "./stream_channel.ts";

/** How a host is set up. */
export interface HostOptions {
  readonly identity: Identity;
  /** Multiaddrs to listen on; none for a client that only calls. */
  readonly listen: readonly string[];
  /** Multiaddrs told to others instead of those found. */
  readonly announce?: readonly string[];
  /** Told to peers by identify, such as `kwaainet/0.1.0`. */
  readonly agent: string;
  /** Keeps known peers over a restart; they are forgotten with the host where absent. */
  readonly datastore?: Datastore;
  /** Open connections at most; 200 where absent. */
  readonly maxConnections?: number;
  /** Longest wait for a connection; 10 s where absent. */
  readonly dialMs?: number;
}

/** What a peer says of itself and of us when it is asked (libp2p's identify). None of it is proven. */
export interface Introduction {
  readonly agent: string;
  /** Where it says that it listens, without `/p2p/`. */
  readonly addresses: readonly string[];
  /** Where it saw us come from. */
  readonly observed: string | undefined;
  readonly protocols: readonly string[];
}

/** Most entries of a list in an introduction that are looked at. */
const MAX_INTRODUCED = 200;

/** Neighbours told at most. */
const MAX_NEIGHBOURS = 1000;

/** A peer that is known here. */
export interface Neighbour {
  readonly peerId: PeerId;
  readonly connected: boolean;
  /** Without `/p2p/`. */
  readonly addresses: readonly string[];
  /** Program, by its own words; null where it did not say. */
  readonly agent: string | null;
}

/** A peer among peers. Dispose to say goodbye on every stream and close all connections. */
export interface Host extends Rpc, AsyncDisposable {
  /** Full multiaddrs with `/p2p/`. */
  addresses(): readonly string[];
  /** Connects to `address`, which names its peer. Throws `NodeError` `usage`, `unreachable`, `timeout`. */
  dial(address: string, signal: AbortSignal): Promise<PeerId>;
  /** Open connections. */
  connections(): number;
  /** Whether a connection to `peer` is open. */
  isConnected(peer: PeerId): boolean;
  /** Peers whose addresses are known, with or without a connection. */
  knownPeers(): Promise<readonly PeerId[]>;
  /** Peers with a connection, and `others`, with the addresses that are known of them. 1000 at most. */
  neighbours(others: readonly PeerId[]): Promise<readonly Neighbour[]>;
  /**
   * What a connected peer says of itself; libp2p asks once a connection. Waits for it until `signal` aborts. Throws `NodeError`
   * `unreachable` without a connection, or the reason of `signal`.
   */
  introduction(peer: PeerId, signal: AbortSignal): Promise<Introduction>;
  /** Addresses of `peer`, without `/p2p/`, that we or our neighbours know; none where nobody does. */
  locate(peer: PeerId, signal: AbortSignal): Promise<readonly string[]>;
  /** Closes all connections to `peer`, and opens none by itself (as libp2p's kad does) until it is dialled by address again. */
  hangUp(peer: PeerId, signal: AbortSignal): Promise<void>;
}

const STREAM_OPTIONS = {
  maxInboundStreams: MAX_STREAMS_PER_PROTOCOL,
  maxOutboundStreams: MAX_STREAMS_PER_PROTOCOL,
  runOnLimitedConnection: true,
};

/** Opens a host: it listens when this resolves. Throws `NodeError` `busy` for an address in use, `usage`. */
export async function openHost(world: World, options: HostOptions): Promise<Host> {
  mendSockets();
  const log = world.log.child("p2p");
  const left = new Set<PeerId>();
  let node: Libp2p;
  try {
    node = await createNode(world, options, left);
  } catch (error) {
    throw listenError(options.listen, error);
  }
  log.debug("Listening", { peer: node.peerId.toString(), addresses: node.getMultiaddrs().map(String) });
  return new Libp2pHost(world, node, options, left);
}

async function createNode(world: World, options: HostOptions, left: ReadonlySet<PeerId>): Promise<Libp2p> {
  const clientOnly = options.listen.length === 0;
  const kad = kadDHT({
    protocol: "/ipfs/kad/1.0.0",
    clientMode: clientOnly,
    // peers of private networks have private addresses, and they are to be told to others
    peerInfoMapper: passthroughMapper,
    allowQueryWithZeroPeers: true,
    initialQuerySelfInterval: 100,
  });
  const node = await createLibp2p({
    privateKey: options.identity.privateKey,
    addresses: { listen: [...options.listen], announce: [...options.announce ?? []] },
    nodeInfo: { userAgent: options.agent },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({
      // callers need not wait for our side of the handshake: hundreds of calls may come before it is done
      maxEarlyStreams: MAX_STREAMS_PER_PROTOCOL,
      streamOptions: {
        maxStreamWindowSize: STREAM_WINDOW_BYTES,
        maxReadBufferLength: STREAM_WINDOW_BYTES + READ_AHEAD_BYTES,
      },
    })],
    connectionManager: {
      maxConnections: options.maxConnections ?? MAX_CONNECTIONS,
      inboundConnectionThreshold: MAX_NEW_CONNECTIONS_PER_HOST,
      maxIncomingPendingConnections: MAX_PENDING_CONNECTIONS,
      inboundUpgradeTimeout: HANDSHAKE_MS,
    },
    connectionGater: { ...handshakeGater(), denyDialPeer: (peer) => left.has(peer.toString()) },
    connectionMonitor: { pingInterval: CONNECTION_CHECK_MS },
    peerStore: { maxAddressAge: ADDRESS_LIFE_MS, maxPeerAge: ADDRESS_LIFE_MS },
    // never libp2p's own: kad would keep in it whatever strangers put
    datastore: options.datastore ?? datastoreOf(memoryTable()),
    logger: loggerOf(world.log),
    services: { identify: identify(), ping: ping(), kad },
  });
  if (!clientOnly) await node.services.kad.setMode("server");
  return node as unknown as Libp2p;
}

/** Lets one address have only so many handshakes under way. */
function handshakeGater(): ConnectionGater {
  const pending = new PendingByAddress(MAX_PENDING_PER_ADDRESS);
  const leave = new WeakMap<MultiaddrConnection, () => void>();
  return {
    denyInboundConnection(socket) {
      const left = pending.enter(hostOf(socket.remoteAddr.toString()));
      if (left === undefined) return true;
      leave.set(socket, left);
      socket.addEventListener("close", left, { once: true });
      return false;
    },
    denyInboundUpgradedConnection(_, socket) {
      leave.get(socket)?.();
      return false;
    },
  };
}

/** The address without its port. */
const hostOf = (address: string): string => address.split("/").slice(0, 3).join("/");

function listenError(listen: readonly string[], error: unknown): Error {
  const where = listen.join(", ");
  const inner = error instanceof AggregateError ? error.errors.map(messageOf).join("; ") : messageOf(error);
  if (/AddrInUse|EADDRINUSE|address already in use/i.test(`${inner} ${messageOf(error)}`)) {
    return new NodeError(
      "busy",
      `Cannot listen on ${where}: the address is in use, choose another with --listen`,
      {
        cause: error,
      },
    );
  }
  return new NodeError(
    "usage",
    `Cannot listen on ${where}: ${inner}, wanted multiaddrs such as /ip4/0.0.0.0/tcp/0`,
    {
      cause: error,
    },
  );
}

/** How libp2p says that no address of a peer was found. */
const UNKNOWN_PEER: ReadonlySet<string> = new Set(["NotFoundError", "NoValidAddressesError"]);

/** What `Connection` has besides its interface: the muxer that opens streams without negotiating. */
interface MuxedConnection {
  readonly muxer?: { createStream(options: { readonly signal: AbortSignal }): Promise<Stream> };
}

class Libp2pHost implements Host {
  readonly self: PeerId;
  readonly #leaving = new AbortController();
  readonly #dialMs: number;
  readonly #crowdedAt: number;
  readonly #served = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  readonly #calls = new InboundCalls(MAX_INBOUND_CALLS, MAX_INBOUND_CALLS_PER_PEER);
  readonly #uses = new ConnectionUses<Connection>();
  readonly #inbound = new ByteBudget(MAX_HELD_BYTES, MAX_HELD_BYTES_PER_PEER);
  /** Apart from the other: what strangers send must not hinder our own calls. */
  readonly #outbound = new ByteBudget(MAX_HELD_BYTES, MAX_HELD_BYTES_PER_PEER);
  /** When the last connection was made. */
  #connectedAt = -Infinity;
  readonly #introduced = new WeakMap<Connection, Introduction>();
  /** Dials under way: callers of one peer share one. */
  readonly #dials = new Map<PeerId, Promise<Connection>>();

  constructor(
    readonly world: World,
    readonly node: Libp2p,
    options: HostOptions,
    /** Peers that are not called by themselves any more. */
    readonly left: Set<PeerId>,
  ) {
    this.self = node.peerId.toString();
    this.#dialMs = options.dialMs ?? DIAL_MS;
    this.#crowdedAt = Math.floor((options.maxConnections ?? MAX_CONNECTIONS) * CROWDED);
    node.addEventListener("connection:open", ({ detail }) => this.#welcome(detail));
    node.addEventListener(
      "peer:identify",
      ({ detail }) => this.#introduced.set(detail.connection, introductionOf(detail)),
    );
  }

  /** Libp2p refuses newcomers at the limit: before that, whoever only occupies a place makes room. */
  #welcome(connection: Connection): void {
    this.#connectedAt = this.world.clock.monotonic();
    this.#uses.opened(connection, this.#connectedAt);
    const all = this.node.getConnections();
    if (all.length <= this.#crowdedAt) return;
    this.#uses.leastMissed(all.filter((other) => other !== connection))?.abort(
      new NodeError("busy", "Room is made for others"),
    );
  }

  addresses(): readonly string[] {
    return this.node.getMultiaddrs().map(String);
  }

  connections(): number {
    return this.node.getConnections().length;
  }

  isConnected(peer: PeerId): boolean {
    return this.#open(peer) !== undefined;
  }

  async knownPeers(): Promise<readonly PeerId[]> {
    return (await this.node.peerStore.all()).filter((peer) => peer.addresses.length > 0).map(({ id }) =>
      id.toString()
    );
  }

  async neighbours(others: readonly PeerId[]): Promise<readonly Neighbour[]> {
    const connected = this.node.getPeers().map(String);
    const all = [...new Set([...connected, ...others])].slice(0, MAX_NEIGHBOURS);
    return await Promise.all(all.map(async (peerId) => {
      const connection = this.#open(peerId);
      const introduced = connection === undefined ? undefined : this.#introduced.get(connection);
      const known = await this.node.peerStore.get(peerIdFromString(peerId)).catch(() => undefined);
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

  serveUnary(method: string, handler: UnaryHandler): Disposable {
    return this.#serve(method, (callee, channel) => serveUnaryCall(callee, channel, handler));
  }

  serveStream(method: string, handler: StreamHandler): Disposable {
    return this.#serve(method, (callee, channel) => serveStreamCall(callee, channel, handler));
  }

  #serve(method: string, serve: (callee: Callee, channel: Channel) => Promise<void>): Disposable {
    if (this.#served.has(method)) throw new RangeError(`Cannot serve ${method}: it is served already`);
    this.#served.add(method);
    // registration is asynchronous only in its type: libp2p's registrar has it when the call returns
    this.node.handle(method, (stream, connection) => {
      const peer = connection.remotePeer.toString();
      const busy = new NodeError("busy", "Too many calls at one time");
      const place = this.#calls.admit(peer, () => stream.abort(busy));
      if (place === undefined) return stream.abort(busy);
      this.#run(connection, place, (callee) => serve(callee, channelOf(stream, peer, this.#inbound)));
    }, STREAM_OPTIONS).catch((error) =>
      this.world.log.child("p2p").error("Method not served", { method, error: messageOf(error) })
    );
    return {
      [Symbol.dispose]: () => {
        this.#served.delete(method);
        this.node.unhandle(method).catch(() => {});
      },
    };
  }

  /** Runs a call, which never throws, in its place. */
  #run(connection: Connection, place: Place, serve: (callee: Callee) => Promise<void>): void {
    let hasBegun = false;
    const begun = () => {
      if (hasBegun) return;
      hasBegun = true;
      place.begun();
      this.#uses.began(connection, this.world.clock.monotonic());
    };
    const call = serve({ world: this.world, leaving: this.#leaving.signal, begun });
    this.#running.add(call);
    call.then(() => {
      this.#running.delete(call);
      place[Symbol.dispose]();
      if (hasBegun) this.#uses.over(connection, this.world.clock.monotonic());
    });
  }

  async callUnary(peer: PeerId, method: string, data: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return await makeUnaryCall(
      this.world,
      await this.#openChannel(peer, method, signal),
      { method, data },
      signal,
    );
  }

  async callStream(peer: PeerId, method: string, signal: AbortSignal): Promise<RpcStream> {
    return makeStreamCall(this.world, await this.#openChannel(peer, method, signal), method, signal);
  }

  async #openChannel(peer: PeerId, method: string, signal: AbortSignal): Promise<Channel> {
    if (peer === this.self) {
      throw new NodeError("unreachable", `Cannot call ${method}: ${peer} is this node itself`);
    }
    for (let attempt = 0;; attempt++) {
      signal.throwIfAborted();
      const connection = this.#open(peer) ?? await this.#connect(peer, signal);
      try {
        const { muxer } = connection as unknown as MuxedConnection;
        if (muxer === undefined) throw new Error("the connection has no muxer");
        const stream = await muxer.createStream({ signal });
        this.#uses.began(connection, this.world.clock.monotonic());
        stream.addEventListener("close", () => this.#uses.over(connection, this.world.clock.monotonic()));
        return channelOf(stream, peer, this.#outbound);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof Error && error.name === "TooManyOutboundProtocolStreamsError") {
          throw new NodeError("busy", `Cannot call ${method} at ${peer}: too many calls at one time`);
        }
        // a connection that was just lost may still look open once
        if (attempt > 0) throw unreachable(peer, error);
        connection.abort(new Error("No stream could be opened"));
      }
    }
  }

  #open(peer: PeerId): Connection | undefined {
    const connections = this.node.getConnections(peerIdFromString(peer)).filter(({ status }) =>
      status === "open"
    );
    return connections.find(({ limits }) => limits === undefined) ?? connections[0];
  }

  /** Dials by id: addresses from the peer store, else from a kad lookup, both inside libp2p. */
  #connect(peer: PeerId, signal: AbortSignal): Promise<Connection> {
    let dial = this.#dials.get(peer);
    if (dial === undefined) {
      dial = this.#dial(peer).finally(() => this.#dials.delete(peer));
      this.#dials.set(peer, dial);
      dial.catch(() => {});
    }
    return orAbort(dial, signal);
  }

  async #dial(peer: PeerId): Promise<Connection> {
    using late = openDeadline(this.world.clock, this.#dialMs, `connect to ${peer}`, this.#leaving.signal);
    while (true) {
      try {
        return await this.node.dial(peerIdFromString(peer), { signal: late.signal });
      } catch (error) {
        if (!this.#mayBeKnownSoon(error) || late.signal.aborted) throw dialError(peer, error, late.signal);
      }
      await this.world.clock.sleep(ASK_AGAIN_MS, late.signal);
    }
  }

  /** Whether nobody knew the peer, but our first neighbours have only just been met: identify and kad take a moment. */
  #mayBeKnownSoon(error: unknown): boolean {
    const isUnknown = error instanceof Error && UNKNOWN_PEER.has(error.name);
    return isUnknown && this.world.clock.monotonic() - this.#connectedAt < TABLES_FILL_MS;
  }

  async dial(address: string, signal: AbortSignal): Promise<PeerId> {
    const target = parseAddress(address);
    this.left.delete(address.slice(address.lastIndexOf("/") + 1));
    using late = openDeadline(this.world.clock, this.#dialMs, `connect to ${address}`, signal);
    try {
      const connection = await orAbort(this.node.dial(target, { signal: late.signal }), late.signal);
      return connection.remotePeer.toString();
    } catch (error) {
      throw dialError(address, error, late.signal);
    }
  }

  async introduction(peer: PeerId, signal: AbortSignal): Promise<Introduction> {
    const connection = this.#open(peer);
    if (connection === undefined) throw unreachable(peer, new Error("there is no connection"));
    const told = this.#introduced.get(connection);
    if (told !== undefined) return told;
    const coming = Promise.withResolvers<Introduction>();
    const listen = ({ detail }: CustomEvent<IdentifyResult>) => {
      if (detail.connection === connection) coming.resolve(introductionOf(detail));
    };
    this.node.addEventListener("peer:identify", listen);
    try {
      return await orAbort(coming.promise, signal);
    } finally {
      this.node.removeEventListener("peer:identify", listen);
    }
  }

  async locate(peer: PeerId, signal: AbortSignal): Promise<readonly string[]> {
    try {
      const find = this.node.peerRouting.findPeer(peerIdFromString(peer), { signal });
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

  async hangUp(peer: PeerId, signal: AbortSignal): Promise<void> {
    this.left.add(peer);
    await orAbort(this.node.hangUp(peerIdFromString(peer), { signal }), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort(new NodeError("aborted", "The server is leaving"));
    await this.#settle(Promise.all(this.#running));
    await this.#settle(Promise.resolve(this.node.stop()));
  }

  /** Waits for `work`, but not for ever: a peer that does not read must not keep the node from stopping. */
  async #settle(work: Promise<unknown>): Promise<void> {
    using late = openDeadline(this.world.clock, GOODBYE_MS, "stop");
    await orAbort(work, late.signal).catch((error) =>
      this.world.log.child("p2p").debug("Not all streams ended in time", { error: messageOf(error) })
    );
  }
}

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

function dialError(whom: string, error: unknown, signal: AbortSignal): Error {
  if (signal.aborted && signal.reason instanceof NodeError) return signal.reason;
  return codeOf(error, "unreachable") === "timeout"
    ? new NodeError("timeout", `Cannot connect to ${whom}: it does not answer`, { cause: error })
    : unreachable(whom, error);
}

const unreachable = (whom: string, cause: unknown) =>
  new NodeError("unreachable", `Cannot connect to ${whom}: ${messageOf(cause)}`, { cause });
