/**
 * From readings of a counter to energy: unwrapped, monotonic, with the first reading as zero.
 *
 * @module
 */
import type { EnergyReading } from "./types.ts";

/** What happened between two readings. */
export type StepEvent = "base" | "ok" | "wrap" | "reset" | "gap" | "implausible";

/** Energy between two readings. */
export interface EnergyStep {
  readonly event: StepEvent;
  readonly microjoules: bigint;
  /** Time that this energy stands for; 0 where nothing was measured. */
  readonly measuredMs: number;
}

/** Whatever is above this is no reading of one machine; watts. */
export const MAX_MACHINE_WATTS = 2000;
/** Above this it is no machine at all, but a wrong number: a unit that is a thousand times off, a value in pieces; watts. */
export const MAX_PLAUSIBLE_WATTS = 10 * MAX_MACHINE_WATTS;
/** Readings are not taken at exact times: a machine may seem to take this much more than it can. */
const SLACK = 1.5;
/** A machine hardly ever takes so many times the most it took within the last minutes. */
const SURGE = 2.5;
/** How long the most it took is remembered: half of it after this time. */
const HALF_LIFE_MS = 60_000;
/** Readings further apart than this may have a wrap that nobody saw between them. */
const GAP_PERIODS = 5;
/** A program that was held up for less is no gap, however often it reads. */
const LEAST_GAP_MS = 2_000;

/** What is known of a counter. */
export interface CounterRules {
  /** What is added when it has begun anew; absent where it never wraps. */
  readonly maxMicrojoules?: bigint | undefined;
  /** Most power of what it measures: tells a wrap from a reset. */
  readonly maxWatts?: number;
}

/**
 * Takes the readings of one counter in order.
 *
 * A counter that went back has wrapped, or was started anew (a driver that was reloaded). It has wrapped where that
 * fits what the machine took lately; else it was reset: the period in which that happened is filled with the power
 * before it. In a gap it may have come round twice: then nothing is known.
 *
 * One that leaps ahead by more than any machine takes is not believed: the reading is passed over, so that a single wrong
 * one costs nothing. If it stays there, it counts on from there.
 */
export class CounterIntegral {
  readonly #max: bigint | undefined;
  readonly #maxWatts: number;
  #last: EnergyReading | undefined;
  #periodMs = 0;
  #brokenOff = false;
  /** Most power of late, in microwatts: it fades. */
  #peak: number | undefined;
  /** Of the last step. */
  #microwatts: number | undefined;
  /** Whether it was started anew at the last reading. */
  #wasReset = false;
  /** Whether the last reading was not believed. */
  #wasImplausible = false;

  constructor({ maxMicrojoules, maxWatts = MAX_MACHINE_WATTS }: CounterRules) {
    this.#max = maxMicrojoules;
    this.#maxWatts = maxWatts;
  }

  /**
   * Energy since the reading before, which is `periodMs` old where nothing is amiss. A reading of the same time as the
   * last one is that one: `undefined`.
   */
  add(reading: EnergyReading, periodMs: number): EnergyStep | undefined {
    const last = this.#last;
    if (last !== undefined && reading.atMs <= last.atMs) return undefined;
    const isLeap = last !== undefined && !this.#brokenOff && leaps(last, reading, periodMs);
    if (isLeap && !this.#wasImplausible) {
      this.#wasImplausible = true;
      return NOTHING("implausible");
    }
    this.#wasImplausible = false;
    this.#brokenOff ||= isLeap;
    this.#last = reading;
    if (last === undefined || this.#brokenOff) {
      this.#brokenOff = false;
      return { event: last === undefined ? "base" : "gap", microjoules: 0n, measuredMs: 0 };
    }
    const longest = Math.max(LEAST_GAP_MS, GAP_PERIODS * Math.max(periodMs, this.#periodMs));
    this.#periodMs = periodMs;
    const step = this.#between(last, reading, longest);
    if (step.event === "ok") this.#follow(step);
    this.#wasReset = step.event === "reset";
    return step;
  }

  /** How soon it comes round at the most power of late, milliseconds. */
  get wrapMs(): number {
    if (this.#max === undefined || !this.#peak) return Infinity;
    return Number(this.#max) * 1000 / this.#peak;
  }

  /** The machine slept, or the counter was started anew: the next reading is a base again. */
  breakOff(): void {
    this.#brokenOff = this.#last !== undefined;
  }

  #between(last: EnergyReading, now: EnergyReading, longestMs: number): EnergyStep {
    const measuredMs = now.atMs - last.atMs;
    const delta = now.value - last.value;
    // watts × milliseconds are thousandths of a joule
    const most = this.#maxWatts * measuredMs * 1000;
    const likely = Math.min(SLACK * most, SURGE * (this.#peak ?? Infinity) * measuredMs / 1000);
    if (this.#max !== undefined && measuredMs > longestMs && likely > Number(this.#max)) {
      return NOTHING("gap");
    }
    // back where it was: what seemed to be a reset was a reading that failed
    if (this.#wasReset && Number(delta) > likely) return NOTHING("gap");
    if (delta >= 0n) return { event: "ok", microjoules: delta, measuredMs };
    const unwrapped = this.#max === undefined ? undefined : delta + this.#max;
    if (unwrapped !== undefined && unwrapped >= 0n && Number(unwrapped) <= likely) {
      return { event: "wrap", microjoules: unwrapped, measuredMs };
    }
    return {
      event: "reset",
      microjoules: this.#duringReset(now, measuredMs, { likely, longestMs }),
      measuredMs: 0,
    };
  }

  /** What it shows since, and for the rest of a usual period the power before; not measured, so no time counts. */
  #duringReset(now: EnergyReading, ms: number, limits: { likely: number; longestMs: number }): bigint {
    if (this.#microwatts === undefined) return 0n;
    const since = Number(now.value) <= limits.likely ? now.value : 0n;
    const before = ms <= limits.longestMs ? BigInt(Math.round(this.#microwatts * ms / 1000)) : 0n;
    return since > before ? since : before;
  }

  #follow({ microjoules, measuredMs }: EnergyStep): void {
    const microwatts = Number(microjoules) * 1000 / measuredMs;
    this.#microwatts = microwatts;
    this.#peak = Math.max(microwatts, (this.#peak ?? 0) * 0.5 ** (measuredMs / HALF_LIFE_MS));
  }
}

/** A counter may be renewed as seldom as its period. */
const leaps = (last: EnergyReading, now: EnergyReading, periodMs: number): boolean =>
  Number(now.value - last.value) > MAX_PLAUSIBLE_WATTS * 1000 * Math.max(now.atMs - last.atMs, periodMs);

const NOTHING = (event: "gap" | "implausible"): EnergyStep => ({ event, microjoules: 0n, measuredMs: 0 });
