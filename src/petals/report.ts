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
  /** `decode` is one new token for each row, `prefill` are several. */
  readonly phase: "prefill" | "decode";
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Unix ms when the request was read. */
  readonly startedAtMs: number;
  /** Time in the engine and its queue, monotonic. */
  readonly computeMs: number;
  /** Processor time of the engine over all its threads; `undefined` where it does not count it. */
  readonly cpuMs: number | undefined;
  /** What {@linkcode StepObserver.begin} gave; `undefined` for a step that never reached the engine. */
  readonly mark: number | undefined;
  readonly outcome: "ok" | ErrorCode;
}

/** What is found out about a step while it is done. */
export type StepWork = {
  -readonly [K in "tokens" | "phase" | "computeMs" | "bytesOut" | "cpuMs" | "mark"]: StepReport[K];
};

/** A step of which nothing is known yet. */
export const noWork = (): StepWork => ({
  tokens: 0,
  phase: "decode",
  computeMs: 0,
  bytesOut: 0,
  cpuMs: undefined,
  mark: undefined,
});

/** Adds processor time of a part of the step. */
export function addCpu(work: StepWork, cpuMs: number): void {
  work.cpuMs = (work.cpuMs ?? 0) + cpuMs;
}

/** Who is told of steps. Neither call waits, and what they throw is logged: they cannot slow or fail a reply. */
export interface StepObserver {
  /** A step is handed to the engine. The number comes back in its report. */
  begin(): number | undefined;
  /** A step has ended, its reply is about to go out. */
  report(step: StepReport): void;
  /** What a session's finished steps took, for a caller that asks for it; `undefined` where nothing is known. */
  energyOf?(session: string): SessionEnergy | undefined;
}

/** Energy of a session's steps, as far as it is known by now: the last ones are still being shared out. */
export interface SessionEnergy {
  /** Over what the machine takes when it is idle. */
  readonly joules: number;
  /** Positions these joules stand for. */
  readonly tokens: number;
  readonly kind: "measured" | "modelled" | "mixed";
  readonly scope: string;
  /** Half width of the 95 % interval, relative; null where it is not known. */
  readonly uncertainty: number | null;
}
