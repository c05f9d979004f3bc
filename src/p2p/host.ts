/**
 * The node on the network: its calls, those of others, and who they are.
 *
 * @module
 */
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { openDeadline, orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import { ConnectionUses } from "./admission.ts";
import { ByteBudget } from "./byte_budget.ts";
import type { Channel } from "./channel.ts";
import { Connections, type Introduction, type Neighbour } from "./connections.ts";
import {
  CROWDED,
  DIAL_MS,
  GOODBYE_MS,
  MAX_CONNECTIONS,
  MAX_HELD_BYTES,
  MAX_HELD_BYTES_PER_PEER,
  MAX_INBOUND_CALLS,
  MAX_INBOUND_CALLS_PER_PEER,
  MAX_STREAMS_PER_PROTOCOL,
} from "./constants.ts";
import { unreachable } from "./dial_failure.ts";
import { InboundCalls, type Place } from "./inbound_calls.ts";
import { type HostOptions, openLibp2p } from "./libp2p_node.ts";
import { makeStreamCall, makeUnaryCall } from "./make_call.ts";
import type { Rpc, RpcStream, StreamHandler, UnaryHandler } from "./rpc.ts";
import { type Callee, serveStreamCall, serveUnaryCall } from "./serve_call.ts";
import { channelOf } from "./stream_channel.ts";

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
  const log = world.log.child("p2p");
  const left = new Set<PeerId>();
  const node = await openLibp2p(world, options, left);
  log.debug("Listening", { peer: node.peerId.toString(), addresses: node.getMultiaddrs().map(String) });
  return new Libp2pHost(world, node, options, left);
}

/** What `Connection` has besides its interface: the muxer that opens streams without negotiating. */
interface MuxedConnection {
  readonly muxer?: { createStream(options: { readonly signal: AbortSignal }): Promise<Stream> };
}

class Libp2pHost implements Host {
  readonly self: PeerId;
  readonly #leaving = new AbortController();
  readonly #crowdedAt: number;
  readonly #served = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  readonly #calls = new InboundCalls(MAX_INBOUND_CALLS, MAX_INBOUND_CALLS_PER_PEER);
  readonly #uses = new ConnectionUses<Connection>();
  readonly #inbound = new ByteBudget(MAX_HELD_BYTES, MAX_HELD_BYTES_PER_PEER);
  /** Apart from the other: what strangers send must not hinder our own calls. */
  readonly #outbound = new ByteBudget(MAX_HELD_BYTES, MAX_HELD_BYTES_PER_PEER);
  readonly #connections: Connections;

  constructor(
    readonly world: World,
    readonly node: Libp2p,
    options: HostOptions,
    left: Set<PeerId>,
  ) {
    this.self = node.peerId.toString();
    const { dialMs = DIAL_MS } = options;
    this.#connections = new Connections(world, { node, dialMs, left, leaving: this.#leaving.signal });
    this.#crowdedAt = Math.floor((options.maxConnections ?? MAX_CONNECTIONS) * CROWDED);
    node.addEventListener("connection:open", ({ detail }) => this.#welcome(detail));
  }

  /** Libp2p refuses newcomers at the limit: before that, whoever only occupies a place makes room. */
  #welcome(connection: Connection): void {
    this.#uses.opened(connection, this.world.clock.monotonic());
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
    return this.#connections.open(peer) !== undefined;
  }

  dial(address: string, signal: AbortSignal): Promise<PeerId> {
    return this.#connections.dial(address, signal);
  }

  knownPeers(): Promise<readonly PeerId[]> {
    return this.#connections.knownPeers();
  }

  neighbours(others: readonly PeerId[]): Promise<readonly Neighbour[]> {
    return this.#connections.neighbours(others);
  }

  introduction(peer: PeerId, signal: AbortSignal): Promise<Introduction> {
    return this.#connections.introduction(peer, signal);
  }

  locate(peer: PeerId, signal: AbortSignal): Promise<readonly string[]> {
    return this.#connections.locate(peer, signal);
  }

  hangUp(peer: PeerId, signal: AbortSignal): Promise<void> {
    return this.#connections.hangUp(peer, signal);
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
      const connection = this.#connections.open(peer) ?? await this.#connections.connect(peer, signal);
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
