/**
 * Great Britain's Carbon Intensity API (NESO): averages of what leaves the chimneys, in half-hours, with two days of
 * forecast. Operational figures: nuclear, wind and sun count as 0, so they do not add up with life-cycle ones.
 *
 * @module
 */
import * as v from "valibot";
import type { World } from "../../../base/world.ts";
import { addressOf, askJson, type ProviderAccess } from "../http.ts";
import { asForecast, asLatest, nullable, time } from "../points.ts";
import type { IntensityProvider } from "../types.ts";

const SERVICE = "the Carbon Intensity API";
const OWN_URL = "https://api.carbonintensity.org.uk";
const PERIOD_MS = 1_800_000;
const RENEWABLE: ReadonlySet<string> = new Set(["biomass", "hydro", "solar", "wind"]);

const mixShape = v.array(
  v.object({
    fuel: v.string("a fuel"),
    perc: v.pipe(v.number("percent"), v.minValue(0, "percent"), v.maxValue(100.5, "percent")),
  }),
  "a list",
);
const halfHour = v.object({
  from: time,
  to: time,
  intensity: v.object({ forecast: nullable, actual: nullable }),
  generationmix: v.optional(mixShape),
});
const nationalShape = v.object({ data: v.array(halfHour, "a list") });
/** One region: a list of one when asked about now, that one itself when asked about times to come. */
const regionShape = v.object({ data: v.array(halfHour, "a list") });
const regionalShape = v.object({
  data: v.union([v.pipe(v.array(regionShape), v.minLength(1)), regionShape]),
});
const generationShape = v.object({ data: v.object({ generationmix: mixShape }) });

type HalfHour = v.InferOutput<typeof halfHour>;

/** The API for all of Great Britain (`GB`), or for an outward postcode such as `RG10`. */
export function carbonIntensityUk(world: World, zone: string, access: ProviderAccess): IntensityProvider {
  const national = /^(?:GB|GBR|UK)$/i.test(zone);
  const question = (path: string) => ({ service: SERVICE, url: addressOf(access, OWN_URL, path) });
  const ask = async (nationalPath: string, regionalPath: string, signal: AbortSignal) => {
    if (national) return (await askJson(world, question(nationalPath), nationalShape, signal)).data;
    const { data } = await askJson(world, question(regionalPath), regionalShape, signal);
    return (Array.isArray(data) ? data[0]! : data).data;
  };
  const postcode = encodeURIComponent(zone.toUpperCase());
  const now = () => ({ nowMs: world.clock.now(), periodMs: PERIOD_MS });
  return {
    id: "uk",
    zone,
    method: "operational",
    periodMs: PERIOD_MS,
    delayMs: PERIOD_MS,
    uncertainty: 0.1,
    attribution: "NESO Carbon Intensity API (carbonintensity.org.uk), CC BY 4.0",
    async latest(signal) {
      const [half] = await ask("/intensity", `/regional/postcode/${postcode}`, signal);
      const actual = half?.intensity.actual ?? null;
      const point = {
        atMs: half?.from ?? world.clock.now(),
        gramsPerKwh: actual ?? half?.intensity.forecast,
      };
      return {
        point: asLatest(SERVICE, point, now()),
        estimated: actual === null,
        renewableRatio: renewableOf(half?.generationmix ?? (national ? await mixNow(signal) : undefined)),
      };
    },
    async forecast(signal) {
      const { nowMs, periodMs } = now();
      const from = new Date(Math.floor(nowMs / periodMs) * periodMs).toISOString().slice(0, 16) + "Z";
      const halves = await ask(
        `/intensity/${from}/fw48h`,
        `/regional/intensity/${from}/fw48h/postcode/${postcode}`,
        signal,
      );
      return { generatedAtMs: nowMs, periodMs, points: asForecast(halves.map(pointOf), { nowMs, periodMs }) };
    },
  };

  /** The mix is an extra: the intensity stands without it. */
  async function mixNow(signal: AbortSignal): Promise<HalfHour["generationmix"]> {
    try {
      return (await askJson(world, question("/generation"), generationShape, signal)).data.generationmix;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }
}

const pointOf = ({ from, intensity }: HalfHour) => ({ atMs: from, gramsPerKwh: intensity.forecast });

/** Imports may be renewable and are not counted as such: at least this much is. */
function renewableOf(mix: HalfHour["generationmix"]): number | null {
  const total = mix?.reduce((sum, { perc }) => sum + perc, 0) ?? 0;
  if (mix === undefined || total <= 0) return null;
  return mix.reduce((sum, { fuel, perc }) => sum + (RENEWABLE.has(fuel) ? perc : 0), 0) / total;
}
