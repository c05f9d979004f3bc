/**
 * Stretches of time, cut at whole hours; no microjoule and no token is lost or made by cutting.
 *
 * @module
 */
import { HOUR_MS } from "../ledger_record.ts";
import type { MeterSums } from "../meter.ts";
import type { EnergyWindow } from "./hour_book.ts";

/** Longest window that is cut into its hours; of a longer one the last month counts, with all its energy. */
const MAX_WINDOW_MS = 31 * 24 * HOUR_MS;
/** Clocks outside 1970 to 2199 are taken for those. */
const LAST_MS = Date.UTC(2200, 0, 1) - 1;

/** The window between two sums of a meter, ended at `endMs` by the wall clock. */
export function windowOf(before: MeterSums, after: MeterSums, endMs: number): EnergyWindow {
  const more = (later: bigint, earlier: bigint) => later > earlier ? later - earlier : 0n;
  const { accounts: to } = after;
  const { accounts: from } = before;
  return {
    endMs,
    elapsedMs: Math.max(0, after.elapsedMs - before.elapsedMs),
    coveredMs: Math.max(0, after.measuredMs - before.measuredMs),
    microjoules: {
      serve: more(to.serve, from.serve),
      idle: more(to.idle, from.idle),
      other: more(to.other, from.other),
    },
    tokens: Math.max(0, after.tokens - before.tokens),
    blockTokens: Math.max(0, after.blockTokens - before.blockTokens),
    kind: after.kind,
    uncertainty: after.uncertainty,
  };
}

/** `window` cut at whole UTC hours, in order; its parts add up to it exactly. */
export function splitAtHours(
  window: EnergyWindow,
): { readonly startMs: number; readonly part: EnergyWindow }[] {
  const endMs = Math.min(Math.max(0, window.endMs), LAST_MS);
  const lengthMs = Math.min(window.elapsedMs, MAX_WINDOW_MS, endMs);
  const beginMs = endMs - lengthMs;
  const parts: { startMs: number; part: EnergyWindow }[] = [];
  let [fromMs, given] = [beginMs, EMPTY];
  while (true) {
    const startMs = Math.floor(fromMs / HOUR_MS) * HOUR_MS;
    const toMs = Math.min(startMs + HOUR_MS, endMs);
    // a window that ends on the hour lies wholly before it
    const isLast = toMs >= endMs;
    const upTo = isLast ? whole(window) : share(window, (toMs - beginMs) / lengthMs);
    parts.push({
      startMs: lengthMs > 0 ? startMs : startOfHour(endMs),
      part: between(window, given, upTo, toMs),
    });
    if (isLast) return parts;
    [fromMs, given] = [toMs, upTo];
  }
}

const startOfHour = (atMs: number): number => Math.floor(atMs / HOUR_MS) * HOUR_MS;

/** The countable part of a window. */
interface Amounts {
  readonly serve: bigint;
  readonly idle: bigint;
  readonly other: bigint;
  readonly local: bigint;
  readonly tokens: number;
  readonly blockTokens: number;
  readonly elapsedMs: number;
  readonly coveredMs: number;
}

const EMPTY: Amounts = {
  serve: 0n,
  idle: 0n,
  other: 0n,
  local: 0n,
  tokens: 0,
  blockTokens: 0,
  elapsedMs: 0,
  coveredMs: 0,
};

const whole = (window: EnergyWindow): Amounts => ({
  ...window.microjoules,
  local: window.local?.microjoules ?? 0n,
  tokens: window.tokens,
  blockTokens: window.blockTokens,
  elapsedMs: window.elapsedMs,
  coveredMs: window.coveredMs,
});

function share(window: EnergyWindow, ratio: number): Amounts {
  const all = whole(window);
  const parts = BigInt(Math.round(ratio * 1e9));
  const energy = (microjoules: bigint) => microjoules * parts / 1_000_000_000n;
  return {
    serve: energy(all.serve),
    idle: energy(all.idle),
    other: energy(all.other),
    local: energy(all.local),
    tokens: Math.floor(all.tokens * ratio),
    blockTokens: Math.floor(all.blockTokens * ratio),
    elapsedMs: all.elapsedMs * ratio,
    coveredMs: all.coveredMs * ratio,
  };
}

function between(window: EnergyWindow, from: Amounts, to: Amounts, endMs: number): EnergyWindow {
  const { local } = window;
  return {
    ...window,
    endMs,
    elapsedMs: to.elapsedMs - from.elapsedMs,
    coveredMs: to.coveredMs - from.coveredMs,
    microjoules: {
      serve: to.serve - from.serve,
      idle: to.idle - from.idle,
      other: to.other - from.other,
    },
    tokens: to.tokens - from.tokens,
    blockTokens: to.blockTokens - from.blockTokens,
    ...(local === undefined ? {} : { local: { ...local, microjoules: to.local - from.local } }),
  };
}
