/**
 * Records held until they expire, for ourselves and for strangers, within hard limits.
 *
 * @module
 */
import type { PeerId } from "../base/tensor.ts";
import { ITEM_OVERHEAD_BYTES, MAX_LIFE_SECONDS, MAX_REPLY_BYTES, MAX_SUBKEYS } from "./constants.ts";
import { ExpirationHeap, type HeapItem } from "./expiration_heap.ts";
import type { DhtId } from "./id.ts";
import { copyBytes, DICTIONARY_OVERHEAD_BYTES, entryBytes, type Held, type Subkey } from "./record.ts";

/** What may be held. Bytes count keys, subkeys, values and a fixed cost for each. */
export interface StorageLimits {
  /** Of all strangers together. */
  readonly totalBytes: number;
  /** Of one stranger. */
  readonly ownerBytes: number;
  /** Of one stranger under one key, so that nobody can fill a dictionary alone. */
  readonly ownerKeyBytes: number;
  readonly valueBytes: number;
  /** Of one dictionary, packed: it must fit into one reply. */
  readonly dictionaryBytes: number;
  readonly subkeys: number;
  /** Whether the earliest records leave when room is wanted, or the new one is refused. */
  readonly whenFull: "refuse" | "evict";
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** For what others ask us to hold until a given time. */
export const STORAGE_LIMITS: StorageLimits = {
  totalBytes: 64 * MIB,
  ownerBytes: 16 * MIB,
  ownerKeyBytes: 2 * MIB + 64 * KIB,
  valueBytes: 2 * MIB,
  dictionaryBytes: MAX_REPLY_BYTES - 64 * KIB,
  subkeys: MAX_SUBKEYS,
  whenFull: "refuse",
};

/** For what is kept only to be quick. */
export const CACHE_LIMITS: StorageLimits = {
  ...STORAGE_LIMITS,
  totalBytes: 16 * MIB,
  ownerBytes: 8 * MIB,
  whenFull: "evict",
};

/** A record to be held: under a key, or under a subkey of it. `expiration` is Unix seconds. */
export interface StoredRecord {
  readonly id: DhtId;
  readonly subkey: Subkey | undefined;
  readonly value: Uint8Array;
  readonly expiration: number;
}

interface Item extends StoredRecord, HeapItem {
  readonly owner: PeerId | undefined;
  readonly cost: number;
}

/** A subkey's item. */
type SubItem = Item & { readonly subkey: Subkey };

interface PlainSlot {
  readonly kind: "value";
  readonly item: Item;
}

interface DictionarySlot {
  readonly kind: "dictionary";
  readonly items: Map<string, SubItem>;
  readonly kinds: Set<string>;
  readonly costByOwner: Map<PeerId, number>;
  /** Size when packed, without the part that every dictionary has. */
  bytes: number;
  latest: number;
}

type Slot = PlainSlot | DictionarySlot;

/**
 * Whether a record may live until `expiration` (Unix seconds): NaN, infinities, negative numbers, the past and times
 * beyond a day ahead may not: NaN is on neither side of any number. A NaN at the root of hivemind's heap stops all expiry.
 */
export const isLifePermitted = (expiration: number, now: number): boolean =>
  expiration > now && expiration <= now + MAX_LIFE_SECONDS;

/** Bounded store of values and dictionaries. Later expirations win; equal ones are refused. */
export class Storage {
  readonly #slots = new Map<DhtId, Slot>();
  readonly #heap = new ExpirationHeap<Item>();
  readonly #costByOwner = new Map<PeerId, number>();
  #strangerBytes = 0;

  /** `now` is Unix seconds. */
  constructor(readonly now: () => number, readonly limits: StorageLimits = STORAGE_LIMITS) {}

  /** Keys held, expired ones included until they are dropped. */
  get keys(): number {
    return this.#slots.size;
  }

  /** Values and subkeys held. */
  get size(): number {
    return this.#heap.size;
  }

  /** What strangers made us hold. */
  get strangerBytes(): number {
    return this.#strangerBytes;
  }

  /** Keys that have not expired. */
  countValid(): number {
    this.#dropExpired();
    return this.#slots.size;
  }

  /** What is held under a key; `undefined` when nothing is or all of it expired. */
  get(id: DhtId): Held | undefined {
    this.#dropExpired();
    const slot = this.#slots.get(id);
    return slot === undefined ? undefined : heldOf(slot);
  }

