/**
 * Hidden states through all blocks of a model, wherever they are.
 *
 * @module
 */
import type { Activations, BlockRange, PeerId } from "../../base/tensor.ts";
import type { KvCache } from "../../compute/backend.ts";
import type { SessionEnergy } from "../report.ts";

/** Who computes which blocks. */
export interface Hop {
  readonly peerId: PeerId;
  readonly blocks: BlockRange;
  /** What the server says the session cost it so far; `undefined` where it says nothing. */
  readonly energy?: SessionEnergy | undefined;
}

/** One inference session over every block: through the swarm, or in this process. Dispose it to free its caches. */
export interface Chain extends AsyncDisposable {
  /** In the order of the blocks; it may change when a server fails. */
  readonly hops: readonly Hop[];
  /** Positions taken so far. */
  readonly position: number;
  /** What the first blocks remember, where they are in this process and in use. */
  readonly firstCache?: KvCache | undefined;
  /** Whether going back is cheap: every server forgets positions when asked to. */
  readonly canRewind: boolean;
  /**
   * Forgets positions from `position` on; the next step goes on from there. Where a server cannot forget, it is fed
   * anew with that step. Throws `RangeError` for a position that was not reached.
   */
  rewind(position: number): void;
  /**
   * Takes the next positions, embeddings `[batch, tokens, hidden]` in, last hidden states of the same shape out. One call
   * at a time. Throws `NodeError` with the peer's words, `timeout`, `not_found` (blocks nobody serves), `aborted`;
   * `RangeError` past the length the chain was opened for.
   */
  step(input: Activations, signal: AbortSignal): Promise<Activations>;
}

/** Throws `RangeError` for a position to go back to that was not reached. */
export function requireReached(position: number, reached: number): void {
  if (Number.isSafeInteger(position) && position >= 0 && position <= reached) return;
  throw new RangeError(`Cannot go back to position ${position}: the session holds ${reached}`);
}
