/**
 * Peers that did not answer.
 *
 * @module
 */
import type { PeerId } from "../base/tensor.ts";
import type { Clock } from "../base/world.ts";
import { BLACKLIST_MS } from "./constants.ts";

/** Longest time a peer is left alone. */
const MAX_BAN_MS = 5 * 60_000;
/** Peers remembered; the oldest is forgotten first. */
const MAX_PEERS = 4_096;

/** Leaves failing peers alone for 5 s × 2^failures (hivemind `Blacklist`); an answer clears them. */
export class Blacklist {
  readonly #banned = new Map<PeerId, { failures: number; untilMs: number }>();

  constructor(readonly clock: Pick<Clock, "monotonic">) {}

  /** Whether `peer` should not be called now. */
  has(peer: PeerId): boolean {
    const ban = this.#banned.get(peer);
    return ban !== undefined && ban.untilMs > this.clock.monotonic();
  }

  /** Notes a failure; further ones during the ban do not count. */
  failed(peer: PeerId): void {
    if (this.has(peer)) return;
    const failures = this.#banned.get(peer)?.failures ?? 0;
    const banMs = Math.min(BLACKLIST_MS * 2 ** failures, MAX_BAN_MS);
    this.#banned.delete(peer);
    this.#banned.set(peer, { failures: failures + 1, untilMs: this.clock.monotonic() + banMs });
    if (this.#banned.size > MAX_PEERS) this.#banned.delete(this.#banned.keys().next().value!);
  }

  /** Notes an answer. */
  answered(peer: PeerId): void {
    this.#banned.delete(peer);
  }
}
