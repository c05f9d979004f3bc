/**
 * Storing records at the nodes nearest to them.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import { batchesOf } from "./batches.ts";
import { BEAM, MAX_REMEMBERED_KEYS, REPLICAS, ROUNDS_PER_FIND } from "./constants.ts";
import type { StoreOutcome } from "./dht.ts";
import { byDistance, type Contact, type DhtId } from "./id.ts";
import type { WireRecord } from "./batches.ts";
import type { DhtProtocol } from "./protocol.ts";
import { findNearest } from "./search.ts";
import type { StoredRecord } from "./storage.ts";

/** A record of ours; `index` is its place in the caller's list. */
export interface OwnRecord extends StoredRecord {
  readonly index: number;
  readonly wire: WireRecord;
}

/** Where the records of a key lie. */
interface Replicas {
  readonly peers: readonly PeerId[];
  /** Whether we are one of the five. */
  readonly isOurs: boolean;
  readonly rounds: number;
}

/**
 * Stores records, and remembers where: announcing again goes straight to the five nodes that took them last time. They
 * are looked up anew every tenth round, or when one of them does not answer. Every bootstrap is a replica as well: those
 * of the live network answer "not found" with no neighbours, and are all that maps and other nodes ask.
 */
export class Writer {
  readonly #replicas = new Map<DhtId, Replicas>();

  constructor(readonly protocol: DhtProtocol, readonly bootstraps: () => readonly PeerId[]) {}

  /** Stores `records`. Fails only when `signal` aborts; what nobody took is absent from the outcome. */
  async store(records: readonly OwnRecord[], signal: AbortSignal): Promise<StoreOutcome> {
    const acceptedBy = new Set<PeerId>();
    const stored = new Set<number>();
    const tried = new Set<string>();
    const round = async (part: readonly OwnRecord[]) => {
      const calls = [...this.#plan(part, tried)].map(async ([peer, list]) => {
        const accepted = await this.#storeAt(peer, list, signal);
        for (const record of accepted ?? []) {
          acceptedBy.add(peer);
          stored.add(record.index);
        }
        const lost = accepted === undefined ? list : [];
        return lost.filter((record) => this.#replicas.get(record.id)?.peers.includes(peer));
      });
      return new Set((await Promise.all(calls)).flat().map((record) => record.id));
    };
    await this.#refresh(new Set(records.map((record) => record.id)), signal);
    const failed = await round(records);
    if (failed.size > 0) {
      for (const id of failed) this.#replicas.delete(id);
      await this.#refresh(failed, signal);
      await round(records.filter((record) => failed.has(record.id)));
    }
    this.#storeHere(records);
    this.#forget(records, stored);
    return { acceptedBy: [...acceptedBy], stored };
  }

  /** Looks up the replicas of keys that have none, or whose time has come. */
  async #refresh(ids: ReadonlySet<DhtId>, signal: AbortSignal): Promise<void> {
    const wanted = [...ids].filter((id) => (this.#replicas.get(id)?.rounds ?? Infinity) >= ROUNDS_PER_FIND);
    if (wanted.length > 0) {
      const nearest = await findNearest(this.protocol, wanted, { beam: BEAM }, signal);
      for (const id of wanted) this.#remember(id, this.#choose(id, nearest(id)));
    }
    for (const id of ids) {
      const replicas = this.#replicas.get(id)!;
      this.#remember(id, { ...replicas, rounds: replicas.rounds + 1 });
    }
  }

  #choose(id: DhtId, nearest: readonly Contact[]): Replicas {
    const self = this.protocol.self;
    const all = this.protocol.options.clientMode ? nearest : [...nearest, self].sort(byDistance(id));
    const chosen = all.slice(0, REPLICAS);
    return {
      peers: chosen.filter((contact) => contact !== self).map(({ peer }) => peer),
      isOurs: chosen.includes(self),
      rounds: 0,
    };
  }

  #remember(id: DhtId, replicas: Replicas): void {
    this.#replicas.delete(id);
    this.#replicas.set(id, replicas);
  }

  /** Records by the peer that should get them, without those that were `tried` there already. */
  #plan(records: readonly OwnRecord[], tried: Set<string>): Map<PeerId, OwnRecord[]> {
    const plan = new Map<PeerId, OwnRecord[]>();
    const bootstraps = this.bootstraps();
    for (const record of records) {
      for (const peer of new Set([...this.#replicas.get(record.id)?.peers ?? [], ...bootstraps])) {
        const attempt = `${peer} ${record.index}`;
        if (tried.has(attempt)) continue;
        tried.add(attempt);
        const list = plan.get(peer);
        if (list === undefined) plan.set(peer, [record]);
        else list.push(record);
      }
    }
    return plan;
  }

  /** The records that `peer` took; `undefined` when it did not answer. */
  async #storeAt(
    peer: PeerId,
    records: readonly OwnRecord[],
    signal: AbortSignal,
  ): Promise<readonly OwnRecord[] | undefined> {
    const accepted: OwnRecord[] = [];
    try {
      let at = 0;
      for (const batch of batchesOf(records.map((record) => record.wire))) {
        const answers = await this.protocol.store(peer, batch, signal);
        accepted.push(...records.slice(at, at + batch.length).filter((_, i) => answers[i]));
        at += batch.length;
      }
      return accepted;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof NodeError) return undefined;
      throw error;
    }
  }

  #storeHere(records: readonly OwnRecord[]): void {
    for (const record of records) {
      if (this.#replicas.get(record.id)?.isOurs) this.protocol.storage.store(record);
    }
  }

  /** Keys that nobody took, or for which fewer than five nodes were found, are looked up again next time. */
  #forget(records: readonly OwnRecord[], stored: ReadonlySet<number>): void {
    for (const { id, index } of records) {
      const { peers, isOurs } = this.#replicas.get(id) ?? { peers: [], isOurs: false };
      if (!stored.has(index) || peers.length + Number(isOurs) < REPLICAS) this.#replicas.delete(id);
    }
    for (const oldest of this.#replicas.keys()) {
      if (this.#replicas.size <= MAX_REMEMBERED_KEYS) break;
      this.#replicas.delete(oldest);
    }
  }
}
