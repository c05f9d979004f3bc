/**
 * How many may work at once, and who waits.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { PeerId } from "../../base/tensor.ts";

/** What a gate allows. */
export interface GateLimits {
  readonly atOnce: number;
  readonly waiting: number;
  readonly waitingOfPeer: number;
}

/** Lets a few in, keeps the others in the order they came, and turns away whom there is no room for. */
export class Gate {
  #inside = 0;
  readonly #queue: { readonly peer: PeerId; readonly enter: () => void }[] = [];
  constructor(readonly limits: GateLimits) {}

  /** Enters for `peer`; dispose to leave. Throws `NodeError` `busy`, or the signal's reason. */
  async enter(peer: PeerId, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#inside < this.limits.atOnce) this.#inside++;
    else await this.#wait(peer, signal);
    let inside = true;
    return {
      [Symbol.dispose]: () => {
        if (!inside) return;
        inside = false;
        const next = this.#queue.shift();
        if (next === undefined) this.#inside--;
        else next.enter();
      },
    };
  }

  async #wait(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { waiting, waitingOfPeer } = this.limits;
    const ofPeer = this.#queue.filter((entry) => entry.peer === peer).length;
    if (this.#queue.length >= waiting || ofPeer >= waitingOfPeer) {
      throw new NodeError("busy", "Cannot take another request: too many wait, wanted fewer at once");
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = { peer, enter: resolve };
    this.#queue.push(entry);
    const leave = () => {
      const place = this.#queue.indexOf(entry);
      if (place < 0) return; // inside already
      this.#queue.splice(place, 1);
      reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}
