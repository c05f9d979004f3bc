/**
 * Memory that strangers may make this node hold.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";

/** Counts bytes held for peers: read ahead, in unfinished messages, in requests at work and in answers under way. */
export class ByteBudget {
  #held = 0;
  readonly #byPeer = new Map<PeerId, number>();

  /** At most `limit` bytes for all peers together and `perPeer` for each. */
  constructor(readonly limit: number, readonly perPeer: number) {}

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  /** A part of the budget that starts empty. Dispose it when nothing is held any more. */
  open(peer: PeerId): ByteShare {
    return new ByteShare((difference) => this.#change(peer, difference));
  }

  #change(peer: PeerId, difference: number): void {
    const ofPeer = (this.#byPeer.get(peer) ?? 0) + difference;
    if (difference > 0) {
      if (ofPeer > this.perPeer) throw full(`those of one peer hold ${this.perPeer}`);
      if (this.#held + difference > this.limit) throw full(`those of all peers hold ${this.limit}`);
    }
    this.#held += difference;
    if (ofPeer === 0) this.#byPeer.delete(peer);
    else this.#byPeer.set(peer, ofPeer);
  }
}

/** What one owner holds. */
export class ByteShare implements Disposable {
  #bytes = 0;
  #open = true;

  constructor(readonly change: (difference: number) => void) {}

  /** Bytes counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Notes that `bytes` are held now. Throws `NodeError` `busy` where they do not fit; the share stays as it was then.
   * Once disposed it counts no more: a handler may outlive its call.
   */
  hold(bytes: number): void {
    if (bytes === this.#bytes || !this.#open) return;
    this.change(bytes - this.#bytes);
    this.#bytes = bytes;
  }

  [Symbol.dispose](): void {
    this.hold(0);
    this.#open = false;
  }
}

const full = (what: string) =>
  new NodeError("busy", `Cannot take more bytes: ${what} already, try again later`);
