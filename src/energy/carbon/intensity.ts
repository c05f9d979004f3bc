/**
 * The carbon of this node's grid: what a service says, else what it said within a day, else the built-in average of a
 * year, else nothing, each with its label. A service is asked in the background and only if the operator named one.
 *
 * @module
 */
import type { Table } from "../../base/database.ts";
import { messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import { keepTold, loadTold, NOTHING_TOLD, type Told, withReading } from "./cache.ts";
import { openPoll } from "./poll.ts";
import {
  type AverageMethod,
  type Forecast,
  type Intensity,
  type IntensityMethod,
  type IntensityProvider,
  type IntensityQuality,
  type Known,
  type LatestReading,
  MAX_STALE_MS,
} from "./types.ts";
import { yearlyIntensity } from "./yearly_table.ts";

/** A forecast, and whose. */
export interface GridForecast extends Forecast {
  readonly zone: string;
  readonly method: IntensityMethod;
  readonly provider: string;
  readonly attribution: string;
}

/** The carbon of the grid. Dispose to stop asking and keep what is known. */
export interface CarbonIntensity extends AsyncDisposable {
  /** As the operator named it. */
  readonly zone: string | undefined;
  /** Other names that mean the same zone: what the service calls it. */
  readonly names: readonly string[];
  /** The average of now, for books. */
  current(): Known<Intensity<AverageMethod>>;
  /** What one more kilowatt-hour causes now, where a service tells: to choose times by. */
  marginal(): Intensity<"marginal"> | undefined;
  /** What is expected from now on; `undefined` without a forecast. */
  forecast(): GridForecast | undefined;
  /** Values of the service over the last day, with how long each holds. Never yearly ones. */
  observed(): { readonly readings: readonly LatestReading[]; readonly periodMs: number };
  /** Why the service gives nothing now; `undefined` where it does, or where none is asked. */
  readonly trouble: string | undefined;
  /** Resolves when the service has been asked once, or at once where none is. */
  readonly asked: Promise<void>;
}

/** What it is made of. */
export interface IntensityOptions {
  readonly zone: string | undefined;
  readonly provider: IntensityProvider | undefined;
  /** Where answers are kept over a restart. */
  readonly table: Table;
}

/** Bounds of how often is asked: a value holds so long. */
const MIN_PERIOD_MS = 5 * 60_000;
const MAX_PERIOD_MS = 60 * 60_000;
const MIN_FORECAST_PERIOD_MS = 30 * 60_000;
/** Time between notes to the table: a memory card lives by it, and what is lost can be asked again. */
const KEEP_MS = 6 * 3_600_000;
/** What each hour of age adds to the uncertainty of a value: grids swing with sun and wind. */
const STALE_PER_HOUR = 0.03;

/** Opens the carbon of `zone`. Returns at once; a service is asked in the background. */
export function openIntensity(world: World, options: IntensityOptions): CarbonIntensity {
  return new GridCarbon(world, options);
}

class GridCarbon implements CarbonIntensity {
  readonly zone: string | undefined;
  readonly names: readonly string[];
  readonly asked: Promise<void>;
  readonly #world: World;
  readonly #provider: IntensityProvider | undefined;
  readonly #table: Table;
  readonly #end = new AbortController();
  readonly #polls: readonly { readonly ended: Promise<void> }[];
  #told: Told;
  #trouble: string | undefined;
  #keptAtMs: number;

  constructor(world: World, { zone, provider, table }: IntensityOptions) {
    this.#world = world;
    this.#provider = provider;
    this.#table = table;
    this.zone = zone ?? provider?.zone;
    this.names = [...new Set([zone, provider?.zone].filter((name) => name !== undefined))];
    this.#told = provider === undefined ? NOTHING_TOLD : loadTold(table, provider, world.clock.now());
    this.#keptAtMs = world.clock.monotonic();
    const first = Promise.withResolvers<void>();
    this.asked = first.promise;
    if (provider === undefined) first.resolve();
    this.#polls = provider === undefined ? [] : this.#ask(provider, first.resolve);
  }

  #ask(provider: IntensityProvider, asked: () => void) {
    const periodMs = Math.min(MAX_PERIOD_MS, Math.max(MIN_PERIOD_MS, provider.periodMs));
    const latest = openPoll(this.#world, {
      periodMs,
      knownMs: this.#ageOf(this.#told.latest?.point.atMs),
      ask: async (signal) => this.#take(await provider.latest(signal)),
      onResult: (error) => {
        this.#onResult(error);
        if (provider.forecast === undefined) asked();
      },
    }, this.#end.signal);
    if (provider.forecast === undefined) return [latest];
    const forecast = openPoll(this.#world, {
      periodMs: Math.max(MIN_FORECAST_PERIOD_MS, periodMs),
      knownMs: this.#ageOf(this.#told.forecast?.generatedAtMs),
      ask: async (signal) => {
        const forecast = await provider.forecast!(signal);
        this.#told = { ...this.#told, forecast };
      },
      onResult: (error) => {
        if (error !== undefined) this.#world.log.debug("No carbon forecast", { reason: messageOf(error) });
        asked();
      },
    }, this.#end.signal);
    return [latest, forecast];
  }

  /** How long ago `atMs` was; nothing is known of what lies ahead. */
  #ageOf(atMs: number | undefined): number | undefined {
    const ageMs = this.#world.clock.now() - (atMs ?? Infinity);
    return ageMs >= 0 ? ageMs : undefined;
  }

  #take(reading: LatestReading): void {
    const observed = withReading(this.#told.observed, reading, this.#world.clock.now());
    this.#told = { ...this.#told, latest: reading, observed };
    if (this.#world.clock.monotonic() - this.#keptAtMs >= KEEP_MS) this.#keep();
  }

  #keep(): void {
    if (this.#provider === undefined || this.#told === NOTHING_TOLD) return;
    keepTold(this.#table, this.#provider, this.#told);
    this.#keptAtMs = this.#world.clock.monotonic();
  }

  #onResult(error: unknown): void {
    const trouble = error === undefined ? undefined : messageOf(error);
    if (trouble !== undefined && trouble !== this.#trouble) {
      this.#world.log.warn("No carbon intensity from the service", { reason: trouble });
    } else if (trouble === undefined && this.#trouble !== undefined) {
      this.#world.log.info("Carbon intensity again from the service");
    }
    this.#trouble = trouble;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  current(): Known<Intensity<AverageMethod>> {
    const told = this.#fromService();
    if (told !== undefined && told.method !== "marginal") {
      return { state: "known", intensity: told as Intensity<AverageMethod> };
    }
    const yearly = this.zone === undefined ? undefined : yearlyIntensity(this.zone, this.#world.clock.now());
    if (yearly !== undefined) return { state: "known", intensity: yearly };
    return {
      state: "absent",
      reason: this.zone === undefined
        ? "the grid is not known: set carbon.zone to your country, such as DE"
        : `the built-in table has no figure for ${this.zone}: set carbon.zone to your country, or carbon.provider`,
    };
  }

  marginal(): Intensity<"marginal"> | undefined {
    const told = this.#fromService();
    return told?.method === "marginal" ? told as Intensity<"marginal"> : undefined;
  }

  /** What the service says of now: its value while it is fresh, else its forecast of now, else an old value. */
  #fromService(): Intensity | undefined {
    const provider = this.#provider;
    if (provider === undefined) return undefined;
    const { latest } = this.#told;
    const nowMs = this.#world.clock.now();
    const ageMs = latest === undefined ? Infinity : nowMs - latest.point.atMs;
    if (latest !== undefined && ageMs < provider.periodMs + provider.delayMs) {
      return this.#intensity(latest, latest.estimated ? "estimated" : "live", 0);
    }
    const expected = this.forecast()?.points[0];
    if (expected !== undefined && expected.atMs <= nowMs) {
      return this.#intensity({ point: expected, estimated: true, renewableRatio: null }, "estimated", 0);
    }
    return latest === undefined || ageMs > MAX_STALE_MS ? undefined : this.#intensity(latest, "stale", ageMs);
  }

  #intensity({ point, renewableRatio }: LatestReading, quality: IntensityQuality, ageMs: number): Intensity {
    const { id, method, uncertainty, attribution } = this.#provider!;
    return {
      ...point,
      zone: this.zone!,
      quality,
      method,
      provider: id,
      uncertainty: Math.min(1, uncertainty + STALE_PER_HOUR * ageMs / 3_600_000),
      renewableRatio,
      attribution,
    };
  }

  forecast(): GridForecast | undefined {
    const { forecast } = this.#told;
    if (forecast === undefined || this.#provider === undefined) return undefined;
    const nowMs = this.#world.clock.now();
    const { points } = forecast;
    const from = points.findIndex(({ atMs }, i) => nowMs < (points[i + 1]?.atMs ?? atMs + forecast.periodMs));
    if (from < 0) return undefined;
    const { id, method, attribution } = this.#provider;
    return { ...forecast, points: points.slice(from), zone: this.zone!, method, provider: id, attribution };
  }

  observed() {
    const nowMs = this.#world.clock.now();
    const readings = this.#told.observed.filter(({ point }) => nowMs - point.atMs <= MAX_STALE_MS);
    return { readings, periodMs: this.#provider?.periodMs ?? 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new NodeError("aborted", "The node stops"));
    await Promise.all(this.#polls.map(({ ended }) => ended));
    this.#keep();
  }
}
