/**
 * Who is where: hivemind's k-buckets (`dht/routing.py`; Kademlia §2.2, §4.1, §4.2).
 *
 * @module
 */
import { peerIdToBytes } from "../base/peer_id.ts";
import type { PeerId } from "../base/tensor.ts";
import { BUCKET_SIZE, DEPTH_MODULO, ID_BYTES, MAX_TABLE_NODES } from "./constants.ts";
import { byDistance, type Contact, type DhtId, dhtIdToBytes } from "./id.ts";

const ID_BITS = ID_BYTES * 8;

/** A node of the table with its bytes as they travel: answers name twenty of them for each key. */
export interface TableNode extends Contact {
  readonly idBytes: Uint8Array;
  readonly peerBytes: Uint8Array;
}

/** Ids that share their first `depth` bits with `lower`. */
interface Bucket {
  readonly lower: DhtId;
  readonly depth: number;
  /** Least recently seen first. */
  readonly nodes: Map<PeerId, TableNode>;
  /** Seen while the bucket was full, latest last. */
  readonly replacements: Map<PeerId, TableNode>;
  /** Asked whether they live. */
  readonly pinged: Set<PeerId>;
}

/** What became of a contact that was seen. */
export interface Seen {
  /** Whether the table holds it now and did not before. */
  readonly isNew: boolean;
  /** A node to ping, because its bucket is full: the one not seen for longest. Call `remove` when it does not answer. */
  readonly ping?: Contact;
}

/**
 * The table. One entry a peer: node ids are not bound to peers, and without this rule one peer with made-up ids would
 * own every neighbourhood. An id that another peer holds already is not given away.
 */
export class RoutingTable {
  #buckets: Bucket[] = [emptyBucket(0n, 0)];
  /** Nodes and replacements. */
  readonly #byPeer = new Map<PeerId, TableNode>();
  readonly #byId = new Map<DhtId, PeerId>();
  #size = 0;

  constructor(readonly self: Contact) {}

  /** Nodes, without replacements. */
  get size(): number {
    return this.#size;
  }

  /** The contact of a peer, also one that waits as a replacement. */
  get(peer: PeerId): Contact | undefined {
    return this.#byPeer.get(peer);
  }

  /** All nodes. */
  contacts(): TableNode[] {
    return this.#buckets.flatMap((bucket) => [...bucket.nodes.values()]);
  }

