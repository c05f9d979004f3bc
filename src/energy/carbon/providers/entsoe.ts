/**
 * ENTSO-E Transparency Platform: what the power stations of a European zone make, by fuel (document A75, realised),
 * weighed with life-cycle factors.
 *
 * It counts what is made in the zone, not what is imported, and comes one to three hours late. Pumped storage and
 * batteries are left out: their power was counted when it was made. There is no forecast of the mix.
 *
 * @module
 */
import { NodeError } from "../../../base/errors.ts";
import type { World } from "../../../base/world.ts";
import { type GenerationSeries, parseGeneration } from "../entsoe_xml.ts";
import { addressOf, askText, type ProviderAccess, wrong } from "../http.ts";
import { FACTORS_ATTRIBUTION, type Fuel, intensityOfMix } from "../mix.ts";
import { asLatest } from "../points.ts";
import type { IntensityProvider } from "../types.ts";

const SERVICE = "ENTSO-E";
const OWN_URL = "https://web-api.tp.entsoe.eu";
const PERIOD_MS = 3_600_000;
/** How far back is asked: the newest hours may not be there yet. */
const BACK_MS = 8 * PERIOD_MS;

/** Zones by the names people use; others are named by their EIC code (ENTSO-E's list of areas). */
const ZONES: Readonly<Record<string, string>> = {
  AT: "10YAT-APG------L",
  BE: "10YBE----------2",
  BG: "10YCA-BULGARIA-R",
  CH: "10YCH-SWISSGRIDZ",
  CZ: "10YCZ-CEPS-----N",
  DE: "10Y1001A1001A82H",
  DK: "10Y1001A1001A65H",
  "DK-DK1": "10YDK-1--------W",
  "DK-DK2": "10YDK-2--------M",
  EE: "10Y1001A1001A39I",
  ES: "10YES-REE------0",
  FI: "10YFI-1--------U",
  FR: "10YFR-RTE------C",
  GR: "10YGR-HTSO-----Y",
  HR: "10YHR-HEP------M",
  HU: "10YHU-MAVIR----U",
  IE: "10Y1001A1001A59C",
  IT: "10YIT-GRTN-----B",
  LT: "10YLT-1001A0008Q",
  LV: "10YLV-1001A00074",
  NL: "10YNL----------L",
  NO: "10YNO-0--------C",
  PL: "10YPL-AREA-----S",
  PT: "10YPT-REN------W",
  RO: "10YRO-TEL------P",
  RS: "10YCS-SERBIATSOV",
  SE: "10YSE-1--------K",
  SI: "10YSI-ELES-----O",
  SK: "10YSK-SEPS-----K",
};

/** Fuels by ENTSO-E's code; those that are missing are storage. Oil shale and peat count as lignite, their nearest. */
const FUELS: Readonly<Record<string, Fuel | "unknown">> = {
  B01: "biomass",
  B02: "lignite",
  B03: "coal",
  B04: "gas",
  B05: "coal",
  B06: "oil",
  B07: "lignite",
  B08: "lignite",
  B09: "geothermal",
  B11: "hydro",
  B12: "hydro",
  B13: "ocean",
  B14: "nuclear",
  B15: "unknown",
  B16: "solar_utility",
  B17: "unknown",
  B18: "wind_offshore",
  B19: "wind_onshore",
  B20: "unknown",
};
/** Half width of the 95 % interval: factors of power stations differ, and imports are not in it. */
const UNCERTAINTY = 0.25;
/** Longest words of the platform that are repeated. */
const MAX_WORDS = 200;

