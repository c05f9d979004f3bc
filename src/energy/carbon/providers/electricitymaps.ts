/**
 * Electricity Maps, API v3: the grid's average with flows between zones, life-cycle.
 *
 * Its answers where no zone fits are about wherever the caller seems to be; that is switched off
 * (`disableCallerLookup`), and an answer for another zone than the one asked for is refused.
 *
 * @module
 */
import * as v from "valibot";
import type { World } from "../../../base/world.ts";
import { addressOf, askJson, type ProviderAccess, wrong } from "../http.ts";
import { asForecast, asLatest, nullable, time } from "../points.ts";
import type { IntensityProvider } from "../types.ts";

const SERVICE = "Electricity Maps";
const OWN_URL = "https://api.electricitymaps.com";
const PERIOD_MS = 3_600_000;

const latestShape = v.object({
  zone: v.string("a zone"),
  carbonIntensity: nullable,
  datetime: time,
  emissionFactorType: v.optional(v.string("a word")),
  isEstimated: v.optional(v.boolean("true or false")),
});
const breakdownShape = v.object({
  zone: v.string("a zone"),
  renewablePercentage: v.nullish(
    v.pipe(v.number("percent"), v.minValue(0, "percent"), v.maxValue(100, "percent")),
  ),
});
const forecastShape = v.object({
  zone: v.string("a zone"),
  updatedAt: time,
  forecast: v.array(v.object({ datetime: time, carbonIntensity: nullable }), "a list"),
});

/** Electricity Maps for `zone`, such as `DE` or `US-CAL-CISO`. The token is one of its own portal. */
export function electricityMaps(world: World, zone: string, access: ProviderAccess): IntensityProvider {
  const ask = async <S extends v.GenericSchema<unknown, { readonly zone: string }>>(
    path: string,
    shape: S,
    signal: AbortSignal,
  ) => {
    const url = addressOf(access, OWN_URL, `/v3/${path}`);
    url.searchParams.set("zone", zone);
    url.searchParams.set("disableCallerLookup", "true");
    const headers = access.token === undefined ? {} : { "auth-token": access.token };
    const answer = await askJson(world, { service: SERVICE, url, headers }, shape, signal);
    if (answer.zone !== zone) throw wrong(SERVICE, "it is about another zone", `"${zone}"`);
    return answer;
  };
  const now = () => ({ nowMs: world.clock.now(), periodMs: PERIOD_MS });
  return {
    id: "electricitymaps",
    zone,
    method: "lifecycle",
    periodMs: PERIOD_MS,
    delayMs: PERIOD_MS,
    uncertainty: 0.1,
    attribution: "Electricity Maps",
    async latest(signal) {
      const answer = await ask("carbon-intensity/latest", latestShape, signal);
      if (answer.emissionFactorType !== undefined && answer.emissionFactorType !== "lifecycle") {
        throw wrong(SERVICE, "its factors are of another kind", "lifecycle");
      }
      const point = { atMs: answer.datetime, gramsPerKwh: answer.carbonIntensity };
      return {
        point: asLatest(SERVICE, point, now()),
        estimated: answer.isEstimated ?? false,
        renewableRatio: await renewableRatio(
          () => ask("power-breakdown/latest", breakdownShape, signal),
          signal,
        ),
      };
    },
    async forecast(signal) {
      const { updatedAt, forecast } = await ask("carbon-intensity/forecast", forecastShape, signal);
      const points = forecast.map((each) => ({ atMs: each.datetime, gramsPerKwh: each.carbonIntensity }));
      return { generatedAtMs: updatedAt, periodMs: PERIOD_MS, points: asForecast(points, now()) };
    },
  };
}

/** The renewable share is an extra: the intensity stands without it. */
async function renewableRatio(
  ask: () => Promise<v.InferOutput<typeof breakdownShape>>,
  signal: AbortSignal,
): Promise<number | null> {
  try {
    const { renewablePercentage } = await ask();
    return renewablePercentage === null || renewablePercentage === undefined
      ? null
      : renewablePercentage / 100;
  } catch {
    signal.throwIfAborted();
    return null;
  }
}
