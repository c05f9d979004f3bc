import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { CarbonIntensity, GridForecast } from "../../../src/energy/carbon/intensity.ts";
import { planNow, planStart, type StartPlan, waitForGreen } from "../../../src/energy/carbon/schedule.ts";
import type { Forecast, IntensityMethod } from "../../../src/energy/carbon/types.ts";
import { FakeClock, fakeWorld, settle } from "../../support/world.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = Date.UTC(2026, 10, 20, 18);
const never = new AbortController().signal;

const forecastOf = (grams: readonly number[], startMs = 0, periodMs = HOUR): Forecast => ({
  generatedAtMs: startMs,
  periodMs,
  points: grams.map((gramsPerKwh, i) => ({ atMs: startMs + i * periodMs, gramsPerKwh })),
});

/** Mean over a window by adding up minutes; undefined where the forecast has none. */
function slowMean(forecast: Forecast, startMs: number, durationMs: number): number | undefined {
  let sum = 0;
  for (let atMs = startMs; atMs < startMs + durationMs; atMs += MINUTE) {
    const point = forecast.points.findLast((point) => point.atMs <= atMs);
    if (point === undefined || atMs >= point.atMs + forecast.periodMs) return undefined;
    sum += point.gramsPerKwh * MINUTE;
  }
  return sum / durationMs;
}

/** The slow twin: every minute is tried. */
function slowBest(forecast: Forecast, { nowMs, durationMs, deadlineMs }: Work): number | undefined {
  let best: number | undefined;
  for (let startMs = nowMs; startMs + durationMs <= deadlineMs; startMs += MINUTE) {
    const mean = slowMean(forecast, startMs, durationMs);
    if (mean !== undefined && (best === undefined || mean < best)) best = mean;
  }
  return best;
}

interface Work {
  readonly nowMs: number;
  readonly durationMs: number;
  readonly deadlineMs: number;
}

const minutes = (max: number) => fc.integer({ min: 0, max }).map((value) => value * MINUTE);
const anyCase = fc.record({
  grams: fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 12 }),
  missing: fc.array(fc.integer({ min: 0, max: 11 }), { maxLength: 2 }),
  nowMs: minutes(180),
  durationMs: fc.integer({ min: 1, max: 200 }).map((value) => value * MINUTE),
  roomMs: minutes(700),
}).map(({ grams, missing, nowMs, durationMs, roomMs }) => {
  const whole = forecastOf(grams, 0, 30 * MINUTE);
  const points = whole.points.filter((_, i) => !missing.includes(i));
  return {
    forecast: { ...whole, points },
    work: { nowMs, durationMs, deadlineMs: nowMs + durationMs + roomMs - HOUR },
  };
});

Deno.test("planStart finds what trying every minute finds, keeps the deadline and promises no more than there is", () => {
  fc.assert(
    fc.property(anyCase, ({ forecast, work }) => {
      const plan = planStart(forecast, work);
      const now = slowMean(forecast, work.nowMs, work.durationMs);
      const fits = work.nowMs + work.durationMs <= work.deadlineMs;
      assert(plan.startMs >= work.nowMs);
      assert(
        plan.startMs === work.nowMs || plan.startMs + work.durationMs <= work.deadlineMs,
        "after the deadline",
      );
      assert(plan.savedRatio >= 0 && plan.savedRatio <= 1);
      if (now === undefined || !fits) return assertEquals([plan.startMs, plan.savedRatio], [work.nowMs, 0]);
      const best = slowBest(forecast, work)!;
      assertAlmostEquals(plan.gramsPerKwh!, Math.min(best, now), 1e-6);
      assertAlmostEquals(plan.nowGramsPerKwh!, now, 1e-6);
      assertAlmostEquals(slowMean(forecast, plan.startMs, work.durationMs)!, plan.gramsPerKwh!, 1e-6);
    }),
    { numRuns: 500 },
  );
});

Deno.test("planStart begins now without a forecast, past the deadline, over a gap and on a level grid", () => {
  const work = { nowMs: 0, durationMs: HOUR, deadlineMs: 10 * HOUR };
  const begin = (forecast: Forecast | undefined, more: object = {}) => {
    const { startMs, savedRatio } = planStart(forecast, { ...work, ...more });
    return [startMs, savedRatio];
  };
  assertEquals(begin(undefined), [0, 0]);
  assertEquals(begin(forecastOf([])), [0, 0]);
  assertEquals(begin(forecastOf([300, 300, 300])), [0, 0]);
  assertEquals(begin(forecastOf([300, 100]), { deadlineMs: HOUR - 1 }), [0, 0]);
  assertEquals(begin(forecastOf([300, 100]), { deadlineMs: -5 * HOUR }), [0, 0]);
  assertEquals(begin(forecastOf([100, 50], 4 * HOUR)), [0, 0], "what now costs is not known");
  const { points, ...rest } = forecastOf([300, 100, 200]);
  assertEquals(begin({ ...rest, points: points.filter((_, i) => i !== 1) }), [2 * HOUR, 1 - 200 / 300]);
});

Deno.test("planStart prices the time until the first point with what is known of now", () => {
  const forecast = forecastOf([100, 400], 30 * MINUTE);
  const work = { nowMs: 0, durationMs: HOUR, deadlineMs: 10 * HOUR };
  assertEquals(planStart(forecast, { ...work, nowGramsPerKwh: 300 }), {
    startMs: 30 * MINUTE,
    gramsPerKwh: 100,
    nowGramsPerKwh: 200,
    savedRatio: 0.5,
  });
});