  /** All keys that have not expired. */
  *all(): Generator<readonly [DhtId, Held]> {
    this.#dropExpired();
    for (const [id, slot] of this.#slots) yield [id, heldOf(slot)];
  }

  /**
   * Holds a record for `owner`; `undefined` is ourselves, whom only the limits of one key bind. Returns whether it was
   * taken; what was held before stays untouched otherwise. The value is copied.
   */
  store(record: StoredRecord, owner?: PeerId): boolean {
    this.#dropExpired();
    if (!isLifePermitted(record.expiration, this.now()) || record.value.length > this.limits.valueBytes) {
      return false;
    }
    const slot = this.#slots.get(record.id);
    const replaced = replacedBy(record, slot);
    if (replaced === undefined) return false;
    const item: Item = {
      ...record,
      value: copyBytes(record.value),
      owner,
      cost: ITEM_OVERHEAD_BYTES + record.value.length + (record.subkey?.packed.length ?? 0),
      heapIndex: -1,
    };
    if (isSubItem(item) && slot?.kind === "dictionary" && !this.#fits(item, slot)) return false;
    if (!this.#makeRoom(item, replaced)) return false;
    for (const old of replaced) this.#drop(old);
    this.#insert(item);
    return true;
  }

  /** Whether a dictionary stays within its limits, and readable by Python peers, with `item` in it. */
  #fits(item: SubItem, slot: DictionarySlot): boolean {
    const old = slot.items.get(item.subkey.key);
    if (old === undefined && slot.items.size >= this.limits.subkeys) return false;
    const bytes = slot.bytes + entryBytes(item) - (old === undefined ? 0 : entryBytes(old));
    if (bytes + DICTIONARY_OVERHEAD_BYTES > this.limits.dictionaryBytes) return false;
    if (item.owner !== undefined) {
      const cost = (slot.costByOwner.get(item.owner) ?? 0) + item.cost -
        (old?.owner === item.owner ? old.cost : 0);
      if (cost > this.limits.ownerKeyBytes) return false;
    }
    if (slot.kinds.size === 1 && slot.kinds.has(item.subkey.kind)) return true;
    for (const other of slot.items.values()) {
      if (other.expiration === item.expiration && other.subkey.kind !== item.subkey.kind) return false;
    }
    return true;
  }

  #makeRoom(item: Item, replaced: readonly Item[]): boolean {
    if (item.owner === undefined) return true;
    const ofStrangers = replaced.filter((old) => old.owner !== undefined);
    const ofOwner = costOf(ofStrangers.filter((old) => old.owner === item.owner));
    if ((this.#costByOwner.get(item.owner) ?? 0) + item.cost - ofOwner > this.limits.ownerBytes) return false;
    const freed = costOf(ofStrangers);
    const excess = () => this.#strangerBytes + item.cost - freed - this.limits.totalBytes;
    if (excess() <= 0) return true;
    if (this.limits.whenFull === "refuse") return false;
    while (excess() > 0) {
      const first = this.#heap.first;
      if (first === undefined || replaced.includes(first)) return false;
      this.#drop(first);
    }
    return true;
  }

  #dropExpired(): void {
    const now = this.now();
    for (
      let first = this.#heap.first;
      first !== undefined && first.expiration <= now;
      first = this.#heap.first
    ) {
      this.#drop(first);
    }
  }

  #insert(item: Item): void {
    this.#heap.add(item);
    if (item.owner !== undefined) {
      this.#strangerBytes += item.cost;
      addTo(this.#costByOwner, item.owner, item.cost);
    }
    if (!isSubItem(item)) {
      this.#slots.set(item.id, { kind: "value", item });
      return;
    }
    let slot = this.#slots.get(item.id);
    if (slot?.kind !== "dictionary") {
      slot = {
        kind: "dictionary",
        items: new Map(),
        kinds: new Set(),
        costByOwner: new Map(),
        bytes: 0,
        latest: item.expiration,
      };
      this.#slots.set(item.id, slot);
    }
    slot.items.set(item.subkey.key, item);
    slot.kinds.add(item.subkey.kind);
    slot.bytes += entryBytes(item);
    slot.latest = Math.max(slot.latest, item.expiration);
    if (item.owner !== undefined) addTo(slot.costByOwner, item.owner, item.cost);
  }

  #drop(item: Item): void {
    this.#heap.remove(item);
    if (item.owner !== undefined) {
      this.#strangerBytes -= item.cost;
      addTo(this.#costByOwner, item.owner, -item.cost);
    }
    const slot = this.#slots.get(item.id);
    if (slot?.kind === "dictionary" && isSubItem(item)) {
      slot.items.delete(item.subkey.key);
      slot.bytes -= entryBytes(item);
      if (item.owner !== undefined) addTo(slot.costByOwner, item.owner, -item.cost);
      if (slot.items.size > 0) return;
    }
    this.#slots.delete(item.id);
  }
}

const costOf = (items: readonly Item[]): number => items.reduce((sum, item) => sum + item.cost, 0);

const isSubItem = (item: Item): item is SubItem => item.subkey !== undefined;

const itemsOf = (slot: Slot): Item[] => slot.kind === "value" ? [slot.item] : [...slot.items.values()];

/** What leaves when `record` comes; `undefined` when what is held is as late or later, and stays. */
function replacedBy(record: StoredRecord, slot: Slot | undefined): readonly Item[] | undefined {
  if (slot === undefined) return [];
  if (slot.kind === "dictionary" && record.subkey !== undefined) {
    const old = slot.items.get(record.subkey.key);
    return old === undefined ? [] : old.expiration < record.expiration ? [old] : undefined;
  }
  const expiration = slot.kind === "value" ? slot.item.expiration : slot.latest;
  return expiration < record.expiration ? itemsOf(slot) : undefined;
}

const heldOf = (slot: Slot): Held =>
  slot.kind === "value"
    ? { kind: "value", value: slot.item.value, expiration: slot.item.expiration }
    : { kind: "dictionary", entries: [...slot.items.values()], expiration: slot.latest };

function addTo(sums: Map<PeerId, number>, owner: PeerId, amount: number): void {
  const sum = (sums.get(owner) ?? 0) + amount;
  if (sum <= 0) sums.delete(owner);
  else sums.set(owner, sum);
}
