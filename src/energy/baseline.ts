/**
 * What the machine takes when it does nothing: the 5th percentile of quiet moments of the last day. It may move both
 * ways; a running minimum would stick to one freak reading for ever.
 *
 * @module
 */

const HOUR_MS = 3_600_000;
/** Hours kept. */
const HOURS = 24;
/** Fewer quiet moments than this tell nothing. */
const LEAST_MOMENTS = 30;
/** A known baseline is worked out anew after so many. */
const RENEW_MOMENTS = 20;
const PERCENTILE = 0.05;
/** Width of a class of the histogram: 0.5 %. */
const STEP = Math.log(1.005);

/** Quiet moments by hour, each hour a histogram on a logarithmic scale. */
export class IdleBaseline {
  readonly #hours = new Map<number, Map<number, number>>();
  #known: number | undefined;
  /** Moments since it was worked out. */
  #news = 0;

  /** A quiet moment: none of our steps, and hardly anything else. `atMs` is monotonic. */
  add(atMs: number, microwatts: number): void {
    if (!(microwatts > 0)) return;
    const hour = Math.floor(atMs / HOUR_MS);
    let histogram = this.#hours.get(hour);
    if (histogram === undefined) {
      for (const old of this.#hours.keys()) if (old <= hour - HOURS) this.#hours.delete(old);
      histogram = new Map();
      this.#hours.set(hour, histogram);
    }
    const place = Math.round(Math.log(microwatts) / STEP);
    histogram.set(place, (histogram.get(place) ?? 0) + 1);
    this.#news++;
  }

  /** Microwatts of the idle machine; `undefined` until enough quiet moments were seen. */
  microwatts(): number | undefined {
    const isDue = this.#known === undefined ? this.#news > 0 : this.#news >= RENEW_MOMENTS;
    if (isDue) {
      this.#known = this.#percentile();
      this.#news = 0;
    }
    return this.#known;
  }

  #percentile(): number | undefined {
    const all = new Map<number, number>();
    let moments = 0;
    for (const histogram of this.#hours.values()) {
      for (const [place, count] of histogram) {
        all.set(place, (all.get(place) ?? 0) + count);
        moments += count;
      }
    }
    if (moments < LEAST_MOMENTS) return undefined;
    let left = Math.ceil(PERCENTILE * moments);
    for (const place of [...all.keys()].sort((a, b) => a - b)) {
      left -= all.get(place)!;
      if (left <= 0) return Math.exp(place * STEP);
    }
    return undefined;
  }
}
