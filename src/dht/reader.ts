/**
 * Finding records.
 *
 * @module
 */
import type { PeerId } from "../base/tensor.ts";
import { BEAM, CACHE_REFRESH_SECONDS, MAX_KEYS_PER_CALL } from "./constants.ts";
import { wireRecordOf } from "./hand_over.ts";
import type { Contact, DhtId } from "./id.ts";
import type { DhtProtocol, FindAnswer } from "./protocol.ts";
import { type Held, mergeHeld } from "./record.ts";
import { findNearest, findOrUndefined } from "./search.ts";
import { isLifePermitted } from "./storage.ts";
import { Refresher } from "./refresher.ts";

/** What is known of one key while it is searched. */
interface State {
  best: Held | undefined;
  /** Expiration of what each peer has; `-Infinity` for nothing. */
  readonly expirationByPeer: Map<PeerId, number>;
}

/**
 * Reads keys: own storage, own cache, the nearest nodes and every bootstrap; the latest of all, dictionaries merged
 * subkey by subkey. What was found is cached here and at the nearest node that lacked it.
 */
export class Reader {
  readonly #refresher: Refresher;

  constructor(readonly protocol: DhtProtocol, readonly bootstraps: () => readonly PeerId[]) {
    this.#refresher = new Refresher(protocol, async (ids, signal) => {
      const known = new Map(ids.map((id) => [id, protocol.cache.get(id)?.expiration ?? protocol.now()]));
      const wanted = (id: DhtId) => known.get(id)! + CACHE_REFRESH_SECONDS + 1;
      await this.#search(ids, wanted, signal);
    });
  }

  /** What is known of each key; absent keys are absent. */
  async get(ids: readonly DhtId[], signal: AbortSignal): Promise<ReadonlyMap<DhtId, Held>> {
    for (const id of ids) {
      const cached = this.protocol.cache.get(id);
      if (cached !== undefined) this.#refresher.schedule(id, cached.expiration - CACHE_REFRESH_SECONDS);
    }
    return await this.#search(ids, () => Infinity, signal);
  }

  /** Searches until values are found that live until `sufficient` (Unix seconds) or all nearest nodes have answered. */
  async #search(
    ids: readonly DhtId[],
    sufficient: (id: DhtId) => number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<DhtId, Held>> {
    const { storage, cache } = this.protocol;
    const states = new Map<DhtId, State>();
    for (const id of ids) {
      const state: State = { best: undefined, expirationByPeer: new Map() };
      for (const held of [storage.get(id), cache.get(id)]) {
        if (held !== undefined) state.best = mergeHeld(state.best, held);
      }
      states.set(id, state);
    }
    const onFound = (peer: PeerId, answer: FindAnswer) => note(states, peer, answer);
    const isEnough = (id: DhtId) => (states.get(id)?.best?.expiration ?? -Infinity) >= sufficient(id);
    const keys = [...states.keys()];
    const [nearest] = await Promise.all([
      findNearest(this.protocol, keys, { beam: BEAM, onFound, isEnough }, signal),
      this.#askBootstraps(keys, onFound, signal),
    ]);
    const result = new Map<DhtId, Held>();
    for (const [id, state] of states) {
      if (state.best === undefined) continue;
      result.set(id, state.best);
      this.#cacheResult(id, state.best, nearest(id), state);
    }
    return result;
  }

  async #askBootstraps(
    keys: readonly DhtId[],
    onFound: (peer: PeerId, answer: FindAnswer) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const usable = this.bootstraps().filter((peer) => !this.protocol.blacklist.has(peer));
    await Promise.all(usable.map(async (peer) => {
      for (let at = 0; at < keys.length; at += MAX_KEYS_PER_CALL) {
        const part = keys.slice(at, at + MAX_KEYS_PER_CALL);
        const answer = await findOrUndefined(this.protocol, peer, part, signal);
        if (answer === undefined) return;
        onFound(peer, answer);
      }
    }));
  }

  /** Caches here and, in the background, at the nearest node that has an older value or none. */
  #cacheResult(id: DhtId, held: Held, nearest: readonly Contact[], state: State): void {
    const { storage, cache, background } = this.protocol;
    if (!isLifePermitted(held.expiration, this.protocol.now())) return;
    const known = Math.max(storage.get(id)?.expiration ?? -Infinity, cache.get(id)?.expiration ?? -Infinity);
    if (held.expiration <= known) return;
    const parts = held.kind === "value" ? [{ ...held, subkey: undefined }] : held.entries;
    for (const { subkey, value, expiration } of parts) cache.store({ id, subkey, value, expiration });
    const lacking = nearest.find(({ peer }) =>
      (state.expirationByPeer.get(peer) ?? -Infinity) < held.expiration
    );
    if (lacking === undefined) return;
    background.run((signal) => this.protocol.store(lacking.peer, [wireRecordOf(id, held, true)], signal));
  }
}

function note(states: ReadonlyMap<DhtId, State>, peer: PeerId, answer: FindAnswer): void {
  for (const [id, { held }] of answer.found) {
    const state = states.get(id);
    if (state === undefined) continue;
    state.expirationByPeer.set(peer, held?.expiration ?? -Infinity);
    if (held !== undefined) state.best = mergeHeld(state.best, held);
  }
}
