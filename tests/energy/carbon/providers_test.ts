import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { type ProviderAccess, retryAfterOf } from "../../../src/energy/carbon/http.ts";
import { chooseProvider, type ProviderName } from "../../../src/energy/carbon/providers/choose.ts";
import type { IntensityProvider } from "../../../src/energy/carbon/types.ts";
import { apiVector, type CarbonAnswer, openCarbonService } from "../../support/carbon_service.ts";
import { FakeClock, fakeWorld } from "../../support/world.ts";
import { generationXml } from "./generation.ts";

const NOW = Date.UTC(2026, 10, 20, 18, 10);
const HOUR = 3_600_000;
const TOKEN = "secret-token-4711";
const never = new AbortController().signal;

/** One provider with everything it needs, its good answers, and the zone it is asked for. */
interface Case {
  readonly name: ProviderName;
  readonly zone: string;
  readonly access: ProviderAccess;
  readonly good: CarbonAnswer;
  /** The path that carries the intensity. */
  readonly main: RegExp;
}

const energyCharts = (shift = 0) => ({
  unix_seconds: [-3, -2, -1, 0, 1, 2].map((i) => (NOW - NOW % 900_000) / 1000 + i * 900 + shift),
  co2eq: [402.1, 398.7, null, null, null, null],
  co2eq_forecast: [null, null, null, 391, 380, 370.5],
  deprecated: false,
});
const wattTimeForecast = (): Record<string, unknown> => {
  const { data: _, meta } = JSON.parse(apiVector("watttime_forecast.json"));
  const start = NOW - NOW % 300_000;
  const point_time = (i: number) => new Date(start + i * 300_000).toISOString().replace(".000Z", "+00:00");
  return { meta, data: [0, 1, 2].map((i) => ({ point_time: point_time(i), value: 870.5 - i })) };
};

const CASES: readonly Case[] = [
  {
    name: "electricitymaps",
    zone: "DE",
    access: { token: TOKEN },
    main: /carbon-intensity\/latest/,
    good: (_, { pathname }) =>
      ({
        "/v3/carbon-intensity/latest": apiVector("electricitymaps_latest.json"),
        "/v3/power-breakdown/latest": { zone: "DE", renewablePercentage: 57, fossilFreePercentage: 57 },
      })[pathname],
  },
  {
    name: "watttime",
    zone: "CAISO_NORTH",
    access: { user: "me", token: TOKEN },
    main: /v3\/forecast/,
    good: (_, { pathname }) => ({ "/login": { token: "abc" }, "/v3/forecast": wattTimeForecast() })[pathname],
  },
  {
    name: "uk",
    zone: "GB",
    access: {},
    main: /^\/intensity/,
    good: (_, { pathname }) =>
      ({ "/intensity": ukHalf(185, null), "/generation": apiVector("uk_generation.json") })[pathname],
  },
  {
    name: "energycharts",
    zone: "DE",
    access: {},
    main: /co2eq/,
    good: (_, { pathname }) =>
      ({
        "/co2eq": energyCharts(),
        "/signal": { unix_seconds: [NOW / 1000 - 600], share: [63.5], signal: [1], substitute: false },
      })[pathname],
  },
  {
    name: "entsoe",
    zone: "FR",
    access: { token: TOKEN },
    main: /^\/api/,
    good: () => generationXml({ atMs: NOW - 2 * HOUR, mix: { B14: 40_000, B04: 10_000, B16: 0 } }),
  },
];

function ukHalf(forecast: number | null, actual: number | null): object {
  return {
    data: [{
      from: "2026-11-20T18:00Z",
      to: "2026-11-20T18:30Z",
      intensity: { forecast, actual, index: "high" },
    }],
  };
}

const open = (each: Case, url: string, clock = new FakeClock(NOW)): IntensityProvider =>
  chooseProvider(fakeWorld(clock), {
    name: each.name,
    zone: each.zone,
    access: { ...each.access, url },
  })!;
const caseOf = (name: ProviderName) => CASES.find((each) => each.name === name)!;

/** Runs `act` with the service of `name` answering `answer`. */
async function withService(
  name: ProviderName,
  answer: CarbonAnswer | undefined,
  act: (provider: IntensityProvider, asked: string[], headers: Headers[]) => Promise<void>,
): Promise<void> {
  const each = caseOf(name);
  await using service = openCarbonService(answer ?? each.good);
  await act(open(each, service.url), service.asked, service.headers);
}

