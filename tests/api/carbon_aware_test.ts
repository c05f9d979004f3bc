import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { CarbonAwareSource } from "../../src/api/carbon_aware.ts";
import {
  duration,
  type EmissionsPoint,
  isoTime,
  queryTime,
  rollingAverage,
} from "../../src/api/carbon_aware_series.ts";
import { apiHandler } from "../../src/api/handler.ts";
import { fakeWorld } from "../support/world.ts";

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 20, 18, 10);
const six = Date.UTC(2026, 10, 20, 18);

const pointsAt = (startMs: number, ...grams: readonly number[]): EmissionsPoint[] =>
  grams.map((gramsPerKwh, i) => ({ atMs: startMs + i * HOUR, durationMs: HOUR, gramsPerKwh }));

function sourceOf(more: Partial<CarbonAwareSource> = {}): CarbonAwareSource {
  return {
    names: () => ["DE", "10Y1001A1001A82H"],
    observed: () => pointsAt(six - 3 * HOUR, 310, 290, 290, 300),
    forecast: () => ({ generatedAtMs: six, points: pointsAt(six, 300, 250, 150, 200, 400) }),
    now: () => NOW,
    ...more,
  };
}

const notAsked = (): never => {
  throw new Error("not asked for");
};
const handlerOf = (source: CarbonAwareSource | undefined) =>
  apiHandler({
    world: fakeWorld(),
    status: notAsked,
    energy: notAsked,
    metrics: notAsked,
    allowedHosts: [],
    maxBodyBytes: 1024,
    log: fakeWorld().log,
    ...(source === undefined ? {} : { carbonAware: source }),
  });
const ask = (path: string, source: CarbonAwareSource | undefined = sourceOf(), init: RequestInit = {}) =>
  handlerOf(source)(new Request(`http://x/emissions/${path}`, { ...init, headers: { host: "localhost" } }));
const json = async (path: string, source?: CarbonAwareSource) => {
  const response = await ask(path, source ?? sourceOf());
  return { status: response.status, type: response.headers.get("content-type"), body: await response.json() };
};

Deno.test("/emissions/bylocation gives what is now, in the SDK's fields", async () => {
  const { status, type, body } = await json("bylocation?location=DE");
  assertEquals([status, type], [200, "application/json"]);
  assertEquals(body, [{
    location: "DE",
    time: "2026-11-20T18:00:00+00:00",
    rating: 300,
    duration: "01:00:00",
  }]);
});

Deno.test("/emissions/bylocation gives values of a stretch of time, each that touches it", async () => {
  const query = "bylocation?location=de&time=2026-11-20T15:30:00Z&toTime=2026-11-20T17:00:00%2B00:00";
  const { body } = await json(query);
  assertEquals(body.map((each: { rating: number; location: string }) => [each.location, each.rating]), [
    ["de", 310],
    ["de", 290],
    ["de", 290],
  ]);
  assertEquals((await ask("bylocation?location=DE&time=2026-11-01&toTime=2026-11-02")).status, 204);
});

Deno.test("/emissions/bylocation gives the newest value for now while the service is late, and nothing without one", async () => {
  const late = sourceOf({ observed: () => pointsAt(six - 3 * HOUR, 310) });
  assertEquals((await json("bylocation?location=DE", late)).body[0].rating, 310);
  const nothing = await ask("bylocation?location=DE", sourceOf({ observed: () => [] }));
  assertEquals([nothing.status, await nothing.text()], [204, ""]);
});

Deno.test("/emissions/bylocations and /best take several names, and best gives all that share the lowest", async () => {
  const { body } = await json("bylocations?location=DE&location=10Y1001A1001A82H");
  assertEquals(body.map((each: { location: string }) => each.location), ["DE", "10Y1001A1001A82H"]);
  const best = await json("bylocations/best?locations=DE&time=2026-11-20T15:00Z&toTime=2026-11-20T18:00Z");
  assertEquals(best.body.map((each: { time: string; rating: number }) => [each.time, each.rating]), [
    ["2026-11-20T16:00:00+00:00", 290],
    ["2026-11-20T17:00:00+00:00", 290],
  ]);
});

Deno.test("/emissions/forecasts/current gives the forecast and its best value", async () => {
  const { body } = await json("forecasts/current?location=DE");
  assertEquals(body.length, 1);
  const { forecastData, optimalDataPoints, ...rest } = body[0];
  assertEquals(rest, {
    generatedAt: "2026-11-20T18:00:00+00:00",
    requestedAt: "2026-11-20T18:10:00+00:00",
    location: "DE",
    dataStartAt: "2026-11-20T18:00:00+00:00",
    dataEndAt: "2026-11-20T22:00:00+00:00",
    windowSize: 0,
  });
  assertEquals(forecastData.map((each: { value: number }) => each.value), [300, 250, 150, 200, 400]);
  assertEquals(optimalDataPoints, [
    { location: "DE", timestamp: "2026-11-20T20:00:00+00:00", duration: 60, value: 150 },
  ]);
});

Deno.test("/emissions/forecasts/current averages over the window of the work, within its bounds", async () => {
  const { body: [forecast] } = await json(
    "forecasts/current?location=DE&windowSize=90&dataStartAt=2026-11-20T19:00:00Z&dataEndAt=2026-11-20T22:30:00Z",
  );
  assertEquals(
    forecast.forecastData.map((each: { timestamp: string; value: number; duration: number }) => [
      each.timestamp.slice(11, 16),
      Math.round(each.value * 100) / 100,
      each.duration,
    ]),
    [["19:00", 216.67, 90], ["20:00", 166.67, 90], ["21:00", 266.67, 90]],
  );
  assertEquals(forecast.optimalDataPoints[0].timestamp, "2026-11-20T20:00:00+00:00");
  assertEquals([forecast.windowSize, forecast.dataStartAt, forecast.dataEndAt], [
    90,
    "2026-11-20T19:00:00+00:00",
    "2026-11-20T22:30:00+00:00",
  ]);
  const { body: [long] } = await json("forecasts/current?location=DE&windowSize=600");
  assertEquals([long.forecastData, long.optimalDataPoints], [[], []]);
});

