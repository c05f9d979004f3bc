/**
 * The one file that puts libp2p together (js-libp2p 3.3.11; libp2p specifications).
 *
 * @module
 */
import { identify } from "@libp2p/identify";
import type { ConnectionGater, Libp2p, MultiaddrConnection } from "@libp2p/interface";
import { kadDHT, passthroughMapper } from "@libp2p/kad-dht";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import type { Datastore } from "interface-datastore";
import { createLibp2p } from "libp2p";
import { memoryTable } from "../base/database.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { Identity } from "../identity/keys.ts";
import { PendingByAddress } from "./admission.ts";
import {
  ADDRESS_LIFE_MS,
  CONNECTION_CHECK_MS,
  HANDSHAKE_MS,
  MAX_CONNECTIONS,
  MAX_NEW_CONNECTIONS_PER_HOST,
  MAX_PENDING_CONNECTIONS,
  MAX_PENDING_PER_ADDRESS,
  MAX_STREAMS_PER_PROTOCOL,
  READ_AHEAD_BYTES,
  STREAM_WINDOW_BYTES,
} from "./constants.ts";
import { datastoreOf } from "./datastore.ts";
import { loggerOf } from "./libp2p_log.ts";
import { mendSockets, noise } from "./runtime.ts";

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

/**
 * A node that listens. It calls nobody of `left` by itself. Throws `NodeError` `busy` for an address in use, `usage`.
 */
export async function openLibp2p(
  world: World,
  options: HostOptions,
  left: ReadonlySet<PeerId>,
): Promise<Libp2p> {
  mendSockets();
  try {
    return await createNode(world, options, left);
  } catch (error) {
    throw listenError(options.listen, error);
  }
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
  // libp2p names each address below a line about its own settings, with where in its insides it noticed
  const words = inner.match(/^\s+\/\S+: (?:\w+Error: )?(.*)$/m)?.[1] ?? inner.split("\n")[0];
  return new NodeError(
    "usage",
    `Cannot listen on ${where}: ${words}, wanted multiaddrs such as /ip4/0.0.0.0/tcp/0`,
    {
      cause: error,
    },
  );
}