  /** Notes that a node called us or answered. */
  seen(contact: Contact): Seen {
    if (contact.id === this.self.id || contact.peer === this.self.peer) return { isNew: false };
    const holder = this.#byId.get(contact.id);
    if (holder !== undefined && holder !== contact.peer) return { isNew: false };
    const known = this.#byPeer.get(contact.peer);
    if (known?.id === contact.id) return { ...this.#place(known), isNew: false };
    this.remove(contact.peer);
    const { id, peer } = contact;
    return {
      ...this.#place({ id, peer, idBytes: dhtIdToBytes(id), peerBytes: peerIdToBytes(peer) }),
      isNew: true,
    };
  }

  /** A ping that was asked for could not be made: the node may be chosen again. */
  release(peer: PeerId): void {
    const contact = this.#byPeer.get(peer);
    if (contact !== undefined) this.#bucketOf(contact.id).pinged.delete(peer);
  }

  /** Drops a peer that did not answer; the latest replacement takes its place. */
  remove(peer: PeerId): void {
    const contact = this.#byPeer.get(peer);
    if (contact === undefined) return;
    this.#forget(contact);
    const bucket = this.#bucketOf(contact.id);
    bucket.pinged.delete(peer);
    if (bucket.replacements.delete(peer) || !bucket.nodes.delete(peer)) return;
    this.#size--;
    const next = [...bucket.replacements.values()].at(-1);
    if (next === undefined) return;
    bucket.replacements.delete(next.peer);
    bucket.nodes.set(next.peer, next);
    this.#size++;
  }

  /**
   * At most `count` nodes, nearest to `target` first, without `exclude`. Distances of two buckets never overlap, so
   * that only as many buckets are sorted as are needed.
   */
  nearest(target: DhtId, count: number, exclude?: PeerId): TableNode[] {
    const buckets = this.#buckets
      .filter((bucket) => bucket.nodes.size > 0)
      .map((bucket) => ({
        bucket,
        distance: (bucket.lower ^ target) >> BigInt(ID_BITS - bucket.depth) << BigInt(ID_BITS - bucket.depth),
      }))
      .sort((a, b) => a.distance < b.distance ? -1 : 1);
    const found: TableNode[] = [];
    for (const { bucket } of buckets) {
      const nodes = [...bucket.nodes.values()].filter((contact) => contact.peer !== exclude);
      found.push(...nodes.sort(byDistance(target)));
      if (found.length >= count) break;
    }
    return found.slice(0, count);
  }

  #place(contact: TableNode): { ping?: Contact } {
    let bucket = this.#bucketOf(contact.id);
    bucket.pinged.delete(contact.peer);
    const isFull = () => bucket.nodes.size >= BUCKET_SIZE || this.#size >= MAX_TABLE_NODES;
    while (!bucket.nodes.has(contact.peer) && isFull()) {
      if (!this.#maySplit(bucket)) return this.#keepForLater(bucket, contact);
      this.#split(bucket);
      bucket = this.#bucketOf(contact.id);
    }
    if (!bucket.nodes.delete(contact.peer)) this.#size++;
    bucket.replacements.delete(contact.peer);
    bucket.nodes.set(contact.peer, contact);
    this.#remember(contact);
    return {};
  }

  #keepForLater(bucket: Bucket, contact: TableNode): { ping?: Contact } {
    bucket.replacements.delete(contact.peer);
    bucket.replacements.set(contact.peer, contact);
    this.#remember(contact);
    if (bucket.replacements.size > BUCKET_SIZE) {
      const oldest = bucket.replacements.values().next().value!;
      bucket.replacements.delete(oldest.peer);
      this.#forget(oldest);
    }
    for (const node of bucket.nodes.values()) {
      if (bucket.pinged.has(node.peer)) continue;
      bucket.pinged.add(node.peer);
      return { ping: node };
    }
    return {};
  }

  #maySplit(bucket: Bucket): boolean {
    if (bucket.depth >= ID_BITS || this.#size >= MAX_TABLE_NODES) return false;
    return bucket.depth % DEPTH_MODULO !== 0 || this.#bucketOf(this.self.id) === bucket;
  }

  #split(bucket: Bucket): void {
    const depth = bucket.depth + 1;
    const middle = bucket.lower + (1n << BigInt(ID_BITS - depth));
    const halves = [emptyBucket(bucket.lower, depth), emptyBucket(middle, depth)] as const;
    const half = (contact: Contact) => halves[contact.id < middle ? 0 : 1];
    for (const node of bucket.nodes.values()) half(node).nodes.set(node.peer, node);
    for (const spare of bucket.replacements.values()) {
      const { nodes, replacements } = half(spare);
      if (nodes.size >= BUCKET_SIZE) replacements.set(spare.peer, spare);
      else {
        nodes.set(spare.peer, spare);
        this.#size++;
      }
    }
    for (const peer of bucket.pinged) half(this.#byPeer.get(peer)!).pinged.add(peer);
    this.#buckets.splice(this.#buckets.indexOf(bucket), 1, ...halves);
  }

  /** Buckets lie in the order of their ids. */
  #bucketOf(id: DhtId): Bucket {
    let [low, high] = [0, this.#buckets.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (id >= this.#buckets[middle]!.lower) low = middle;
      else high = middle;
    }
    return this.#buckets[low]!;
  }

  #remember(contact: TableNode): void {
    this.#byPeer.set(contact.peer, contact);
    this.#byId.set(contact.id, contact.peer);
  }

  #forget(contact: Contact): void {
    this.#byPeer.delete(contact.peer);
    this.#byId.delete(contact.id);
  }
}

const emptyBucket = (lower: DhtId, depth: number): Bucket => ({
  lower,
  depth,
  nodes: new Map(),
  replacements: new Map(),
  pinged: new Set(),
});