Deno.test("Carbon Aware routes refuse with a problem document that names the parameter", async () => {
  const wrong: readonly (readonly [string, number, string | undefined])[] = [
    ["bylocation", 400, "location"],
    ["bylocation?location=", 400, "location"],
    ["bylocation?location=DE&location=DE", 400, "location"],
    ["bylocations", 400, "location"],
    [`bylocations?${"location=DE&".repeat(101)}`, 400, "location"],
    ["bylocation?location=westus", 404, undefined],
    ["bylocations?location=DE&location=westus", 404, undefined],
    ["bylocation?location=DE&toTime=2026-11-20", 400, "time"],
    ["bylocation?location=DE&time=2026-11-20&toTime=2026-11-20", 400, "time"],
    ["bylocation?location=DE&time=yesterday", 400, "time"],
    ["bylocation?location=DE&time=2026-13-40", 400, "time"],
    ["forecasts/current", 400, "location"],
    ["forecasts/current?location=westus", 404, undefined],
    ["forecasts/current?location=DE&windowSize=-5", 400, "windowSize"],
    ["forecasts/current?location=DE&windowSize=1e9", 400, "windowSize"],
    ["forecasts/current?location=DE&dataStartAt=2026-11-20T17:00Z", 400, "dataStartAt"],
    ["forecasts/current?location=DE&dataEndAt=2026-11-21T17:00Z", 400, "dataEndAt"],
    [
      "forecasts/current?location=DE&dataStartAt=2026-11-20T20:00Z&dataEndAt=2026-11-20T19:00Z",
      400,
      "dataStartAt",
    ],
  ];
  for (const [path, status, parameter] of wrong) {
    const answer = await json(path);
    assertEquals([answer.status, answer.body.status], [status, status], path);
    assertEquals(answer.type, "application/problem+json; charset=utf-8");
    assert(typeof answer.body.title === "string" && answer.body.title !== "");
    if (parameter !== undefined) assertEquals(Object.keys(answer.body.errors), [parameter], path);
  }
});

Deno.test("Carbon Aware routes say that nobody forecasts, and that no zone is set", async () => {
  const forecast = await json("forecasts/current?location=DE", sourceOf({ forecast: () => undefined }));
  assertEquals([forecast.status, forecast.body.status], [501, 501]);
  const none = await json("bylocation?location=DE", sourceOf({ names: () => [] }));
  assertEquals(none.status, 404);
  assert(none.body.detail.includes("carbon.zone"));
});

Deno.test("Carbon Aware routes only read, and are absent where nobody fills them", async () => {
  for (const method of ["POST", "PUT", "DELETE"]) {
    assertEquals((await ask("bylocation?location=DE", sourceOf(), { method })).status, 405);
  }
  const handler = handlerOf(undefined);
  const answer = await handler(
    new Request("http://x/emissions/bylocation", { headers: { host: "localhost" } }),
  );
  assertEquals([answer.status, (await answer.json()).error.code], [404, "not_found"]);
  const foreign = await handlerOf(sourceOf())(
    new Request("http://x/emissions/bylocation?location=DE", { headers: { host: "evil.example" } }),
  );
  assertEquals(foreign.status, 403);
});

Deno.test("isoTime, duration and queryTime speak as .NET does", () => {
  assertEquals([isoTime(six), isoTime(six + 5)], [
    "2026-11-20T18:00:00+00:00",
    "2026-11-20T18:00:00.005+00:00",
  ]);
  assertEquals([300_000, 1_800_000, HOUR, 90_061_000].map(duration), [
    "00:05:00",
    "00:30:00",
    "01:00:00",
    "1.01:01:01",
  ]);
  for (
    const text of [
      "2026-11-20T18:00:00Z",
      "2026-11-20T18:00",
      "2026-11-20 18:00",
      "2026-11-20T19:00:00+01:00",
      "2026-11-20T19:00:00 01:00",
      "2026-11-20T13:00-0500",
      "2026-11-20T18:00:00.0000000Z",
    ]
  ) assertEquals(queryTime(text), six, text);
  assertEquals(queryTime("2026-11-20"), Date.UTC(2026, 10, 20));
  for (const text of ["", "now", "2026-11-20T", "2026-11-20T18", "1e9", "2026-11-20T18:00ZZ"]) {
    assertEquals(queryTime(text), undefined, text);
  }
});

Deno.test("rollingAverage is the mean of every minute of each window, and skips gaps", () => {
  const grams = fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(
      grams,
      fc.integer({ min: 1, max: 150 }),
      fc.integer({ min: 0, max: 7 }),
      (values, minutes, hole) => {
        const points = pointsAt(0, ...values).filter((_, i) => i !== hole);
        const means = rollingAverage(points, { startMs: 0, endMs: 8 * HOUR, windowMs: minutes * 60_000 });
        for (const { atMs, durationMs, gramsPerKwh } of means) {
          let sum = 0;
          for (let at = atMs; at < atMs + durationMs; at += 60_000) {
            const point = points.findLast((each) => each.atMs <= at && at < each.atMs + each.durationMs);
            assert(point !== undefined, "a window over a gap");
            sum += point.gramsPerKwh;
          }
          assert(Math.abs(gramsPerKwh - sum / minutes) < 1e-6);
        }
      },
    ),
  );
});
