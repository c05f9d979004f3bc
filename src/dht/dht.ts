/**
 * Hivemind's Kademlia, as the rooms above see it.
 *
 * @module
 */
import type { PeerId } from "../base/tensor.ts";

/** A value with its own end of life. `expiresAtMs` is Unix milliseconds; the wire carries float seconds. */
export interface Expiring<T> {
  readonly value: T;
  readonly expiresAtMs: number;
}

/** What lives under one key: one value, or a dictionary whose subkeys expire one by one. Values are packed msgpack. */
export type DhtEntry =
  | ({ readonly kind: "value" } & Expiring<Uint8Array>)
  | {
    readonly kind: "dictionary";
    /** By subkey text; subkeys that are no text are left out. */
    readonly subkeys: ReadonlyMap<string, Expiring<Uint8Array>>;
    readonly expiresAtMs: number;
  };

/** One value to be stored, under a key or under a subkey of it. `value` is packed msgpack. */
export interface DhtRecord extends Expiring<Uint8Array> {
  readonly key: string;
  readonly subkey?: string;
}

/** What became of a bulk store. */
export interface StoreOutcome {
  /** Other peers that accepted at least one record. */
  readonly acceptedBy: readonly PeerId[];
  /** Indices of records that at least one other peer accepted. */
  readonly stored: ReadonlySet<number>;
}

/** Figures for status and logs. */
export interface DhtStatus {
  /** Peers in the routing table. */
  readonly peers: number;
  /** Keys held for others and ourselves, and how many of them have not expired. */
  readonly entries: number;
  readonly valid: number;
}

/** A node of hivemind's DHT. Absent keys are absent from the result, not errors. */
export interface Dht {
  /** The freshest value of each key that anyone nearest to it has. */
  get(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, DhtEntry>>;
  /** Stores at the nearest nodes, itself included where it is one of them. Later expirations win. */
  store(records: readonly DhtRecord[], signal: AbortSignal): Promise<StoreOutcome>;
  status(): DhtStatus;
}
