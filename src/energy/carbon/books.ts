/**
 * The node's books of energy and carbon: each minute's energy goes into its UTC hour, each hour is priced with the
 * intensity of that hour and written once it is over, or when the node stops.
 *
 * Location-based and market-based stand side by side. Own production that is used here is 0 g in both, unless its
 * certificates go to somebody else: then it is priced as the grid.
 *
 * @module
 */
import { messageOf } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import type { Ledger } from "../ledger.ts";
import type { LedgerRecord } from "../ledger_record.ts";
import { hoursOf, type LedgerHour, type LedgerTotals, type LocationSum, totalsOf } from "../ledger_sums.ts";
import { type EnergyWindow, HourBook } from "./hour_book.ts";
import type { CarbonIntensity } from "./intensity.ts";
import { type Embodied, type Sci, sciOf } from "./sci.ts";
import type { AverageMethod, IntensityMethod, IntensityQuality } from "./types.ts";
import { splitAtHours } from "./windows.ts";

/** What the books say now: the field `carbon` of `energy --json`. Null is "not known", never 0. */
export interface CarbonSnapshot {
  readonly zone: string | null;
  /** Average of the grid now, g/kWh. */
  readonly intensity: number | null;
  readonly method: AverageMethod | null;
  readonly quality: IntensityQuality | null;
  readonly provider: string | null;
  readonly atMs: number | null;
  readonly uncertainty: number | null;
  readonly renewableRatio: number | null;
  /** Whom to name. */
  readonly attribution: string | null;
  /** Why there is no intensity, or why a service that was named gives none; with what to do. */
  readonly reason: string | null;
  /** What one more kilowatt-hour causes now, g/kWh: to choose times by, in no sum of footprints. */
  readonly marginalIntensity: number | null;
  /** Location-based since the start, all of one method; null before any, and where methods were mixed. */
  readonly gramsLocation: number | null;
  /** The same by method; never to be added up. */
  readonly location: readonly {
    readonly method: IntensityMethod;
    readonly grams: number;
    readonly joules: number;
  }[];
  /** Market-based since the start; null unless `carbon.market_grams_per_kwh` is set. */
  readonly gramsMarket: number | null;
  readonly localJoules: number;
  /** Energy of the grid whose carbon is not known. */
  readonly unpricedJoules: number;
  /** Grams for 1000 block-tokens by ISO/IEC 21031; null before any work, and where methods were mixed. */
  readonly sci: Sci | null;
}

/** Open books. Dispose to write the hour that is open. */
export interface CarbonBooks extends AsyncDisposable {
  /** Enters what was used since the last call. Waits for nothing. */
  add(window: EnergyWindow): void;
  snapshot(): CarbonSnapshot;
  /** Hours that began at `fromMs` or later, also of earlier runs, with the one that is open; a day at most. */
  since(fromMs: number): LedgerTotals;
  /** Hours that are over, since the start: these sums never go back, for metrics. */
  readonly settled: LedgerTotals;
  readonly ledger: Ledger;
}

/** What the books are made of. */
export interface BooksOptions {
  readonly ledger: Ledger;
  readonly intensity: CarbonIntensity;
  /** By contract or residual mix. */
  readonly marketGramsPerKwh: number | undefined;
  /** Whether certificates of the own production go to somebody else. */
  readonly productionSold: boolean;
  readonly embodied: Embodied | undefined;
  /** Hours of the last day that earlier runs wrote. */
  readonly earlier?: readonly LedgerHour[];
}

/** Hours that can still be of today: the longest day by a local clock, and one more. */
const DAY_HOURS = 26;

/** Most hours that wait for a disk that is full: beyond, the oldest is lost. */
const MAX_WAITING = 24 * 14;

/** Opens the books over `ledger`. */
export function openCarbonBooks(world: World, options: BooksOptions): CarbonBooks {
  return new Books(world, options);
}

class Books implements CarbonBooks {
  readonly #world: World;
  readonly #options: BooksOptions;
  #open: HourBook | undefined;
  /** Records that are not on disk yet. */
  #waiting: LedgerRecord[] = [];
  #writing: Promise<void> | undefined;
  #settled: LedgerTotals = totalsOf([]);
  #failed = false;
  /** Of the last day, and some more where parts of an hour were written apart. */
  #recent: LedgerHour[];

  constructor(world: World, options: BooksOptions) {
    this.#world = world;
    this.#options = options;
    this.#recent = [...options.earlier ?? []];
  }

  get ledger(): Ledger {
    return this.#options.ledger;
  }

  get settled(): LedgerTotals {
    return this.#settled;
  }

  add(window: EnergyWindow): void {
    const { intensity, productionSold } = this.#options;
    const average = intensity.current();
    const grid = {
      average: average.state === "known" ? average.intensity : undefined,
      marginal: intensity.marginal(),
    };
    const { local: _, ...bought } = window;
    for (const { startMs, part } of splitAtHours(productionSold ? bought : window)) {
      if (this.#open !== undefined && this.#open.startMs !== startMs) this.#settle();
      this.#open ??= new HourBook(startMs);
      this.#open.add(part, grid);
    }
    this.#write();
  }

  /** Closes the open hour. */
  #settle(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined || open.isEmpty) return;
    const record = open.record(this.#options.marketGramsPerKwh ?? null);
    this.#waiting.push(record);
    this.#settled = addTotals(this.#settled, record);
    this.#recent = [...this.#recent, ...hoursOf([record])].slice(-DAY_HOURS);
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift();
      this.#world.log.warn("An hour of the energy books is lost", { waiting: MAX_WAITING });
    }
  }

