/**
 * One hour of the books while it is open: energy is gathered, and priced with the best that was known of the grid during
 * that very hour.
 *
 * @module
 */
import type { AccountSums } from "../attribute.ts";
import type { EvidenceClass } from "../certificates/types.ts";
import type { HourIntensity, LedgerRecord } from "../ledger_record.ts";
import type { EnergyKind } from "../types.ts";
import type { AverageMethod, Intensity, IntensityQuality } from "./types.ts";

/** What was used in a stretch of time. */
export interface EnergyWindow {
  /** Wall clock at its end, Unix ms. */
  readonly endMs: number;
  /** Its length by the monotonic clock: the wall clock may have been set meanwhile. */
  readonly elapsedMs: number;
  /** That part of it in which sensors told. */
  readonly coveredMs: number;
  readonly microjoules: AccountSums;
  readonly tokens: number;
  readonly blockTokens: number;
  readonly kind: EnergyKind;
  /** Half width of the 95 % interval, relative. */
  readonly uncertainty: number | null;
  /** What own production gave of it, and how far that can be believed. */
  readonly local?: { readonly microjoules: bigint; readonly evidence: "A" | "E" };
}

/** What is known of the grid while a window is entered. */
export interface GridNow {
  readonly average: Intensity<AverageMethod> | undefined;
  readonly marginal: Intensity<"marginal"> | undefined;
}

/** As many digits as a line holds, so that sums in memory and on disk are the same. */
const rounded = (value: number, parts: number): number => Math.round(value * parts) / parts;

/** Sum of intensities by energy, and plain for hours without energy. */
class Mean {
  #weight = 0;
  #sum = 0;
  #count = 0;
  #plain = 0;

  add(weight: number, value: number): void {
    this.#weight += weight;
    this.#sum += weight * value;
    this.#count++;
    this.#plain += value;
  }

  get value(): number | null {
    if (this.#weight > 0) return this.#sum / this.#weight;
    return this.#count > 0 ? this.#plain / this.#count : null;
  }
}

/** Intensities of one rank and method: those are alike enough for a mean. */
interface Priced {
  readonly rank: number;
  readonly grams: Mean;
  readonly renewable: Mean;
  quality: IntensityQuality;
  last: Intensity<AverageMethod>;
  uncertainty: number;
}

const RANK: Readonly<Record<IntensityQuality, number>> = { live: 0, estimated: 0, stale: 1, yearly: 2 };

/** Gathers the windows of one hour. */
export class HourBook {
  readonly #priced = new Map<string, Priced>();
  readonly #marginal = new Mean();
  readonly #uncertainty = new Mean();
  readonly #kinds = new Set<EnergyKind>();
  #isUncertain = false;
  #evidence: EvidenceClass | null = null;
  #serve = 0n;
  #idle = 0n;
  #other = 0n;
  #local = 0n;
  #tokens = 0;
  #blockTokens = 0;
  #elapsedMs = 0;
  #coveredMs = 0;

  /** `startMs` is a whole UTC hour. */
  constructor(readonly startMs: number) {}

  /** Whether there is nothing to write: hours that nobody measured and in which nothing was done are absent, not 0. */
  get isEmpty(): boolean {
    return this.#serve + this.#idle + this.#other === 0n && this.#tokens === 0;
  }

  /** Enters a window that lies in this hour. */
  add(window: EnergyWindow, grid: GridNow): void {
    const { serve, idle, other } = window.microjoules;
    const energy = serve + idle + other;
    this.#serve += serve;
    this.#idle += idle;
    this.#other += other;
    this.#tokens += window.tokens;
    this.#blockTokens += window.blockTokens;
    this.#elapsedMs += window.elapsedMs;
    this.#coveredMs += window.coveredMs;
    const { local } = window;
    if (local !== undefined && local.microjoules > 0n) {
      this.#local += local.microjoules < energy ? local.microjoules : energy;
      if (this.#evidence !== "E") this.#evidence = local.evidence;
    }
    if (energy > 0n) {
      this.#kinds.add(window.kind);
      if (window.uncertainty === null) this.#isUncertain = true;
      else this.#uncertainty.add(Number(energy), window.uncertainty);
    }
    this.#price(Number(energy), grid);
  }

  #price(energy: number, { average, marginal }: GridNow): void {
    if (marginal !== undefined) this.#marginal.add(energy, marginal.gramsPerKwh);
    if (average === undefined) return;
    const rank = RANK[average.quality];
    const key = `${rank} ${average.method}`;
    let priced = this.#priced.get(key);
    if (priced === undefined) {
      const { quality } = average;
      priced = { rank, grams: new Mean(), renewable: new Mean(), quality, last: average, uncertainty: 0 };
      this.#priced.set(key, priced);
    }
    priced.grams.add(energy, average.gramsPerKwh);
    if (average.renewableRatio !== null) priced.renewable.add(energy, average.renewableRatio);
    if (average.quality === "estimated") priced.quality = "estimated";
    priced.uncertainty = Math.max(priced.uncertainty, average.uncertainty);
    priced.last = average;
  }

  /** The hour as it would be written now. */
  record(marketGramsPerKwh: number | null): LedgerRecord {
    const intensity = this.#intensity();
    const marginal = this.#marginal.value;
    const uncertainty = this.#isUncertain ? null : this.#uncertainty.value;
    return {
      startMs: this.startMs,
      microjoules: { serve: this.#serve, idle: this.#idle, other: this.#other },
      localMicrojoules: this.#local,
      tokens: this.#tokens,
      blockTokens: this.#blockTokens,
      elapsedMs: this.#elapsedMs,
      coveredMs: Math.min(this.#coveredMs, this.#elapsedMs),
      kind: this.#kinds.size === 0 ? "none" : this.#kinds.size === 1 ? [...this.#kinds][0]! : "mixed",
      uncertainty: uncertainty === null ? null : rounded(uncertainty, 1000),
      evidence: this.#evidence ?? (typeof intensity?.renewableRatio === "number" ? "D" : null),
      intensity,
      marketGramsPerKwh,
      marginalGramsPerKwh: marginal === null ? null : rounded(marginal, 100),
    };
  }

  /** The mean of the best rank that was seen: minutes before a service answered are priced with its later answer. */
  #intensity(): HourIntensity | null {
    const best = [...this.#priced.values()].reduce<Priced | undefined>(
      (best, each) => best === undefined || each.rank < best.rank ? each : best,
      undefined,
    );
    const gramsPerKwh = best?.grams.value;
    if (best === undefined || typeof gramsPerKwh !== "number") return null;
    const { method, provider, zone } = best.last;
    const renewableRatio = best.renewable.value;
    return {
      gramsPerKwh: rounded(gramsPerKwh, 100),
      method,
      quality: best.quality,
      provider,
      zone,
      uncertainty: rounded(best.uncertainty, 1000),
      renewableRatio: renewableRatio === null ? null : rounded(renewableRatio, 1000),
    };
  }
}
