/**
 * What is told of the carbon of a grid.
 *
 * @module
 */

/**
 * What grams are counted. `lifecycle`: the grid's average with everything from building to fuel. `operational`: the
 * average of what leaves the chimneys. `unstated`: an average whose source does not say which of the two. `marginal`: what
 * one more kilowatt-hour causes; it steers when to run and is never booked as the footprint of what was used.
 * Sums of different methods say different things and are never added.
 */
export type IntensityMethod = "lifecycle" | "operational" | "unstated" | "marginal";

/** Methods that a footprint may be counted with. */
export type AverageMethod = Exclude<IntensityMethod, "marginal">;

/**
 * How far a figure is to be believed: `live` is the service's figure for now, `estimated` its own estimate for now,
 * `stale` its last figure, at most a day old, `yearly` the average of a whole year from the built-in table.
 */
export type IntensityQuality = "live" | "estimated" | "stale" | "yearly";

/** Carbon of one kilowatt-hour, and how it is known. */
export interface Intensity<M extends IntensityMethod = IntensityMethod> {
  /** Grams of CO2 equivalent for each kWh. */
  readonly gramsPerKwh: number;
  readonly zone: string;
  readonly quality: IntensityQuality;
  readonly method: M;
  /** Id of the service, or `table`. */
  readonly provider: string;
  /** When the figure begins to hold, Unix ms; of a yearly one the start of its year. */
  readonly atMs: number;
  /** Half width of the 95 % interval, relative. */
  readonly uncertainty: number;
  /** Renewable share of the grid's power, 0 to 1; null where it is not known. */
  readonly renewableRatio: number | null;
  /** Whom to name when the figure is shown. */
  readonly attribution: string;
}

/** An intensity, or in words why there is none and what to do. */
export type Known<T> =
  | { readonly state: "known"; readonly intensity: T }
  | { readonly state: "absent"; readonly reason: string };

/** One value of a service. */
export interface IntensityPoint {
  /** When it begins to hold, Unix ms. */
  readonly atMs: number;
  readonly gramsPerKwh: number;
}

/** What a service says of now. */
export interface LatestReading {
  readonly point: IntensityPoint;
  /** Whether it is the service's own estimate or forecast for that time. */
  readonly estimated: boolean;
  readonly renewableRatio: number | null;
}

/** What a service expects. Points in order of time, each holding until the next, the last for `periodMs`. */
export interface Forecast {
  readonly generatedAtMs: number;
  readonly periodMs: number;
  readonly points: readonly IntensityPoint[];
}

/** One service. It is asked by `intensity.ts` alone, which also waits, keeps and falls back. */
export interface IntensityProvider {
  readonly id: string;
  readonly zone: string;
  readonly method: IntensityMethod;
  /** How long a value holds: it is not asked again before. */
  readonly periodMs: number;
  /** How long after its period a value may still be the newest there is, and counts as of now. */
  readonly delayMs: number;
  /** Half width of the 95 % interval of its live figures, relative. */
  readonly uncertainty: number;
  readonly attribution: string;
  /** Throws `NodeError`; a service that asks to be left alone says for how long by {@linkcode retryAfterOf}. */
  latest(signal: AbortSignal): Promise<LatestReading>;
  /** Absent where the service has none. Throws as `latest` does. */
  readonly forecast?: (signal: AbortSignal) => Promise<Forecast>;
}

/** Largest intensity that is taken: no grid is above, and what is above is another unit. */
export const MAX_GRAMS_PER_KWH = 2000;
/** How old a value may be and still be used, marked as stale. */
export const MAX_STALE_MS = 24 * 3_600_000;
/** Most points of one forecast: three days in steps of five minutes. */
export const MAX_POINTS = 1000;
