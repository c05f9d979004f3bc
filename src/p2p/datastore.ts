/**
 * What libp2p wants to remember, in a table of ours.
 *
 * @module
 */
import { BaseDatastore } from "datastore-core";
import { type Datastore, Key, type KeyQuery, type Pair, type Query } from "interface-datastore";
import { NotFoundError } from "interface-store";
import type { Table } from "../base/database.ts";
import { MAX_KNOWN_PEERS } from "./constants.ts";

/** Where libp2p's peer store keeps peers. Under its other names kad keeps what strangers give it. */
const PEERS = "/peers/";

/**
 * A datastore of libp2p over `table`. It remembers peers and nothing else: kad's records and providers come from
 * strangers, and nothing here reads them. Above `maxPeers` those not written or looked up for longest are forgotten;
 * libp2p looks up its own entry for each newcomer, so that it stays.
 */
export function datastoreOf(table: Table, maxPeers: number = MAX_KNOWN_PEERS): Datastore {
  return new PeerDatastore(table, maxPeers);
}

// libp2p's own base class carries the queries; it is made to be extended
class PeerDatastore extends BaseDatastore {
  /** Names in the order of their last use. */
  readonly #names: Set<string>;

  constructor(readonly table: Table, readonly maxPeers: number) {
    super();
    this.#names = new Set(table.list(PEERS).map(([name]) => name));
    this.#forget();
  }

  override put(key: Key, value: Uint8Array): Key {
    const name = key.toString();
    if (!name.startsWith(PEERS)) return key;
    this.#use(name);
    this.table.put(name, value);
    this.#forget();
    return key;
  }

  #use(name: string): void {
    this.#names.delete(name);
    this.#names.add(name);
  }

  #forget(): void {
    for (const name of this.#names) {
      if (this.#names.size <= this.maxPeers) return;
      this.#names.delete(name);
      this.table.delete(name);
    }
  }

  override get(key: Key): Uint8Array {
    const name = key.toString();
    const value = this.table.get(name);
    if (value === undefined) throw new NotFoundError();
    this.#use(name);
    return value;
  }

  override has(key: Key): boolean {
    return this.#names.has(key.toString());
  }

  override delete(key: Key): void {
    if (this.#names.delete(key.toString())) this.table.delete(key.toString());
  }

  override *_all(query: Query): Generator<Pair> {
    for (const [key, value] of this.table.list(query.prefix ?? "/")) yield { key: new Key(key), value };
  }

  override *_allKeys(query: KeyQuery): Generator<Key> {
    for (const [key] of this.table.list(query.prefix ?? "/")) yield new Key(key);
  }
}
