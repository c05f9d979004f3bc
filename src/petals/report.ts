/**
 * The one fact that a served step leaves behind.
 *
 * @module
 */
import type { ErrorCode } from "../base/errors.ts";
import type { BlockRange, PeerId } from "../base/tensor.ts";

/** From this, energy, receipts, audit and metrics are derived. Holds no content, only sizes. */
export interface StepReport {
  readonly method: "inference" | "forward";
  readonly session: string | undefined;
  readonly peer: PeerId;
  readonly blocks: BlockRange;
  /** Positions computed: batch times new tokens. */
  readonly tokens: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Unix ms when the request was read. */
  readonly startedAtMs: number;
  /** Time in the engine and its queue, monotonic. */
  readonly computeMs: number;
  readonly outcome: "ok" | ErrorCode;
}