async function codeOfLatest(name: ProviderName, answer: CarbonAnswer): Promise<string> {
  let code = "none";
  await withService(name, answer, async (provider) => {
    const error = await assertRejects(() => provider.latest(never), NodeError);
    assert(!error.message.includes(TOKEN), error.message);
    assertEquals(JSON.stringify(error.message).includes("securityToken"), false);
    code = error.code;
  });
  return code;
}

Deno.test("electricityMaps reads the latest value, its estimate and the renewable share, and asks for no other place", async () => {
  await withService("electricitymaps", undefined, async (provider, asked, headers) => {
    assertEquals(await provider.latest(never), {
      point: { atMs: Date.UTC(2026, 10, 20, 18), gramsPerKwh: 302 },
      estimated: true,
      renewableRatio: 0.57,
    });
    assertEquals(asked[0], "/v3/carbon-intensity/latest?zone=DE&disableCallerLookup=true");
    assertEquals(headers[0]!.get("auth-token"), TOKEN);
    assertEquals([provider.method, provider.attribution], ["lifecycle", "Electricity Maps"]);
  });
});

Deno.test("electricityMaps leaves values out that are null, past or impossible in its forecast", async () => {
  const at = (hour: number) => new Date(Date.UTC(2026, 10, 20, hour)).toISOString();
  const forecast = [[20, 250], [17, 1], [18, 310], [19, null], [21, -5], [22, 99_999]].map(
    ([hour, carbonIntensity]) => ({ datetime: at(hour!), carbonIntensity }),
  );
  const answer = () => ({ zone: "DE", updatedAt: at(17), forecast });
  await withService("electricitymaps", answer, async (provider) => {
    const { points, generatedAtMs } = await provider.forecast!(never);
    assertEquals(points.map(({ atMs, gramsPerKwh }) => [new Date(atMs).getUTCHours(), gramsPerKwh]), [[
      18,
      310,
    ], [20, 250]]);
    assertEquals(generatedAtMs, Date.UTC(2026, 10, 20, 17));
  });
});

Deno.test("electricityMaps reads the vector of a forecast whose value is null", async () => {
  await using service = openCarbonService(() => apiVector("electricitymaps_forecast.json"));
  const provider = open({ ...caseOf("electricitymaps"), zone: "NL" }, service.url);
  assertEquals((await provider.forecast!(never)).points, [{
    atMs: Date.UTC(2026, 10, 20, 18),
    gramsPerKwh: 310,
  }]);
});

Deno.test("electricityMaps keeps the intensity when the renewable share is not to be had", async () => {
  const good = caseOf("electricitymaps").good;
  const answer: CarbonAnswer = (request, url) =>
    url.pathname.includes("breakdown") ? new Response("no", { status: 401 }) : good(request, url);
  await withService("electricitymaps", answer, async (provider) => {
    assertEquals((await provider.latest(never)).renewableRatio, null);
  });
});

Deno.test("electricityMaps refuses other zones, other factors, nulls, and times that cannot be", async () => {
  const latest = JSON.parse(apiVector("electricitymaps_latest.json"));
  for (
    const wrong of [
      { zone: "FR" },
      { emissionFactorType: "direct" },
      { carbonIntensity: null },
      { carbonIntensity: "302" },
      { carbonIntensity: -1 },
      { carbonIntensity: 2001 },
      { datetime: "2026-11-20T20:00:00Z" },
      { datetime: "2026-11-19T17:00:00Z" },
      { datetime: "yesterday" },
      { datetime: "2026-11-20 18:00" },
    ]
  ) {
    assertEquals(
      await codeOfLatest("electricitymaps", () => ({ ...latest, ...wrong })),
      "malformed",
      JSON.stringify(wrong),
    );
  }
});

Deno.test("wattTime turns pounds into grams, says they are marginal, and logs in once", async () => {
  await withService("watttime", undefined, async (provider, asked, headers) => {
    const { point, estimated, renewableRatio } = await provider.latest(never);
    assertEquals(point, { atMs: NOW, gramsPerKwh: 870.5 * 0.45359237 });
    assertEquals([estimated, renewableRatio, provider.method], [true, null, "marginal"]);
    assertEquals((await provider.forecast!(never)).points.length, 3);
    assertEquals(asked, [
      "/login",
      "/v3/forecast?region=CAISO_NORTH&signal_type=co2_moer&horizon_hours=24",
      "/v3/forecast?region=CAISO_NORTH&signal_type=co2_moer&horizon_hours=24",
    ]);
    assertEquals(headers[0]!.get("authorization"), `Basic ${btoa(`me:${TOKEN}`)}`);
    assertEquals(headers[1]!.get("authorization"), "Bearer abc");
  });
});

