/**
 * How many bytes of requests are held at once.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { PeerId } from "../../base/tensor.ts";

/** Counts bytes by peer, so that one of them cannot take all. */
export class ByteBudget {
  #held = 0;
  readonly #byPeer = new Map<PeerId, number>();
  constructor(readonly total: number, readonly ofPeer: number) {}

  /** Bytes held. */
  get held(): number {
    return this.#held;
  }

  /** Holds `bytes` for `peer` until disposed. Throws `NodeError` `busy`. */
  hold(peer: PeerId, bytes: number): Disposable {
    const before = this.#byPeer.get(peer) ?? 0;
    if (this.#held + bytes > this.total || before + bytes > this.ofPeer) {
      throw new NodeError("busy", `Cannot take ${bytes} bytes more of requests: others are being worked on`);
    }
    this.#held += bytes;
    this.#byPeer.set(peer, before + bytes);
    let holding = true;
    return {
      [Symbol.dispose]: () => {
        if (!holding) return;
        holding = false;
        this.#held -= bytes;
        const left = this.#byPeer.get(peer)! - bytes;
        if (left > 0) this.#byPeer.set(peer, left);
        else this.#byPeer.delete(peer);
      },
    };
  }
}
