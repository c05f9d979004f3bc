/**
 * Which calls of strangers get a place.
 *
 * @module
 */
import type { PeerId } from "../base/tensor.ts";

/** A place. Dispose it when the call is over. */
export interface Place extends Disposable {
  /** The first request is whole: from now on nobody else gets this place. */
  begun(): void;
}

interface Waiting {
  readonly end: () => void;
  readonly leave: () => void;
}

/**
 * Bounds the calls served at one time, of all peers and of each. When full, a newcomer takes the place of a call that
 * has asked nothing yet: the oldest one of its own peer, or of the peer that has most of them.
 */
export class InboundCalls {
  #count = 0;
  readonly #ofPeer = new Map<PeerId, { count: number; readonly waiting: Set<Waiting> }>();

  constructor(readonly limit: number, readonly perPeer: number) {}

  /** Calls that have a place. */
  get count(): number {
    return this.#count;
  }

  /** A place for a call of `peer`, or `undefined` where all are at work. `end` drops the call while it asked nothing. */
  admit(peer: PeerId, end: () => void): Place | undefined {
    const known = this.#ofPeer.get(peer);
    if (known !== undefined && known.count >= this.perPeer) {
      if (!endOldest(known.waiting)) return undefined;
    } else if (this.#count >= this.limit && !endOldest(this.#mostWaiting())) return undefined;
    const calls = this.#ofPeer.get(peer) ?? { count: 0, waiting: new Set<Waiting>() };
    this.#ofPeer.set(peer, calls);
    this.#count++;
    calls.count++;
    let placed = true;
    const leave = () => {
      if (!placed) return;
      placed = false;
      this.#count--;
      calls.waiting.delete(waiting);
      if (--calls.count === 0) this.#ofPeer.delete(peer);
    };
    const waiting: Waiting = { end, leave };
    calls.waiting.add(waiting);
    return { begun: () => void calls.waiting.delete(waiting), [Symbol.dispose]: leave };
  }

  #mostWaiting(): Set<Waiting> {
    let most = new Set<Waiting>();
    for (const { waiting } of this.#ofPeer.values()) if (waiting.size > most.size) most = waiting;
    return most;
  }
}

function endOldest(waiting: ReadonlySet<Waiting>): boolean {
  for (const oldest of waiting) {
    oldest.leave();
    oldest.end();
    return true;
  }
  return false;
}