/** A grid whose forecast a test sets. */
function fakeGrid(
  options: { forecast: () => Forecast | undefined; method?: IntensityMethod; now?: number },
): CarbonIntensity {
  const method = options.method ?? "lifecycle";
  const label = { zone: "DE", provider: "fake", attribution: "Fake" };
  const of = (gramsPerKwh: number) => ({
    ...label,
    gramsPerKwh,
    quality: "live",
    atMs: NOW,
    uncertainty: 0.1,
    renewableRatio: null,
  } as const);
  return {
    zone: "DE",
    names: ["DE"],
    asked: Promise.resolve(),
    trouble: undefined,
    current: () => ({ state: "known", intensity: { ...of(options.now ?? 300), method: "lifecycle" } }),
    marginal: () => method === "marginal" ? { ...of(options.now ?? 300), method } : undefined,
    forecast() {
      const forecast = options.forecast();
      return forecast === undefined ? undefined : { ...forecast, ...label, method } as GridForecast;
    },
    observed: () => ({ readings: [], periodMs: HOUR }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("waitForGreen waits for the valley, tells the plan once, and counts savings against when it was asked", async () => {
  const clock = new FakeClock(NOW);
  const told: StartPlan[] = [];
  const intensity = fakeGrid({ forecast: () => forecastOf([400, 300, 100, 350], NOW) });
  const waiting = waitForGreen(
    fakeWorld(clock),
    intensity,
    { durationMs: HOUR, deadlineMs: NOW + 4 * HOUR, tell: (plan) => told.push(plan) },
    never,
  );
  await clock.advance(119 * MINUTE);
  assertEquals(told.map(({ startMs }) => startMs), [NOW + 2 * HOUR]);
  await clock.advance(MINUTE);
  const { waitedMs, plan } = await waiting;
  assertEquals([waitedMs, plan.nowGramsPerKwh, plan.gramsPerKwh, plan.savedRatio], [
    2 * HOUR,
    400,
    100,
    0.75,
  ]);
});

Deno.test("waitForGreen makes its plan anew as forecasts change, and never passes the deadline", async () => {
  const clock = new FakeClock(NOW);
  let forecast: Forecast | undefined = forecastOf([400, 390, 380, 370, 100], NOW);
  const told: number[] = [];
  const waiting = waitForGreen(
    fakeWorld(clock),
    fakeGrid({ forecast: () => forecast }),
    { durationMs: HOUR, deadlineMs: NOW + 5 * HOUR, tell: (plan) => told.push((plan.startMs - NOW) / HOUR) },
    never,
  );
  await clock.advance(HOUR);
  forecast = forecastOf([400, 390, 50, 370, 300], NOW);
  await clock.advance(HOUR);
  const { waitedMs } = await waiting;
  assertEquals([told, waitedMs], [[4, 2], 2 * HOUR]);
  const always = waitForGreen(
    fakeWorld(clock),
    fakeGrid({ forecast: () => forecastOf([400, 400, 10], clock.now()) }),
    { durationMs: HOUR, deadlineMs: clock.now() + 3 * HOUR, tell: () => {} },
    never,
  );
  await clock.advance(2 * HOUR + 15 * MINUTE);
  assert((await always).waitedMs <= 2 * HOUR, "a valley that is always ahead is given up for the deadline");
});

Deno.test("waitForGreen does not wait for nothing: no forecast, a gain below 5 %, a forecast that is lost", async () => {
  const clock = new FakeClock(NOW);
  const wait = (intensity: CarbonIntensity) =>
    waitForGreen(
      fakeWorld(clock),
      intensity,
      { durationMs: HOUR, deadlineMs: NOW + 10 * HOUR, tell: () => {} },
      never,
    );
  assertEquals((await wait(fakeGrid({ forecast: () => undefined }))).waitedMs, 0);
  assertEquals((await wait(fakeGrid({ forecast: () => forecastOf([300, 290], NOW) }))).waitedMs, 0);
  let lost = false;
  const waiting = wait(fakeGrid({ forecast: () => lost ? undefined : forecastOf([300, 200, 100], NOW) }));
  await settle();
  lost = true;
  await clock.advance(15 * MINUTE);
  assertEquals((await waiting).waitedMs, 15 * MINUTE);
});

Deno.test("waitForGreen ends at once when it is told to", async () => {
  const stop = new AbortController();
  const intensity = fakeGrid({ forecast: () => forecastOf([300, 100], NOW) });
  const waiting = waitForGreen(
    fakeWorld(new FakeClock(NOW)),
    intensity,
    { durationMs: HOUR, deadlineMs: NOW + 10 * HOUR, tell: () => {} },
    stop.signal,
  );
  const rejected = assertRejects(() => waiting, Error, "enough");
  stop.abort(new Error("enough"));
  await rejected;
});

Deno.test("planNow does not compare an average with a marginal forecast", () => {
  const planning = { nowMs: NOW - 30 * MINUTE, durationMs: HOUR, deadlineMs: NOW + 10 * HOUR };
  const marginal = fakeGrid({ forecast: () => forecastOf([900, 500], NOW), method: "marginal", now: 800 });
  assertEquals(planNow(marginal, planning).nowGramsPerKwh, 850);
  const operational = fakeGrid({
    forecast: () => forecastOf([900, 500], NOW),
    method: "operational",
    now: 800,
  });
  assertEquals(planNow(operational, planning).nowGramsPerKwh, null);
});