/** ENTSO-E for `zone`: an EIC code such as `10Y1001A1001A82H`, or a country such as `DE`. Throws `NodeError` `usage`. */
export function entsoe(world: World, zone: string, access: ProviderAccess): IntensityProvider {
  const domain = ZONES[zone.toUpperCase()] ?? zone;
  if (!/^\d{2}[YZTV][A-Z0-9-]{13}$/.test(domain)) {
    throw new NodeError(
      "usage",
      `Cannot ask ENTSO-E: it has no zone "${zone}", wanted an EIC code such as 10Y1001A1001A82H (carbon.provider_zone)`,
    );
  }
  if (access.token === undefined) {
    throw new NodeError("usage", "Cannot ask ENTSO-E: there is no token, wanted carbon.provider_token");
  }
  return {
    id: "entsoe",
    zone,
    method: "lifecycle",
    periodMs: PERIOD_MS,
    delayMs: 3 * PERIOD_MS,
    uncertainty: UNCERTAINTY,
    attribution: `ENTSO-E Transparency Platform; ${FACTORS_ATTRIBUTION}`,
    async latest(signal) {
      const nowMs = world.clock.now();
      const url = addressOf(access, OWN_URL, "/api");
      url.search = new URLSearchParams({
        securityToken: access.token!,
        documentType: "A75",
        processType: "A16",
        in_Domain: domain,
        periodStart: stamp(nowMs - BACK_MS),
        periodEnd: stamp(nowMs),
      }).toString();
      const document = parseGeneration(await askText(world, { service: SERVICE, url }, signal));
      if (document.state === "refused") {
        throw new NodeError(
          "not_found",
          `Cannot ask ${SERVICE}: ${plain(document.reason)}, wanted data of the last hours`,
        );
      }
      const newest = newestMix(document.series, domain, nowMs);
      const result = newest && intensityOfMix(newest.mix);
      const point = { atMs: newest?.atMs ?? nowMs, gramsPerKwh: result?.gramsPerKwh };
      return {
        point: asLatest(SERVICE, point, { nowMs, periodMs: PERIOD_MS }),
        estimated: (result?.unknownRatio ?? 0) > UNCERTAINTY / 2,
        renewableRatio: result?.renewableRatio ?? null,
      };
    },
  };
}

/**
 * Generation by fuel at the newest time that all fuels but the smallest are told of. The newest time of all may hold only
 * those that report early, and would say that the grid is made of them.
 */
function newestMix(series: readonly GenerationSeries[], domain: string, nowMs: number) {
  const sources = series.filter(({ psrType, consumption }) => !consumption && Object.hasOwn(FUELS, psrType));
  for (const { domain: of } of sources) {
    if (of !== undefined && of !== domain) throw wrong(SERVICE, "it is about another zone", `"${domain}"`);
  }
  const times = [...new Set(sources.flatMap(({ points }) => points.map(({ atMs }) => atMs)))]
    .filter((atMs) => atMs <= nowMs).sort((a, b) => b - a);
  const largest = mixAt(sources, Infinity);
  for (const atMs of times) {
    const mix = mixAt(sources, atMs);
    if (sum(mix) >= 0.5 * sum(largest) && covers(mix, largest)) return { atMs, mix };
  }
  return undefined;
}

/** Megawatts by fuel at `atMs`; at Infinity the largest of each. */
function mixAt(
  sources: readonly GenerationSeries[],
  atMs: number,
): Partial<Record<Fuel | "unknown", number>> {
  const mix: Partial<Record<Fuel | "unknown", number>> = {};
  for (const { psrType, points } of sources) {
    const values = points.filter((point) => atMs === Infinity || point.atMs === atMs).map((point) =>
      point.megawatts
    );
    if (values.length === 0) continue;
    const fuel = FUELS[psrType]!;
    mix[fuel] = (mix[fuel] ?? 0) + Math.max(...values);
  }
  return mix;
}

const sum = (mix: Partial<Record<string, number>>): number =>
  Object.values(mix).reduce<number>((total, value) => total + Math.max(0, value ?? 0), 0);

/** Whether every fuel that matters in `largest` is in `mix`. */
const covers = (mix: Partial<Record<string, number>>, largest: Partial<Record<string, number>>): boolean =>
  Object.entries(largest).every(([fuel, value]) => (value ?? 0) < 0.02 * sum(largest) || fuel in mix);

/** UTC, `yyyyMMddHHmm`, the whole hour before. */
const stamp = (atMs: number): string =>
  new Date(Math.floor(atMs / PERIOD_MS) * PERIOD_MS).toISOString().replace(/[-:T]/g, "").slice(0, 12);

const plain = (words: string): string => words.replace(/[^\p{L}\p{N}\p{P} ]/gu, " ").slice(0, MAX_WORDS);
