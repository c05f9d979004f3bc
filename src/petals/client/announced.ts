/**
 * From the DHT's records of blocks to servers and their spans. Pure.
 *
 * @module
 */
import type { BlockRange, PeerId } from "../../base/tensor.ts";
import type { Expiring } from "../../dht/dht.ts";
import { type ServerInfo, serverInfoOrSkip, type ServerState } from "../wire/server_info.ts";
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

/** Servers of a model as they announce themselves. */
export interface Announced {
  readonly online: readonly SwarmServer[];
  /** Load their blocks and cannot be asked yet. */
  readonly joining: readonly SwarmServer[];
}

/**
 * Servers by peer id. `blocks[i]` holds the records of block `i` by subkey. A peer has one span: that of its freshest
 * online record, cut where a record of the same age or younger says otherwise. As in petals 2.2, blocks whose own record
 * was not found count when the span names them. Records that cannot be read are skipped.
 */
export function serversIn(blocks: readonly ReadonlyMap<string, Expiring<Uint8Array>>[]): Announced {
  const byPeer = new Map<PeerId, Announcement[]>();
  blocks.forEach((records, block) => {
    for (const [peer, { value, expiresAtMs }] of [...records].slice(0, MAX_SERVERS_PER_BLOCK)) {
      const info = readRecord(peer, value);
      if (info === undefined) continue;
      const announcements = byPeer.get(peer) ?? [];
      announcements.push({ block, info, expiresAtMs });
      byPeer.set(peer, announcements);
    }
  });
  const online: SwarmServer[] = [];
  const joining: SwarmServer[] = [];
  for (const [peerId, announcements] of byPeer) {
    const serving = freshest(announcements, "online");
    const loading = serving === undefined ? freshest(announcements, "joining") : undefined;
    if (serving !== undefined) online.push(serverOf(peerId, serving, announcements, blocks.length));
    if (loading !== undefined) joining.push(serverOf(peerId, loading, announcements, blocks.length));
  }
  return { online, joining };
}

/** Subkeys are anybody's text: only what can be a peer's id is taken for one, and shown. */
function readRecord(peer: string, value: Uint8Array): ServerInfo | undefined {
  if (value.length > MAX_RECORD_BYTES || !/^[A-Za-z0-9]{1,96}$/.test(peer)) return undefined;
  return serverInfoOrSkip(value);
}

function freshest(announcements: readonly Announcement[], state: ServerState): Announcement | undefined {
  let best: Announcement | undefined;
  for (const announcement of announcements) {
    if (announcement.info.state !== state) continue;
    if (best === undefined || announcement.expiresAtMs > best.expiresAtMs) best = announcement;
  }
  return best;
}

function serverOf(
  peerId: PeerId,
  announcement: Announcement,
  announcements: readonly Announcement[],
  blocks: number,
): SwarmServer {
  const { info, expiresAtMs } = announcement;
  const { inferenceRps, cacheTokensLeft, nextPings } = info;
  const range = spanAround(announcement, announcements, blocks);
  return { peerId, range, inferenceRps, cacheTokensLeft, nextPings, info, expiresAtMs };
}

/** The run of blocks around `freshest` where the peer is in the same state. */
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
    return record.info.state === freshest.info.state;
  };
  let { block: start } = freshest;
  let end = start + 1;
  while (serves(start - 1)) start--;
  while (serves(end)) end++;
  return { start, end };
}
