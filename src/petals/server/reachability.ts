/**
 * `ReachabilityProtocol.rpc_check` (petals 2.2 `server/reachability.py`): others ask whether they can be reached.
 *
 * @module
 */
import { openDeadline } from "../../base/deadline.ts";
import { NodeError } from "../../base/errors.ts";
import { peerIdFromBytes, peerIdToBytes } from "../../base/peer_id.ts";
import { ProtoMessage, ProtoWriter } from "../../base/protobuf.ts";
import type { PeerId } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { Rpc } from "../../p2p/rpc.ts";
import { REACHABILITY_CHECKS_AT_ONCE, REACHABILITY_MS } from "./limits.ts";

/** The method's name on the wire. */
export const CHECK_METHOD = "ReachabilityProtocol.rpc_check";

/** `PingRequest{peer{node_id}}`; the node id is the peer id's bytes here, not a DHT id. */
export const encodeCheck = (peer: PeerId): Uint8Array<ArrayBuffer> =>
  new ProtoWriter().bytes(2, new ProtoWriter().bytes(1, peerIdToBytes(peer)).finish()).finish();

/** The peer asked about. Throws `NodeError` `malformed` for no id, or one above 64 bytes. */
export const decodeCheck = (bytes: Uint8Array): PeerId =>
  peerIdFromBytes(ProtoMessage.decode(bytes, 64).message(2).bytes(1));

/** `PingResponse{available}`; proto3 leaves `false` out. */
export const encodeAvailable = (available: boolean): Uint8Array<ArrayBuffer> =>
  available ? new ProtoWriter().uint(5, 1).finish() : new Uint8Array(0);

/** Reads the answer. Throws `NodeError` `malformed`. */
export const decodeAvailable = (bytes: Uint8Array): boolean => ProtoMessage.decode(bytes, 64).uint(5) !== 0;

/**
 * Whether `peer` answers a check about itself within 5 s. It may be reached over a connection that it opened, so a peer
 * behind NAT that is connected right now passes.
 */
export async function checkPeer(world: World, rpc: Rpc, peer: PeerId, signal: AbortSignal): Promise<boolean> {
  using deadline = openDeadline(world.clock, REACHABILITY_MS, `reach ${peer}`, signal);
  try {
    return decodeAvailable(await rpc.callUnary(peer, CHECK_METHOD, encodeCheck(peer), deadline.signal));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof NodeError)) throw error;
    world.log.debug("Peer not reachable", { peer, code: error.code });
    return false;
  }
}

/** Serves the check until disposed. */
export function serveReachability(world: World, rpc: Rpc): Disposable {
  let checks = 0;
  return rpc.serveUnary(CHECK_METHOD, async (request, context) => {
    const peer = decodeCheck(request);
    if (peer === rpc.self) return encodeAvailable(true);
    if (checks >= REACHABILITY_CHECKS_AT_ONCE) {
      throw new NodeError("busy", `Cannot check another peer: ${checks} checks are under way, wanted fewer`);
    }
    checks++;
    try {
      return encodeAvailable(await checkPeer(world, rpc, peer, context.signal));
    } finally {
      checks--;
    }
  });
}
