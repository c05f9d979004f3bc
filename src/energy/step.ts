/**
 * A step in time, and the processor time it took.
 *
 * @module
 */

/** What a finished step was. */
export interface StepSpent {
  /** Processor time of the engine; `undefined` where it was not counted: then the step is taken to have used one core. */
  readonly cpuMs: number | undefined;
  /** Whether a card computed it. */
  readonly onAccelerator?: boolean;
  /** Positions computed. */
  readonly tokens: number;
  /** Positions times blocks. */
  readonly blockTokens: number;
  readonly session?: string | undefined;
  /** Who asked, as a class: never a peer's id. */
  readonly peerClass: string;
}

/** A step that is under way or has ended. */
export interface Step {
  readonly startMs: number;
  endMs: number | undefined;
  spent: StepSpent | undefined;
}

/** Milliseconds that a step and a window have in common. */
export const overlapOf = ({ startMs, endMs }: Step, fromMs: number, toMs: number): number =>
  Math.max(0, Math.min(toMs, endMs ?? Infinity) - Math.max(fromMs, startMs));

/** Processor time of a step within a window; a step that has not ended is taken to keep one core busy. */
export function cpuWithin(step: Step, fromMs: number, toMs: number): number {
  const { startMs, endMs, spent } = step;
  const overlap = overlapOf(step, fromMs, toMs);
  if (overlap === 0 || endMs === undefined || spent?.cpuMs === undefined) return overlap;
  return spent.cpuMs * overlap / (endMs - startMs);
}