  /** Writes what waits, one after another; what fails is tried again a minute later. */
  #write(): void {
    if (this.#writing !== undefined || this.#waiting.length === 0) return;
    this.#writing = this.#writeAll().finally(() => this.#writing = undefined);
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const [first] = this.#waiting;
        await this.#options.ledger.add(first!);
        // while it was written, a full queue may have lost it
        if (this.#waiting[0] === first) this.#waiting.shift();
        this.#failed = false;
      }
    } catch (error) {
      if (!this.#failed) this.#world.log.warn("Energy books not written", { reason: messageOf(error) });
      this.#failed = true;
    }
  }

  snapshot(): CarbonSnapshot {
    const { intensity, marketGramsPerKwh, embodied } = this.#options;
    const now = intensity.current();
    const known = now.state === "known" ? now.intensity : undefined;
    const totals = this.#totals(marketGramsPerKwh ?? null);
    const only = totals.location.length === 1 ? totals.location[0] : undefined;
    return {
      zone: intensity.zone ?? null,
      intensity: known?.gramsPerKwh ?? null,
      method: known?.method ?? null,
      quality: known?.quality ?? null,
      provider: known?.provider ?? null,
      atMs: known?.atMs ?? null,
      uncertainty: known?.uncertainty ?? null,
      renewableRatio: known?.renewableRatio ?? null,
      attribution: known?.attribution ?? null,
      reason: now.state === "absent" ? now.reason : intensity.trouble ?? null,
      marginalIntensity: intensity.marginal()?.gramsPerKwh ?? null,
      gramsLocation: only?.grams ?? null,
      location: totals.location.map(({ method, grams, microjoules }) => ({
        method,
        grams,
        joules: joulesOf(microjoules),
      })),
      gramsMarket: totals.market?.grams ?? null,
      localJoules: joulesOf(totals.localMicrojoules),
      unpricedJoules: joulesOf(totals.unpricedMicrojoules),
      sci: only === undefined ? null : sciOfTotals(totals, only, embodied),
    };
  }

  since(fromMs: number): LedgerTotals {
    const open = this.#open;
    const now = open === undefined || open.isEmpty
      ? []
      : hoursOf([open.record(this.#options.marketGramsPerKwh ?? null)]);
    return totalsOf([...this.#recent, ...now].filter(({ startMs }) => startMs >= fromMs));
  }

  /** Since the start, with the hour that is open. */
  #totals(marketGramsPerKwh: number | null): LedgerTotals {
    const open = this.#open;
    return open === undefined || open.isEmpty
      ? this.#settled
      : addTotals(this.#settled, open.record(marketGramsPerKwh));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#settle();
    await this.#writing;
    await this.#writeAll();
    await this.#options.ledger[Symbol.asyncDispose]();
  }
}

const joulesOf = (microjoules: bigint): number => Number(microjoules) / 1e6;

/** Software is what serves and what waits to serve; what else runs here is not it. */
function sciOfTotals(totals: LedgerTotals, only: LocationSum, embodied: Embodied | undefined): Sci | null {
  const { microjoules, totalMicrojoules, unpricedMicrojoules } = totals;
  if (unpricedMicrojoules > 0n || totalMicrojoules === 0n) return null;
  const ours = Number(microjoules.serve + microjoules.idle) / Number(totalMicrojoules);
  return sciOf({
    operationalGrams: only.grams * ours,
    method: only.method,
    reservedMs: totals.elapsedMs,
    embodied,
    blockTokens: totals.blockTokens,
  }) ?? null;
}

/** `totals` and one record more. */
function addTotals(totals: LedgerTotals, record: LedgerRecord): LedgerTotals {
  const more = totalsOf(hoursOf([record]));
  const priced = (a: LedgerTotals["market"], b: LedgerTotals["market"]) =>
    a === null || b === null
      ? a ?? b
      : { grams: a.grams + b.grams, microjoules: a.microjoules + b.microjoules };
  const methods = new Map(totals.location.map((each) => [each.method, each]));
  for (const each of more.location) {
    const before = methods.get(each.method);
    methods.set(each.method, before === undefined ? each : { ...each, ...priced(before, each)! });
  }
  return {
    hours: totals.toMs === more.toMs ? totals.hours : totals.hours + 1,
    fromMs: totals.fromMs ?? more.fromMs,
    toMs: more.toMs,
    microjoules: {
      serve: totals.microjoules.serve + more.microjoules.serve,
      idle: totals.microjoules.idle + more.microjoules.idle,
      other: totals.microjoules.other + more.microjoules.other,
    },
    totalMicrojoules: totals.totalMicrojoules + more.totalMicrojoules,
    localMicrojoules: totals.localMicrojoules + more.localMicrojoules,
    tokens: totals.tokens + more.tokens,
    blockTokens: totals.blockTokens + more.blockTokens,
    elapsedMs: totals.elapsedMs + more.elapsedMs,
    coveredMs: totals.coveredMs + more.coveredMs,
    market: priced(totals.market, more.market),
    marginal: priced(totals.marginal, more.marginal),
    unpricedMicrojoules: totals.unpricedMicrojoules + more.unpricedMicrojoules,
    location: [...methods.values()],
  };
}
