/**
 * When to do what can wait: the cheapest window of a forecast, before a deadline. Serving is never put off.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { CarbonIntensity } from "./intensity.ts";
import type { Forecast, IntensityPoint } from "./types.ts";

/** A piece of work that can wait. */
export interface Deferrable {
  /** How long it takes once begun. */
  readonly durationMs: number;
  /** When it must be done, Unix ms. */
  readonly deadlineMs: number;
}

/** The same, with somebody who wants to hear of it. */
export interface Waiting extends Deferrable {
  /** Hears of each new plan. */
  readonly tell: (plan: StartPlan) => void;
}

/** When to begin, and what that saves. */
export interface StartPlan {
  /** Unix ms; now when waiting is worth nothing. */
  readonly startMs: number;
  /** Mean intensity of the window that begins then; null where the forecast does not tell. */
  readonly gramsPerKwh: number | null;
  /** The same of beginning now: what is saved is counted against it. */
  readonly nowGramsPerKwh: number | null;
  /** 0 to 1; 0 for beginning now. */
  readonly savedRatio: number;
}

/** What a plan is made for. */
export interface Planning extends Deferrable {
  readonly nowMs: number;
  /** Holds until the first point of the forecast. */
  readonly nowGramsPerKwh?: number | undefined;
}

/** A step of the forecast: half-open. */
interface Step {
  readonly fromMs: number;
  readonly toMs: number;
  readonly gramsPerKwh: number;
}

/**
 * The best moment to begin, by a sliding window, O(n) in the points. The forecast holds each value until the next, so the
 * best window begins or ends where a value changes, or is the first or last one there is; of equal ones the earliest is
 * taken. Without a forecast that covers a window, or past the deadline, that is now.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const hour = 3_600_000;
 * const points = [300, 200, 100, 400].map((gramsPerKwh, i) => ({ atMs: i * hour, gramsPerKwh }));
 * const forecast = { generatedAtMs: 0, periodMs: hour, points };
 * assertEquals(planStart(forecast, { nowMs: 0, durationMs: 2 * hour, deadlineMs: 4 * hour }), {
 *   startMs: hour,
 *   gramsPerKwh: 150,
 *   nowGramsPerKwh: 250,
 *   savedRatio: 0.4,
 * });
 * ```
 */
export function planStart(forecast: Forecast | undefined, planning: Planning): StartPlan {
  const { nowMs, deadlineMs } = planning;
  const durationMs = Math.max(1, planning.durationMs);
  const latestMs = deadlineMs - durationMs;
  let best: { startMs: number; gramsPerKwh: number } | undefined;
  let now: number | null = null;
  for (const run of runsOf(forecast, planning)) {
    for (const candidate of windowMeans(run, { fromMs: nowMs, latestMs, durationMs })) {
      if (candidate.startMs === nowMs) now = candidate.gramsPerKwh;
      // sums of doubles: less by a billionth is the same
      if (best === undefined || candidate.gramsPerKwh < best.gramsPerKwh * (1 - 1e-9)) best = candidate;
    }
  }
  if (best === undefined || now === null || best.gramsPerKwh >= now) {
    return { startMs: nowMs, gramsPerKwh: now, nowGramsPerKwh: now, savedRatio: 0 };
  }
  return { ...best, nowGramsPerKwh: now, savedRatio: 1 - best.gramsPerKwh / now };
}

/** Stretches of the forecast without a gap. */
function runsOf(forecast: Forecast | undefined, { nowMs, nowGramsPerKwh }: Planning): Step[][] {
  const runs: Step[][] = [];
  if (forecast === undefined) return runs;
  const steps = stepsOf(forecast);
  const first = steps[0];
  const gapMs = (first?.fromMs ?? nowMs) - nowMs;
  if (nowGramsPerKwh !== undefined && gapMs > 0 && gapMs <= forecast.periodMs) {
    steps.unshift({ fromMs: nowMs, toMs: first!.fromMs, gramsPerKwh: nowGramsPerKwh });
  }
  for (const step of steps) {
    const run = runs.at(-1);
    if (run?.at(-1)?.toMs === step.fromMs) run.push(step);
    else runs.push([step]);
  }
  return runs;
}

function stepsOf({ points, periodMs }: Forecast): Step[] {
  return points.map(({ atMs, gramsPerKwh }: IntensityPoint, i) => ({
    fromMs: atMs,
    toMs: Math.min(points[i + 1]?.atMs ?? Infinity, atMs + periodMs),
    gramsPerKwh,
  }));
}

interface Bounds {
  readonly fromMs: number;
  readonly latestMs: number;
  readonly durationMs: number;
}

