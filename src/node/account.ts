/**
 * The books of served work.
 *
 * @module
 */
import type { StepReport } from "../petals/report.ts";

/** Totals since the start. */
export interface Totals {
  /** Sessions that made at least one step. */
  readonly sessions: number;
  readonly steps: number;
  readonly failedSteps: number;
  /** Positions computed. */
  readonly tokens: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly computeMs: number;
}

/** Most session ids remembered to tell a new session from a known one. */
const MAX_SESSIONS = 4096;

/** Folds step reports into totals. Called behind the reply: it never waits and never fails a step. */
export class Account {
  #totals: Totals = {
    sessions: 0,
    steps: 0,
    failedSteps: 0,
    tokens: 0,
    bytesIn: 0,
    bytesOut: 0,
    computeMs: 0,
  };
  readonly #recent = new Set<string>();

  /** Totals so far. */
  get totals(): Totals {
    return this.#totals;
  }

  /** Enters one step. */
  readonly report = (step: StepReport): void => {
    const { outcome, session } = step;
    const sum = this.#totals;
    this.#totals = {
      sessions: sum.sessions + (this.#isNew(session) ? 1 : 0),
      steps: sum.steps + 1,
      failedSteps: sum.failedSteps + (outcome === "ok" ? 0 : 1),
      tokens: sum.tokens + (outcome === "ok" ? step.tokens : 0),
      bytesIn: sum.bytesIn + step.bytesIn,
      bytesOut: sum.bytesOut + step.bytesOut,
      computeMs: sum.computeMs + step.computeMs,
    };
  };

  #isNew(session: string | undefined): boolean {
    if (session === undefined || this.#recent.has(session)) return false;
    const oldest = this.#recent.values().next().value;
    if (this.#recent.size >= MAX_SESSIONS && oldest !== undefined) this.#recent.delete(oldest);
    this.#recent.add(session);
    return true;
  }
}
