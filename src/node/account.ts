/**
 * The books of served work.
 *
 * @module
 */
import { lengthOf, type PeerId } from "../base/tensor.ts";
import type { EnergyMeter } from "../energy/meter.ts";
import type { SessionEnergy, StepObserver, StepReport } from "../petals/report.ts";

/** Totals since the start. */
export interface Totals {
  /** Sessions that made at least one step. */
  readonly sessions: number;
  /** Answered or failed; one that its caller left, or that ended with the blocks, is neither. */
  readonly steps: number;
  readonly failedSteps: number;
  /** Positions computed. */
  readonly tokens: number;
  /** Those of them that came several at a time for each row. */
  readonly prefillTokens: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly computeMs: number;
}

/** Most session ids remembered to tell a new session from a known one. */
const MAX_SESSIONS = 4096;

/** Folds step reports into totals, and tells the meter. Called behind the reply: it never waits and never fails a step. */
export class Account implements StepObserver {
  readonly #meter: EnergyMeter | undefined;
  readonly #self: PeerId | undefined;

  #totals: Totals = {
    sessions: 0,
    steps: 0,
    failedSteps: 0,
    tokens: 0,
    prefillTokens: 0,
    bytesIn: 0,
    bytesOut: 0,
    computeMs: 0,
  };
  readonly #recent = new Set<string>();

  /** `self` tells the owner's own requests from those of others. */
  constructor({ meter, self }: { readonly meter?: EnergyMeter; readonly self?: PeerId } = {}) {
    this.#meter = meter;
    this.#self = self;
  }

  /** Totals so far. */
  get totals(): Totals {
    return this.#totals;
  }

  /** Whether a card computes the blocks that are served now. */
  onAccelerator = false;

  begin(): number | undefined {
    return this.#meter?.begin();
  }

  energyOf(session: string): SessionEnergy | undefined {
    const share = this.#meter?.session(session);
    const figure = this.#meter?.figure;
    if (share === undefined || figure === undefined || figure.scope === null || figure.kind === "none") {
      return undefined;
    }
    const { kind, scope, uncertainty } = figure;
    return { joules: Number(share.microjoules) / 1e6, tokens: share.tokens, kind, scope, uncertainty };
  }

  /** Enters one step. */
  report(step: StepReport): void {
    this.#enter(step);
    if (step.mark === undefined) return;
    const { cpuMs, session, blocks } = step;
    const tokens = step.outcome === "ok" ? step.tokens : 0;
    const peerClass = step.peer === this.#self ? "self" : "swarm";
    this.#meter?.end(step.mark, {
      cpuMs,
      onAccelerator: this.onAccelerator,
      tokens,
      blockTokens: tokens * lengthOf(blocks),
      session,
      peerClass,
    });
  }

  #enter(step: StepReport): void {
    const { outcome, session } = step;
    const sum = this.#totals;
    this.#totals = {
      sessions: sum.sessions + (this.#isNew(session) ? 1 : 0),
      steps: sum.steps + (outcome === "aborted" ? 0 : 1),
      failedSteps: sum.failedSteps + (outcome === "ok" || outcome === "aborted" ? 0 : 1),
      tokens: sum.tokens + (outcome === "ok" ? step.tokens : 0),
      prefillTokens: sum.prefillTokens + (outcome === "ok" && step.phase === "prefill" ? step.tokens : 0),
      bytesIn: sum.bytesIn + step.bytesIn,
      bytesOut: sum.bytesOut + step.bytesOut,
      computeMs: sum.computeMs + step.computeMs,
    };
  }

  #isNew(session: string | undefined): boolean {
    if (session === undefined || this.#recent.has(session)) return false;
    const oldest = this.#recent.values().next().value;
    if (this.#recent.size >= MAX_SESSIONS && oldest !== undefined) this.#recent.delete(oldest);
    this.#recent.add(session);
    return true;
  }
}
