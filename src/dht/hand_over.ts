/**
 * Giving records to a node that is new and nearer to them than others (Kademlia §2.5; hivemind `update_routing_table`).
 *
 * @module
 */
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import { HAND_OVER_PAUSE_MS, MAX_HAND_OVER_BYTES, MAX_REPLY_BYTES, REPLICAS } from "./constants.ts";
import type { Background } from "./background.ts";
import type { Contact, DhtId } from "./id.ts";
import { DICTIONARY_SUBKEY, encodeDictionary, type Held, PLAIN_SUBKEY } from "./record.ts";
import type { RoutingTable } from "./routing_table.ts";
import { batchesOf, type WireRecord } from "./batches.ts";
import type { Storage } from "./storage.ts";

/** What the hand-over needs of the node. */
export interface HandOverParts {
  readonly world: Pick<World, "clock">;
  readonly self: Contact;
  readonly table: RoutingTable;
  readonly storage: Storage;
  readonly background: Background;
  store(peer: PeerId, records: readonly WireRecord[], signal: AbortSignal): Promise<readonly boolean[]>;
}

/** Keys looked at before other work gets its turn. */
const KEYS_AT_ONCE = 256;
/** Newcomers remembered. */
const MAX_SERVED = 1_024;

/** Hands records to newcomers, to each at most once in ten minutes: an id costs its owner nothing. */
export class HandOver {
  readonly #servedAtMs = new Map<PeerId, number>();

  constructor(readonly parts: HandOverParts) {}

  /** Sends `newcomer`, in the background, what it should hold. */
  offer(newcomer: Contact): void {
    if (this.parts.storage.keys === 0) return;
    const nowMs = this.parts.world.clock.monotonic();
    if (nowMs - (this.#servedAtMs.get(newcomer.peer) ?? -Infinity) < HAND_OVER_PAUSE_MS) return;
    this.#servedAtMs.delete(newcomer.peer);
    this.#servedAtMs.set(newcomer.peer, nowMs);
    if (this.#servedAtMs.size > MAX_SERVED) this.#servedAtMs.delete(this.#servedAtMs.keys().next().value!);
    this.parts.background.run((signal) => this.#send(newcomer, signal));
  }

  async #send(newcomer: Contact, signal: AbortSignal): Promise<void> {
    const records: WireRecord[] = [];
    let bytes = 0;
    let looked = 0;
    for (const [id, held] of this.parts.storage.all()) {
      if (++looked % KEYS_AT_ONCE === 0) await this.parts.world.clock.sleep(1, signal);
      if (!this.#isFor(newcomer, id)) continue;
      const record = wireRecordOf(id, held);
      bytes += record.value.length;
      if (bytes > MAX_HAND_OVER_BYTES) break;
      records.push(record);
    }
    for (const batch of batchesOf(records)) await this.parts.store(newcomer.peer, batch, signal);
  }

  /** We have no neighbours, or the newcomer is nearer than the farthest of 5 and we are nearer than all of them. */
  #isFor(newcomer: Contact, id: DhtId): boolean {
    const neighbours = this.parts.table.nearest(id, REPLICAS, newcomer.peer);
    const [first, last] = [neighbours[0], neighbours.at(-1)];
    if (first === undefined || last === undefined) return true;
    return (newcomer.id ^ id) < (last.id ^ id) && (this.parts.self.id ^ id) < (first.id ^ id);
  }
}

/** A held record as it travels: a dictionary whole, as far as one message can carry it. */
export function wireRecordOf(id: DhtId, held: Held, inCache = false): WireRecord {
  const isValue = held.kind === "value";
  return {
    id,
    subkey: isValue ? PLAIN_SUBKEY : DICTIONARY_SUBKEY,
    value: isValue ? held.value : encodeDictionary(held.entries, MAX_REPLY_BYTES),
    expiration: held.expiration,
    inCache,
  };
}