Deno.test("wattTime logs in again when its token is refused or half an hour old", async () => {
  const clock = new FakeClock(NOW);
  let valid = "1";
  let given = 0;
  await using service = openCarbonService((request, { pathname }) => {
    if (pathname === "/login") return { token: String(++given) };
    return request.headers.get("authorization") === `Bearer ${valid}`
      ? wattTimeForecast()
      : new Response("{}", { status: 401 });
  });
  const provider = open(caseOf("watttime"), service.url, clock);
  await provider.latest(never);
  valid = "2";
  await provider.latest(never);
  assertEquals(given, 2);
  valid = "3";
  await clock.advance(29 * 60_000);
  await provider.latest(never);
  assertEquals(given, 3);
  valid = "none";
  await assertRejects(() => provider.latest(never), NodeError, "401");
  assertEquals(given, 4, "no more than one login for a question");
});

Deno.test("wattTime does not take percentiles, other signals or other regions for intensities", async () => {
  for (const wrong of [{ units: "percentile" }, { signal_type: "health_damage" }, { region: "PJM_DC" }]) {
    const answer: CarbonAnswer = (_, { pathname }) => {
      const forecast = wattTimeForecast();
      return pathname === "/login"
        ? { token: "abc" }
        : { ...forecast, meta: { ...forecast["meta"] as object, ...wrong } };
    };
    assertEquals(await codeOfLatest("watttime", answer), "malformed", JSON.stringify(wrong));
  }
});

Deno.test("carbonIntensityUk prefers what was to what is expected, and counts renewables without imports", async () => {
  await withService("uk", undefined, async (provider, asked) => {
    assertEquals(await provider.latest(never), {
      point: { atMs: Date.UTC(2026, 10, 20, 18), gramsPerKwh: 185 },
      estimated: true,
      renewableRatio: 0.16,
    });
    assertEquals([asked, provider.method], [["/intensity", "/generation"], "operational"]);
  });
  await withService(
    "uk",
    (_, { pathname }) => pathname === "/intensity" ? ukHalf(185, 190) : undefined,
    async (provider) => {
      const { point, estimated, renewableRatio } = await provider.latest(never);
      assertEquals([point.gramsPerKwh, estimated, renewableRatio], [190, false, null]);
    },
  );
});

Deno.test("carbonIntensityUk reads its vector, an hour and a half later by the same rules", async () => {
  await using service = openCarbonService((_, { pathname }) =>
    pathname === "/intensity" ? apiVector("uk_intensity.json") : undefined
  );
  const provider = open(caseOf("uk"), service.url);
  assertEquals((await provider.latest(never)).point, {
    atMs: Date.UTC(2026, 10, 20, 17, 30),
    gramsPerKwh: 185,
  });
});

Deno.test("carbonIntensityUk asks for two days from the half-hour that runs", async () => {
  const halves = [0, 1].map((i) => ({
    from: `2026-11-20T18:${i === 0 ? "00" : "30"}Z`,
    to: "2026-11-20T19:00Z",
    intensity: { forecast: 150 - i, actual: null, index: "low" },
  }));
  await withService("uk", () => ({ data: halves }), async (provider, asked) => {
    assertEquals((await provider.forecast!(never)).points.map(({ gramsPerKwh }) => gramsPerKwh), [150, 149]);
    assertEquals(asked, ["/intensity/2026-11-20T18:00Z/fw48h"]);
  });
});

Deno.test("carbonIntensityUk reads a region by outward postcode, as a list of one and as one", async () => {
  const half = {
    from: "2026-11-20T18:00Z",
    to: "2026-11-20T18:30Z",
    intensity: { forecast: 66, index: "low" },
    generationmix: [{ fuel: "wind", perc: 60 }, { fuel: "gas", perc: 40 }],
  };
  const region = { regionid: 3, postcode: "RG10", data: [half] };
  await using service = openCarbonService((_, { pathname }) => ({
    data: pathname.includes("fw48h") ? region : [region],
  }));
  const provider = open({ ...caseOf("uk"), zone: "rg10" }, service.url);
  assertEquals(await provider.latest(never), {
    point: { atMs: Date.UTC(2026, 10, 20, 18), gramsPerKwh: 66 },
    estimated: true,
    renewableRatio: 0.6,
  });
  assertEquals((await provider.forecast!(never)).points.length, 1);
  assertEquals(service.asked, [
    "/regional/postcode/RG10",
    "/regional/intensity/2026-11-20T18:00Z/fw48h/postcode/RG10",
  ]);
});

