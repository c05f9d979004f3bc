/**
 * Whole hours of production, from a counter of a device's life: integers of milliwatt-hours, rounded down, and nothing
 * in an hour in which it may not have been made.
 *
 * @module
 */
import { HOUR_MS, hourOf } from "../certificates/quantities.ts";

/** One UTC hour that has ended. */
export interface ProducedHour {
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly milliwattHours: bigint;
  /** Time that the counter was followed by the hour, 0 to 1. */
  readonly coverage: number;
  /** What the whole site used, rounded up; absent where that was not measured nearly all the time. */
  readonly siteMilliwattHours?: bigint;
}

/** Between answers further apart it is not known in which hour something was made. */
const MAX_GAP_MS = 600_000;
/** More than this is a counter that was set. */
const MAX_WATTS = 1_000_000n;
/** With less of the hour measured, what the site used is not told. */
const LEAST_COVERAGE = 0.95;
/** Hours kept until they are taken: two days. */
const MAX_HOURS = 48;
/** Answers about an hour may come this much after its end. */
const LATE_MS = MAX_GAP_MS;

interface OpenHour {
  milliwattHours: bigint;
  coveredMs: number;
  siteMilliwattHours: number;
  siteMs: number;
}

/** Takes the answers of one device in order of time. */
export class ProductionHours {
  #last: { readonly wallMs: number; readonly milliwattHours: bigint } | undefined;
  #site: { readonly wallMs: number; readonly watts: number } | undefined;
  /** By the time they start, in order. */
  readonly #hours = new Map<number, OpenHour>();

  /** The counter at `wallMs`, Unix milliseconds. */
  add(wallMs: number, milliwattHours: bigint): void {
    const last = this.#last;
    if (last !== undefined && wallMs <= last.wallMs) {
      // the clock was set back: what lies between belongs to no hour
      if (last.wallMs - wallMs > MAX_GAP_MS) this.#last = { wallMs, milliwattHours };
      return;
    }
    this.#last = { wallMs, milliwattHours };
    if (last === undefined) return;
    const made = milliwattHours - last.milliwattHours, elapsedMs = wallMs - last.wallMs;
    const most = MAX_WATTS * 1000n * BigInt(Math.ceil(elapsedMs)) / BigInt(HOUR_MS);
    if (made < 0n || made > most) return;
    const acrossHours = hourOf(last.wallMs) !== hourOf(wallMs);
    if (acrossHours && elapsedMs > MAX_GAP_MS) return;
    this.#spread(last.wallMs, wallMs, made);
  }

  /** What the site uses at `wallMs`, watts. */
  addSite(wallMs: number, watts: number): void {
    const last = this.#site;
    if (last !== undefined && wallMs <= last.wallMs && last.wallMs - wallMs <= MAX_GAP_MS) return;
    this.#site = { wallMs, watts };
    if (last === undefined || wallMs <= last.wallMs || wallMs - last.wallMs > MAX_GAP_MS) return;
    for (const [fromMs, toMs] of parts(last.wallMs, wallMs)) {
      const hour = this.#hourAt(fromMs);
      hour.siteMilliwattHours += (last.watts + watts) / 2 * (toMs - fromMs) / 3600;
      hour.siteMs += toMs - fromMs;
    }
  }

  /** Hours that have ended some minutes before `nowMs`, Unix milliseconds, each once. */
  take(nowMs: number): ProducedHour[] {
    const ended = [...this.#hours].filter(([startMs]) => startMs + HOUR_MS + LATE_MS <= nowMs);
    for (const [startMs] of ended) this.#hours.delete(startMs);
    return ended.filter(([, { coveredMs }]) => coveredMs > 0).map(([startMs, hour]) => endOf(startMs, hour));
  }

  #spread(startMs: number, endMs: number, made: bigint): void {
    let given = 0n;
    for (const [fromMs, toMs] of parts(startMs, endMs)) {
      const share = toMs === endMs
        ? made - given
        : made * BigInt(Math.round(toMs - fromMs)) / BigInt(Math.max(1, Math.round(endMs - startMs)));
      given += share;
      const hour = this.#hourAt(fromMs);
      hour.milliwattHours += share;
      hour.coveredMs += toMs - fromMs;
    }
  }

  #hourAt(wallMs: number): OpenHour {
    const startMs = hourOf(wallMs);
    const known = this.#hours.get(startMs);
    if (known !== undefined) return known;
    const hour = { milliwattHours: 0n, coveredMs: 0, siteMilliwattHours: 0, siteMs: 0 };
    this.#hours.set(startMs, hour);
    if (this.#hours.size > MAX_HOURS) this.#hours.delete(Math.min(...this.#hours.keys()));
    return hour;
  }
}

function endOf(
  startMs: number,
  { milliwattHours, coveredMs, siteMilliwattHours, siteMs }: OpenHour,
): ProducedHour {
  const siteKnown = siteMs >= LEAST_COVERAGE * HOUR_MS;
  return {
    startMs,
    endMs: startMs + HOUR_MS,
    milliwattHours,
    coverage: Math.min(1, coveredMs / HOUR_MS),
    // the minutes that were not measured are filled like the others: more use is less share
    ...(siteKnown ? { siteMilliwattHours: BigInt(Math.ceil(siteMilliwattHours * HOUR_MS / siteMs)) } : {}),
  };
}

/** A stretch of time, cut at whole hours. */
function* parts(startMs: number, endMs: number): Generator<[number, number]> {
  for (let fromMs = startMs; fromMs < endMs;) {
    const toMs = Math.min(endMs, hourOf(fromMs) + HOUR_MS);
    yield [fromMs, toMs];
    fromMs = toMs;
  }
}
