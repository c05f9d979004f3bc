/**
 * Energy-Charts of Fraunhofer ISE: grid averages of European countries in quarter-hours, with a forecast.
 *
 * Two arrays of equal length: what was, null where it is not yet known, and what is expected, null in the past. Whether
 * the factors count whole life cycles is said nowhere in the API, so the method is `unstated`.
 *
 * @module
 */
import * as v from "valibot";
import type { World } from "../../../base/world.ts";
import { addressOf, askJson, type ProviderAccess, type Question, wrong } from "../http.ts";
import { asForecast, asLatest, nullable } from "../points.ts";
import type { IntensityProvider } from "../types.ts";

const SERVICE = "Energy-Charts";
const OWN_URL = "https://api.energy-charts.info";
const PERIOD_MS = 900_000;
/** Newest values come an hour or two late; until then its forecast says what is now. */
const DELAY_MS = 2 * 3_600_000;

const seconds = v.array(v.pipe(v.number("seconds"), v.minValue(0), v.maxValue(8.64e12)), "a list of seconds");
const co2Shape = v.object({
  unix_seconds: seconds,
  co2eq: v.array(nullable, "a list"),
  co2eq_forecast: v.array(nullable, "a list"),
});
const signalShape = v.object({ unix_seconds: seconds, share: v.array(nullable, "a list") });

/** Energy-Charts for a country by its two letters, such as `DE`. */
export function energyCharts(world: World, zone: string, access: ProviderAccess): IntensityProvider {
  const question = (path: string) => {
    const url = addressOf(access, OWN_URL, path);
    url.searchParams.set("country", zone.toLowerCase());
    return { service: SERVICE, url };
  };
  const askSeries = async (signal: AbortSignal) => {
    const answer = await askJson(world, question("/co2eq"), co2Shape, signal);
    const { unix_seconds: times, co2eq, co2eq_forecast: expected } = answer;
    if (co2eq.length !== times.length || expected.length !== times.length) {
      throw wrong(SERVICE, "its lists differ in length", "lists of one length");
    }
    return times.map((at, i) => ({
      atMs: at * 1000,
      actual: co2eq[i] ?? null,
      expected: expected[i] ?? null,
    }));
  };
  return {
    id: "energycharts",
    zone,
    method: "unstated",
    periodMs: PERIOD_MS,
    delayMs: DELAY_MS,
    uncertainty: 0.15,
    attribution: "Energy-Charts (Fraunhofer ISE), CC BY 4.0",
    async latest(signal) {
      const nowMs = world.clock.now();
      const begun = (await askSeries(signal)).filter(({ atMs }) => atMs <= nowMs);
      const now = begun.findLast(({ actual, expected }) => actual !== null || expected !== null);
      const point = { atMs: now?.atMs ?? nowMs, gramsPerKwh: now?.actual ?? now?.expected };
      return {
        point: asLatest(SERVICE, point, { nowMs, periodMs: PERIOD_MS }),
        estimated: now?.actual === null,
        renewableRatio: await shareNow(world, question("/signal"), signal),
      };
    },
    async forecast(signal) {
      const nowMs = world.clock.now();
      const points = (await askSeries(signal)).map(({ atMs, actual, expected }) => ({
        atMs,
        gramsPerKwh: actual ?? expected,
      }));
      return {
        generatedAtMs: nowMs,
        periodMs: PERIOD_MS,
        points: asForecast(points, { nowMs, periodMs: PERIOD_MS }),
      };
    },
  };
}

/** Renewable share of the load, percent, above 100 when power is exported. The intensity stands without it. */
async function shareNow(world: World, question: Question, signal: AbortSignal): Promise<number | null> {
  const nowMs = world.clock.now();
  try {
    const { unix_seconds: times, share } = await askJson(world, question, signalShape, signal);
    const at = times.findLastIndex((time, i) => time * 1000 <= nowMs && typeof share[i] === "number");
    const percent = share[at];
    if (typeof percent !== "number" || percent < 0 || nowMs - times[at]! * 1000 > DELAY_MS) return null;
    return Math.min(1, percent / 100);
  } catch {
    signal.throwIfAborted();
    return null;
  }
}
