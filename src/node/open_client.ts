/**
 * A peer that only asks: no listener, no key that is kept, no place in anybody's routing table.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { Dht } from "../dht/dht.ts";
import { openDhtNode } from "../dht/node.ts";
import { createIdentity } from "../identity/keys.ts";
import { openHost } from "../p2p/host.ts";
import type { Rpc } from "../p2p/rpc.ts";
import { dialAll } from "./open_network.ts";
import { peerOf } from "./peer_address.ts";

/** How to enter a swarm for a short time. */
export interface ClientOptions {
  /** Multiaddrs with `/p2p/`. */
  readonly bootstraps: readonly string[];
  readonly version: string;
}

/** Ways to the swarm. Dispose to leave it. */
export interface SwarmClient extends AsyncDisposable {
  readonly rpc: Rpc;
  readonly dht: Dht;
}

/** Joins for a short time. Throws `NodeError` `unreachable` when no bootstrap answers, `clock_wrong`. */
export async function openClient(
  world: World,
  { bootstraps, version }: ClientOptions,
  signal: AbortSignal,
): Promise<SwarmClient> {
  await using rooms = new AsyncDisposableStack();
  const identity = await createIdentity();
  const host = rooms.use(await openHost(world, { identity, listen: [], agent: `kwaainet/${version}` }));
  const end = new AbortController();
  rooms.defer(() => end.abort(new NodeError("aborted", "The client leaves")));
  const dht = rooms.use(await openDhtNode(world, host, { clientMode: true }, end.signal));
  await dialAll(host, bootstraps, signal);
  await dht.join(bootstraps.map(peerOf), signal);
  const open = rooms.move();
  return { rpc: host, dht, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