Deno.test("energyCharts takes what was, else what is expected, each at its own time", async () => {
  await withService("energycharts", undefined, async (provider, asked) => {
    assertEquals(await provider.latest(never), {
      point: { atMs: NOW - NOW % 900_000, gramsPerKwh: 391 },
      estimated: true,
      renewableRatio: 0.635,
    });
    assertEquals((await provider.forecast!(never)).points.map(({ gramsPerKwh }) => gramsPerKwh), [
      391,
      380,
      370.5,
    ]);
    assertEquals(asked, ["/co2eq?country=de", "/signal?country=de", "/co2eq?country=de"]);
    assertEquals(provider.method, "unstated");
  });
  const { unix_seconds, co2eq } = energyCharts();
  const past = { unix_seconds, co2eq, co2eq_forecast: unix_seconds.map(() => null) };
  await withService(
    "energycharts",
    (_, { pathname }) => pathname === "/co2eq" ? past : undefined,
    async (provider) => {
      assertEquals(await provider.latest(never), {
        point: { atMs: NOW - NOW % 900_000 - 2 * 900_000, gramsPerKwh: 398.7 },
        estimated: false,
        renewableRatio: null,
      });
    },
  );
});

Deno.test("energyCharts refuses lists of unequal length, nothing but nulls, and a day of other times", async () => {
  const nulls = energyCharts().unix_seconds.map(() => null);
  for (
    const wrong of [
      { co2eq: [1] },
      { co2eq_forecast: [] },
      { co2eq: nulls, co2eq_forecast: nulls },
      { co2eq: nulls, co2eq_forecast: nulls.map(() => 5000) },
      energyCharts(-90_000),
      energyCharts(90_000),
      { unix_seconds: "now" },
    ]
  ) {
    assertEquals(
      await codeOfLatest("energycharts", () => ({ ...energyCharts(), ...wrong })),
      "malformed",
      JSON.stringify(wrong),
    );
  }
});

Deno.test("entsoe weighs generation with life-cycle factors and leaves storage out", async () => {
  await withService("entsoe", undefined, async (provider, asked) => {
    assertEquals(await provider.latest(never), {
      point: { atMs: NOW - 2 * HOUR - (NOW % HOUR), gramsPerKwh: (40 * 12 + 10 * 490) / 50 },
      estimated: false,
      renewableRatio: 0,
    });
    assertEquals(
      asked[0],
      `/api?securityToken=${TOKEN}&documentType=A75&processType=A16&in_Domain=10YFR-RTE------C&periodStart=202611201000&periodEnd=202611201800`,
    );
    assertEquals([provider.method, provider.forecast], ["lifecycle", undefined]);
  });
  const stored = generationXml({
    atMs: NOW - HOUR,
    mix: { B16: 100, B04: 100, B10: 5000, B25: 5000 },
    pumping: 700,
  });
  await withService("entsoe", () => stored, async (provider) => {
    const { point, renewableRatio } = await provider.latest(never);
    assertEquals([point.gramsPerKwh, renewableRatio], [(48 + 490) / 2, 0.5]);
  });
});

Deno.test("entsoe does not take the newest hour when most power stations are missing in it", async () => {
  const full = { B14: 40_000, B04: 10_000 };
  const xml = generationXml({ atMs: NOW - 3 * HOUR, mix: full, next: { B14: 41_000 } });
  await withService("entsoe", () => xml, async (provider) => {
    const { point } = await provider.latest(never);
    assertEquals(point.atMs, NOW - 3 * HOUR - (NOW % HOUR));
  });
});

Deno.test("entsoe repeats the platform's own words when there is no data, and refuses other zones and units", async () => {
  const acknowledgement = "<Acknowledgement_MarketDocument xmlns='urn:x'><Reason><code>999</code>" +
    "<text>No matching data found</text></Reason></Acknowledgement_MarketDocument>";
  await withService("entsoe", () => acknowledgement, async (provider) => {
    const error = await assertRejects(() => provider.latest(never), NodeError, "No matching data found");
    assertEquals(error.code, "not_found");
  });
  const other = generationXml({ atMs: NOW - HOUR, mix: { B14: 1 }, domain: "10YBE----------2" });
  assertEquals(await codeOfLatest("entsoe", () => other), "malformed");
  assertEquals(await codeOfLatest("entsoe", () => other.replaceAll("MAW", "MWH")), "malformed");
});

