/**
 * From the DHT's records of blocks to servers and their spans. Pure.
 *
 * @module
 */
import type { BlockRange, PeerId } from "../../base/tensor.ts";
import type { Expiring } from "../../dht/dht.ts";
import { type ServerInfo, serverInfoOrSkip } from "../wire/server_info.ts";
import type { RouteServer } from "./route.ts";

/** Records read of one block: more servers than any swarm had, fewer than a flood. */
const MAX_SERVERS_PER_BLOCK = 512;

/** Longest record read; those of petals have some 300 bytes and 60 more for each server that is pinged. */
const MAX_RECORD_BYTES = 64 << 10;

/** A server of the swarm, by its freshest record. */
export interface SwarmServer extends RouteServer {
  readonly info: ServerInfo;
  /** Unix ms. */
  readonly expiresAtMs: number;
}

/** What one peer says of one block. */
interface Announcement {
  readonly block: number;
  readonly info: ServerInfo;
  readonly expiresAtMs: number;
}

/**
 * Servers that are online, by peer id. `blocks[i]` holds the records of block `i` by subkey. A peer has one span: that of
 * its freshest online record, cut where a record of the same age or younger says otherwise. As in petals 2.2, blocks
 * whose own record was not found count when the span names them. Records that cannot be read are skipped.
 */
export function serversIn(blocks: readonly ReadonlyMap<string, Expiring<Uint8Array>>[]): SwarmServer[] {
  const byPeer = new Map<PeerId, Announcement[]>();
  blocks.forEach((records, block) => {
    for (const [peer, { value, expiresAtMs }] of [...records].slice(0, MAX_SERVERS_PER_BLOCK)) {
      const info = value.length > MAX_RECORD_BYTES ? undefined : serverInfoOrSkip(value);
      if (info === undefined) continue;
      const announcements = byPeer.get(peer) ?? [];
      announcements.push({ block, info, expiresAtMs });
      byPeer.set(peer, announcements);
    }
  });
  return [...byPeer].flatMap(([peerId, announcements]) => {
    const freshest = freshestOnline(announcements);
    if (freshest === undefined) return [];
    const { info, expiresAtMs } = freshest;
    const { inferenceRps, cacheTokensLeft, nextPings } = info;
    const range = spanAround(freshest, announcements, blocks.length);
    return [{ peerId, range, inferenceRps, cacheTokensLeft, nextPings, info, expiresAtMs }];
  });
}

function freshestOnline(announcements: readonly Announcement[]): Announcement | undefined {
  let best: Announcement | undefined;
  for (const announcement of announcements) {
    if (announcement.info.state !== "online") continue;
    if (best === undefined || announcement.expiresAtMs > best.expiresAtMs) best = announcement;
  }
  return best;
}

/** The run of blocks around `freshest` that the peer serves. */
function spanAround(
  freshest: Announcement,
  announcements: readonly Announcement[],
  blocks: number,
): BlockRange {
  const { startBlock, endBlock } = freshest.info;
  const records = new Map(announcements.map((announcement) => [announcement.block, announcement]));
  const named = (block: number) =>
    startBlock !== undefined && endBlock !== undefined && block >= startBlock && block < endBlock;
  const serves = (block: number) => {
    if (block < 0 || block >= blocks) return false;
    const record = records.get(block);
    if (record === undefined || record.expiresAtMs < freshest.expiresAtMs) return named(block);
    return record.info.state === "online";
  };
  let { block: start } = freshest;
  let end = start + 1;
  while (serves(start - 1)) start--;
  while (serves(end)) end++;
  return { start, end };
}
