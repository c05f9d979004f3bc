/**
 * From readings of a counter to energy: unwrapped, monotonic, with the first reading as zero.
 *
 * @module
 */
import type { EnergyReading } from "./types.ts";

/** What happened between two readings. */
export type StepEvent = "base" | "ok" | "wrap" | "reset" | "gap";

/** Energy between two readings. */
export interface EnergyStep {
  readonly event: StepEvent;
  readonly microjoules: bigint;
  /** Time that this energy stands for; 0 where nothing was measured. */
  readonly measuredMs: number;
}

/** Whatever is above this is no reading of one machine; watts. */
export const MAX_MACHINE_WATTS = 2000;
/** A wrap may come with this much more than the machine can take: readings are not taken at exact times. */
const SLACK = 1.5;

/** What is known of a counter. */
export interface CounterRules {
  /** What is added when it has begun anew; absent where it never wraps. */
  readonly maxMicrojoules?: bigint | undefined;
  /** Most power of what it measures: tells a wrap from a reset. */
  readonly maxWatts?: number;
}

/** Takes the readings of one counter in order. */
export class CounterIntegral {
  readonly #max: bigint | undefined;
  readonly #maxWatts: number;
  #last: EnergyReading | undefined;
  #brokenOff = false;

  constructor({ maxMicrojoules, maxWatts = MAX_MACHINE_WATTS }: CounterRules) {
    this.#max = maxMicrojoules;
    this.#maxWatts = maxWatts;
  }

  /** Energy since the reading before. A reading of the same time as the last one is that one: `undefined`. */
  add(reading: EnergyReading): EnergyStep | undefined {
    const last = this.#last;
    if (last !== undefined && reading.atMs <= last.atMs) return undefined;
    this.#last = reading;
    if (last === undefined || this.#brokenOff) {
      this.#brokenOff = false;
      return { event: last === undefined ? "base" : "gap", microjoules: 0n, measuredMs: 0 };
    }
    return this.#between(last, reading);
  }

  /** The machine slept, or the counter was started anew: the next reading is a base again. */
  breakOff(): void {
    this.#brokenOff = this.#last !== undefined;
  }

  #between(last: EnergyReading, now: EnergyReading): EnergyStep {
    const measuredMs = now.atMs - last.atMs;
    const delta = now.value - last.value;
    // watts × milliseconds are thousandths of a joule
    const most = this.#maxWatts * measuredMs * 1000;
    // it may have come round more than once
    if (this.#max !== undefined && most > Number(this.#max)) return NOTHING("gap");
    if (delta >= 0n) return { event: "ok", microjoules: delta, measuredMs };
    if (this.#max === undefined) return NOTHING("reset");
    const unwrapped = delta + this.#max;
    return unwrapped >= 0n && Number(unwrapped) <= most * SLACK
      ? { event: "wrap", microjoules: unwrapped, measuredMs }
      : NOTHING("reset");
  }
}

const NOTHING = (event: "gap" | "reset"): EnergyStep => ({ event, microjoules: 0n, measuredMs: 0 });