Deno.test("every provider tells apart refusals, overload, failures and rubbish, and never shows its token", async () => {
  const answers: readonly (readonly [CarbonAnswer, string])[] = [
    [() => new Response(apiVector("electricitymaps_unauthorized_401.json"), { status: 401 }), "denied"],
    [() => new Response("no", { status: 403 }), "denied"],
    [() => new Response("slower", { status: 429 }), "busy"],
    [() => new Response("oops", { status: 500 }), "remote"],
    [() => new Response("oops", { status: 503 }), "remote"],
    [() => new Response(null, { status: 302, headers: { location: "https://evil.example/" } }), "refused"],
    [() => new Response("none", { status: 404 }), "not_found"],
    [() => "<html><body>Sign in to the wifi</body></html>", "malformed"],
    [() => "", "malformed"],
    [() => "null", "malformed"],
    [() => "[]", "malformed"],
    [() => "x".repeat((1 << 20) + 1), "too_large"],
    [() => "[".repeat(200_000), "malformed"],
  ];
  for (const { name } of CASES) {
    for (const [answer, code] of answers) {
      assertEquals(await codeOfLatest(name, answer), code, `${name}: ${code}`);
    }
  }
});

Deno.test("every provider passes on for how long a service wants to be left alone, up to six hours", async () => {
  const date = new Date(NOW + 90_000).toUTCString();
  for (
    const [value, ms] of [["120", 120_000], [date, 90_000], ["999999", 6 * HOUR], ["soon", undefined], [
      null,
      undefined,
    ]] as const
  ) {
    for (const { name } of CASES) {
      const answer = () =>
        new Response("", { status: 429, headers: value === null ? {} : { "retry-after": value } });
      await withService(name, answer, async (provider) => {
        const error = await assertRejects(() => provider.latest(never), NodeError);
        assertEquals(retryAfterOf(error), ms, `${name} ${value}`);
      });
    }
  }
});

Deno.test("every provider ends a silent service after 20 s, and at once when told to", async () => {
  for (const each of CASES) {
    const clock = new FakeClock(NOW);
    const silent = Promise.withResolvers<void>();
    await using service = openCarbonService(() => silent.promise.then(() => new Response("")));
    const provider = open(each, service.url, clock);
    const late = assertRejects(() => provider.latest(never), NodeError, "20000 ms");
    while (service.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await clock.advance(20_000);
    assertEquals((await late).code, "timeout", each.name);
    silent.resolve();
    const stop = new AbortController();
    const stopped = assertRejects(() => provider.latest(stop.signal), Error, "stop it");
    stop.abort(new Error("stop it"));
    await stopped;
  }
});

Deno.test("every provider says in plain words that nobody is there", async () => {
  for (const each of CASES) {
    const provider = open(each, "http://127.0.0.1:1");
    const error = await assertRejects(() => provider.latest(never), NodeError, "wanted an answer");
    assertEquals([error.code, error.message.includes(TOKEN)], ["unreachable", false], each.name);
  }
});

Deno.test("chooseProvider wants what a service needs before it asks, and no token in the clear", () => {
  const world = fakeWorld();
  const choose = (name: ProviderName, zone: string | undefined, access: ProviderAccess) => () =>
    chooseProvider(world, { name, zone, access });
  assertEquals(choose("none", undefined, {})(), undefined);
  assertThrows(choose("uk", undefined, {}), NodeError, "carbon.zone");
  assertThrows(choose("watttime", "X", { user: "me" }), NodeError, "carbon.provider_token");
  assertThrows(choose("entsoe", "FR", {}), NodeError, "carbon.provider_token");
  assertThrows(choose("entsoe", "Atlantis", { token: "t" }), NodeError, "EIC code");
  assertThrows(
    choose("electricitymaps", "DE", { token: "t", url: "http://proxy.example" }),
    NodeError,
    "https://",
  );
  assertEquals(
    choose("electricitymaps", "DE", { token: "t", url: "https://proxy.example" })()?.id,
    "electricitymaps",
  );
  assertEquals(choose("energycharts", "DE", { url: "http://proxy.example" })()?.id, "energycharts");
});

Deno.test("every provider names its method and whom to thank", () => {
  const said = CASES.map((each) => {
    const { id, method, attribution, periodMs } = open(each, "https://x.example");
    assertMatch(attribution, /\w/);
    assert(periodMs >= 300_000 && periodMs <= 3_600_000);
    return `${id} ${method}`;
  });
  assertEquals(said, [
    "electricitymaps lifecycle",
    "watttime marginal",
    "uk operational",
    "energycharts unstated",
    "entsoe lifecycle",
  ]);
});
