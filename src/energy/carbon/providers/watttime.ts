/**
 * WattTime, API v3: the marginal operating emissions rate (MOER), what one more megawatt-hour causes, in pounds.
 *
 * It steers when to run and is never booked as the footprint of what was used. Its `signal-index` is a percentile, not an
 * intensity, and is not taken for one. Free accounts get the forecast of one region only (CAISO_NORTH): elsewhere the
 * answer is 403, and there is no intensity from here.
 *
 * @module
 */
import * as v from "valibot";
import { encodeUtf8 } from "../../../base/bytes.ts";
import { NodeError } from "../../../base/errors.ts";
import type { World } from "../../../base/world.ts";
import { addressOf, askJson, type ProviderAccess, wrong } from "../http.ts";
import { asForecast, asLatest, nullable, ofPoundsPerMwh, time } from "../points.ts";
import type { IntensityProvider } from "../types.ts";

const SERVICE = "WattTime";
const OWN_URL = "https://api.watttime.org";
const PERIOD_MS = 300_000;
/** A token holds for 30 minutes; it is asked for anew a little earlier. */
const TOKEN_MS = 28 * 60_000;
const SIGNAL_TYPE = "co2_moer";
const UNITS = "lbs_co2_per_mwh";

const loginShape = v.object({
  token: v.pipe(v.string("a token"), v.regex(/^[\x21-\x7e]{1,8192}$/, "a token")),
});
const forecastShape = v.object({
  data: v.array(v.object({ point_time: time, value: nullable }), "a list"),
  meta: v.object({
    region: v.string("a region"),
    signal_type: v.string("a word"),
    units: v.string("a word"),
    data_point_period_seconds: v.optional(v.pipe(v.number(), v.minValue(60), v.maxValue(86_400))),
    generated_at: v.optional(time),
  }),
});

/** WattTime for the region `zone`, such as `CAISO_NORTH`. Throws `NodeError` `usage` without user name and password. */
export function wattTime(world: World, zone: string, access: ProviderAccess): IntensityProvider {
  const { user, token: password } = access;
  if (user === undefined || password === undefined) {
    throw new NodeError(
      "usage",
      "Cannot ask WattTime: user name or password is missing, wanted carbon.provider_user and carbon.provider_token",
    );
  }
  const login = new Login(world, access, `${user}:${password}`);
  const askForecast = async (signal: AbortSignal) => {
    const answer = await login.use(async (token) => {
      const url = addressOf(access, OWN_URL, "/v3/forecast");
      for (const [name, value] of [["region", zone], ["signal_type", SIGNAL_TYPE], ["horizon_hours", "24"]]) {
        url.searchParams.set(name!, value!);
      }
      const question = { service: SERVICE, url, headers: { authorization: `Bearer ${token}` } };
      return await askJson(world, question, forecastShape, signal);
    }, signal);
    const { region, signal_type, units } = answer.meta;
    if (region !== zone) throw wrong(SERVICE, "it is about another region", `"${zone}"`);
    if (signal_type !== SIGNAL_TYPE || units !== UNITS) {
      throw wrong(SERVICE, "it counts something else", `${SIGNAL_TYPE} in ${UNITS}`);
    }
    const periodMs = (answer.meta.data_point_period_seconds ?? PERIOD_MS / 1000) * 1000;
    const nowMs = world.clock.now();
    const points = answer.data.map(({ point_time, value }) => ({
      atMs: point_time,
      gramsPerKwh: typeof value === "number" ? ofPoundsPerMwh(value) : null,
    }));
    return { points, periodMs, nowMs, generatedAtMs: answer.meta.generated_at ?? nowMs };
  };
  return {
    id: "watttime",
    zone,
    method: "marginal",
    periodMs: PERIOD_MS,
    delayMs: 15 * 60_000,
    uncertainty: 0.3,
    attribution: "WattTime",
    async latest(signal) {
      const { points, periodMs, nowMs } = await askForecast(signal);
      const now = points.findLast(({ atMs }) => atMs <= nowMs) ?? points[0];
      return {
        point: asLatest(SERVICE, now ?? { atMs: nowMs, gramsPerKwh: null }, { nowMs, periodMs }),
        estimated: true,
        renewableRatio: null,
      };
    },
    async forecast(signal) {
      const { points, periodMs, nowMs, generatedAtMs } = await askForecast(signal);
      return { generatedAtMs, periodMs, points: asForecast(points, { nowMs, periodMs }) };
    },
  };
}

/** A token by user name and password (Basic), kept while it holds. */
class Login {
  readonly #world: World;
  readonly #access: ProviderAccess;
  readonly #basic: string;
  #token: { readonly text: string; readonly untilMs: number } | undefined;

  constructor(world: World, access: ProviderAccess, pair: string) {
    this.#world = world;
    this.#access = access;
    this.#basic = encodeUtf8(pair).toBase64();
  }

  /** Runs `work` with a token; one that is refused is replaced once. */
  async use<T>(work: (token: string) => Promise<T>, signal: AbortSignal): Promise<T> {
    const known = this.#token !== undefined && this.#world.clock.monotonic() < this.#token.untilMs;
    const token = known ? this.#token!.text : await this.#login(signal);
    try {
      return await work(token);
    } catch (error) {
      if (!known || !(error instanceof NodeError) || error.code !== "denied") throw error;
      return await work(await this.#login(signal));
    }
  }

  async #login(signal: AbortSignal): Promise<string> {
    this.#token = undefined;
    const url = addressOf(this.#access, OWN_URL, "/login");
    const headers = { authorization: `Basic ${this.#basic}` };
    const { token } = await askJson(this.#world, { service: SERVICE, url, headers }, loginShape, signal);
    this.#token = { text: token, untilMs: this.#world.clock.monotonic() + TOKEN_MS };
    return token;
  }
}