/** Means of all windows of one run that can be best, in order of their start. */
function* windowMeans(run: readonly Step[], { fromMs, latestMs, durationMs }: Bounds) {
  const firstMs = Math.max(fromMs, run[0]!.fromMs);
  const lastMs = Math.min(latestMs, run.at(-1)!.toMs - durationMs);
  if (firstMs > lastMs) return;
  const [starts, ends] = [new Integral(run), new Integral(run)];
  for (const startMs of candidates(run, firstMs, lastMs, durationMs)) {
    const grams = ends.until(startMs + durationMs) - starts.until(startMs);
    yield { startMs, gramsPerKwh: grams / durationMs };
  }
}

/** Starts at which the window begins or ends where a value changes, merged in order; and the first and last there are. */
function* candidates(run: readonly Step[], firstMs: number, lastMs: number, durationMs: number) {
  yield firstMs;
  let [begin, end, given] = [0, 0, firstMs];
  while (begin < run.length || end < run.length) {
    const beginMs = run[begin]?.fromMs ?? Infinity;
    const endMs = (run[end]?.toMs ?? Infinity) - durationMs;
    if (beginMs <= endMs) begin++;
    else end++;
    const startMs = Math.min(beginMs, endMs);
    if (startMs > given && startMs < lastMs) yield given = startMs;
  }
  if (lastMs > given) yield lastMs;
}

/** Sum of intensity over time from the begin of a run; asked in order of time, it walks each step once. */
class Integral {
  #at = 0;
  #sum = 0;

  constructor(readonly run: readonly Step[]) {}

  until(toMs: number): number {
    while (this.#at < this.run.length - 1 && this.run[this.#at]!.toMs <= toMs) {
      const { fromMs, toMs: endMs, gramsPerKwh } = this.run[this.#at++]!;
      this.#sum += (endMs - fromMs) * gramsPerKwh;
    }
    const { fromMs, gramsPerKwh } = this.run[this.#at]!;
    return this.#sum + (toMs - fromMs) * gramsPerKwh;
  }
}

/** Waiting for less than this is not worth it: forecasts are not that good. */
const MIN_SAVED_RATIO = 0.05;
/** Longest wait until the plan is made anew: forecasts change. */
const LOOK_AGAIN_MS = 15 * 60_000;

/** How waiting ended. */
export interface Waited {
  readonly waitedMs: number;
  /** The last plan: what beginning at that moment is expected to save against beginning when it was asked for. */
  readonly plan: StartPlan;
}

/**
 * Waits until the work is best begun; at once when nothing is to be gained, without a forecast, or when the deadline is
 * near. Rejects with the reason of `signal`.
 */
export async function waitForGreen(
  world: World,
  intensity: CarbonIntensity,
  work: Waiting,
  signal: AbortSignal,
): Promise<Waited> {
  const begunMs = world.clock.now();
  let first: number | null | undefined;
  let told: number | undefined;
  while (true) {
    signal.throwIfAborted();
    const nowMs = world.clock.now();
    const plan = planNow(intensity, { ...work, nowMs });
    // what waiting saves is counted against beginning when it was asked for
    first ??= plan.nowGramsPerKwh;
    const waitMs = plan.savedRatio < MIN_SAVED_RATIO ? 0 : plan.startMs - nowMs;
    if (waitMs <= 0) return { waitedMs: nowMs - begunMs, plan: against(plan, first ?? null) };
    if (told !== plan.startMs) work.tell(plan);
    told = plan.startMs;
    await world.clock.sleep(Math.min(waitMs, LOOK_AGAIN_MS), signal);
  }
}

/** The plan for what is known of the grid now. */
export function planNow(intensity: CarbonIntensity, planning: Planning): StartPlan {
  const forecast = intensity.forecast();
  const average = intensity.current();
  const now = forecast?.method === "marginal"
    ? intensity.marginal()
    : average.state === "known"
    ? average.intensity
    : undefined;
  // a value of another method would compare what cannot be compared
  const nowGramsPerKwh = now?.method === forecast?.method ? now?.gramsPerKwh : undefined;
  return planStart(forecast, { ...planning, nowGramsPerKwh });
}

function against(plan: StartPlan, firstGramsPerKwh: number | null): StartPlan {
  if (firstGramsPerKwh === null || plan.nowGramsPerKwh === null || firstGramsPerKwh <= 0) return plan;
  return {
    startMs: plan.startMs,
    gramsPerKwh: plan.nowGramsPerKwh,
    nowGramsPerKwh: firstGramsPerKwh,
    savedRatio: Math.max(0, 1 - plan.nowGramsPerKwh / firstGramsPerKwh),
  };
}
