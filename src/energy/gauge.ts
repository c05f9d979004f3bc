/**
 * From readings of power to energy: the trapezoid between two readings, and no bridge over gaps.
 *
 * Where it is known that the power changes at once, because a step begins or ends, the trapezoid would cut the corner:
 * up to such an edge the power is taken to have stayed as it was, and after it to have been at once what it is then.
 *
 * @module
 */
import { type EnergyStep, MAX_PLAUSIBLE_WATTS } from "./counter.ts";
import type { EnergyReading } from "./types.ts";

/** Readings further apart than this many periods do not tell what lay between them. */
const GAP_PERIODS = 5;
/** A program that was held up for less is no gap, however often it reads. */
const LEAST_GAP_MS = 2_000;

const MAX_MICROWATTS = BigInt(MAX_PLAUSIBLE_WATTS) * 1_000_000n;

/** Takes the readings of one gauge in order. */
export class GaugeIntegral {
  #last: EnergyReading | undefined;
  #periodMs = 0;
  #brokenOff = false;
  /** Below one microjoule: carried to the next step. */
  #rest = 0;
  #wasEdge = false;

  /**
   * Energy since the reading before, which is `periodMs` old where nothing is amiss; `undefined` for the same reading.
   * With `edge` a step begins or ends now. What is below 0 counts as 0: power that was given away is no credit.
   */
  add({ atMs, value }: EnergyReading, periodMs: number, edge = false): EnergyStep | undefined {
    const last = this.#last;
    if (value > MAX_MICROWATTS) return { event: "implausible", microjoules: 0n, measuredMs: 0 };
    const reading = { atMs, value: value < 0n ? 0n : value };
    if (last !== undefined && reading.atMs <= last.atMs) return undefined;
    // the rate may have just changed: the slower one counts
    const longest = Math.max(LEAST_GAP_MS, GAP_PERIODS * Math.max(periodMs, this.#periodMs));
    this.#periodMs = periodMs;
    this.#last = reading;
    const wasEdge = this.#wasEdge;
    this.#wasEdge = edge;
    if (last === undefined) return { event: "base", microjoules: 0n, measuredMs: 0 };
    const measuredMs = reading.atMs - last.atMs;
    if (this.#brokenOff || measuredMs > longest) {
      this.#brokenOff = false;
      return { event: "gap", microjoules: 0n, measuredMs: 0 };
    }
    const twice = edge ? 2n * last.value : wasEdge ? 2n * reading.value : last.value + reading.value;
    // microwatts × milliseconds are nanojoules
    const exact = Number(twice) * measuredMs / 2000 + this.#rest;
    const whole = Math.floor(exact);
    this.#rest = exact - whole;
    return { event: "ok", microjoules: BigInt(whole), measuredMs };
  }

  /** The machine slept: the next reading is a base again. */
  breakOff(): void {
    this.#brokenOff = this.#last !== undefined;
  }
}
