/**
 * Addresses that name their peer.
 *
 * @module
 */
import type { PeerId } from "../base/tensor.ts";

/** The peer at the end of a multiaddr. */
export const peerOf = (address: string): PeerId => address.slice(address.lastIndexOf("/") + 1);
