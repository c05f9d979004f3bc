/**
 * What libp2p wants to remember, in a table of ours.
 *
 * @module
 */
import { BaseDatastore } from "datastore-core";
import { type Datastore, Key, type KeyQuery, type Pair, type Query } from "interface-datastore";
import { NotFoundError } from "interface-store";
import type { Table } from "../base/database.ts";

/** Most entries kept: strangers' addresses must not fill the disk. */
const MAX_ENTRIES = 2000;

/** A datastore of libp2p over `table`. At the limit, new keys are not kept; known ones go on being updated. */
export function datastoreOf(table: Table): Datastore {
  return new TableDatastore(table);
}

// libp2p's own base class carries the queries; it is made to be extended
class TableDatastore extends BaseDatastore {
  #count: number;

  constructor(readonly table: Table) {
    super();
    this.#count = table.list("").length;
  }

  override put(key: Key, value: Uint8Array): Key {
    const name = key.toString();
    const isNew = this.table.get(name) === undefined;
    if (isNew && this.#count >= MAX_ENTRIES) return key;
    if (isNew) this.#count++;
    this.table.put(name, value);
    return key;
  }

  override get(key: Key): Uint8Array {
    const value = this.table.get(key.toString());
    if (value === undefined) throw new NotFoundError();
    return value;
  }

  override has(key: Key): boolean {
    return this.table.get(key.toString()) !== undefined;
  }

  override delete(key: Key): void {
    if (this.has(key)) this.#count--;
    this.table.delete(key.toString());
  }

  override *_all(query: Query): Generator<Pair> {
    for (const [key, value] of this.table.list(query.prefix ?? "/")) yield { key: new Key(key), value };
  }

  override *_allKeys(query: KeyQuery): Generator<Key> {
    for (const [key] of this.table.list(query.prefix ?? "/")) yield new Key(key);
  }
}
