/**
 * One server's part of a session, as the chain sees it.
 *
 * @module
 */
import type { Activations, BlockRange } from "../../base/tensor.ts";
import type { KvCache } from "../../compute/backend.ts";
import type { NextServer } from "../wire/metadata.ts";
import type { SwarmServer } from "./announced.ts";
import type { Hop } from "./chain.ts";

/** What goes with the hidden states of one step. */
export interface HopStep {
  /** The same for every server of a step, so that pushed and sent copies are known as one. */
  readonly stepId: string;
  /** Open sessions further down the chain, nearest first: the server may push its output there. */
  readonly next: readonly NextServer[];
  /** Positions from here on are forgotten first. */
  readonly startFrom?: number | undefined;
}

/** An open session at one server. Disposing it ends the session; that never throws. */
export interface OpenHop extends Hop, AsyncDisposable {
  /** What earlier servers may push to; `undefined` until the first step was answered, and for blocks in this process. */
  readonly pushTo: NextServer | undefined;
  /** What its blocks remember, where they are in this process. */
  readonly cache?: KvCache;
  /**
   * Its blocks over the next positions; same shape out, every value finite. Throws `NodeError` that names the peer:
   * `malformed` for an answer that is none, else as `Rpc` does, or the signal's reason. After a failure it is of no use.
   */
  step(input: Activations, step: HopStep, signal: AbortSignal): Promise<Activations>;
}

/** How much a session will hold. */
export interface SessionSize {
  readonly batch: number;
  /** Positions of each row at most: prompt and new tokens. */
  readonly maxLength: number;
  /** How long a server may let it wait for memory, in milliseconds; not at all without it. */
  readonly allocationMs?: number;
}

/** Opens a session over `blocks` of a server. Throws `NodeError` as `Rpc` does. */
export type OpenHopAt = (
  server: SwarmServer,
  blocks: BlockRange,
  size: SessionSize,
  signal: AbortSignal,
) => Promise<OpenHop>;
