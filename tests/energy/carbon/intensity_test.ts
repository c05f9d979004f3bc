import { assert, assertEquals } from "@std/assert";
import { memoryTable, type Table } from "../../../src/base/database.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { type CarbonIntensity, openIntensity } from "../../../src/energy/carbon/intensity.ts";
import type { Forecast, IntensityProvider, LatestReading } from "../../../src/energy/carbon/types.ts";
import { FakeClock, fakeWorld, settle } from "../../support/world.ts";

const NOW = Date.UTC(2026, 10, 20, 18);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A service whose answers a test sets. */
class FakeProvider implements IntensityProvider {
  readonly id = "fake";
  readonly zone = "DE-LU";
  readonly periodMs = HOUR;
  readonly delayMs = HOUR;
  readonly uncertainty = 0.1;
  readonly attribution = "Fake";
  asked = 0;
  grams = 300;
  failure: Error | undefined;
  renewableRatio: number | null = 0.4;
  expected: Forecast | undefined;
  forecast?: (signal: AbortSignal) => Promise<Forecast>;

  constructor(readonly clock: FakeClock, readonly method: IntensityProvider["method"] = "lifecycle") {}

  latest(): Promise<LatestReading> {
    this.asked++;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const atMs = this.clock.now() - this.clock.now() % HOUR;
    return Promise.resolve({
      point: { atMs, gramsPerKwh: this.grams },
      estimated: false,
      renewableRatio: this.renewableRatio,
    });
  }

  expect(...grams: readonly number[]): void {
    const points = grams.map((gramsPerKwh, i) => ({ atMs: NOW + i * HOUR, gramsPerKwh }));
    this.expected = { generatedAtMs: NOW, periodMs: HOUR, points };
    this.forecast = () => Promise.resolve(this.expected!);
  }
}

function setUp(
  options: { method?: IntensityProvider["method"]; zone?: string | undefined; table?: Table } = {},
) {
  const clock = new FakeClock(NOW);
  const world = fakeWorld(clock);
  const provider = new FakeProvider(clock, options.method);
  const table = options.table ?? memoryTable();
  const zone = "zone" in options ? options.zone : "DE";
  const open = (asked: IntensityProvider | undefined = provider) =>
    openIntensity(world, { zone, provider: asked, table });
  return { clock, world, provider, table, open };
}

const qualityOf = (intensity: CarbonIntensity) => {
  const now = intensity.current();
  return now.state === "known" ? [now.intensity.quality, now.intensity.gramsPerKwh] : [now.state];
};
const refused = () => new NodeError("remote", "Cannot ask: it answered 500, wanted an answer");

Deno.test("openIntensity without a service asks nobody and gives the year's average with its label", async () => {
  const { world, clock } = setUp();
  await using intensity = openIntensity(world, { zone: "DE", provider: undefined, table: memoryTable() });
  await intensity.asked;
  await clock.advance(DAY);
  assertEquals([clock.sleepers, qualityOf(intensity)], [0, ["yearly", 380.95]]);
  assertEquals(intensity.forecast(), undefined);
  assertEquals(intensity.observed().readings, [], "a yearly average is no observation");
});

Deno.test("openIntensity without a zone says what to do, and is never 0", async () => {
  const { world } = setUp();
  await using intensity = openIntensity(world, {
    zone: undefined,
    provider: undefined,
    table: memoryTable(),
  });
  const now = intensity.current();
  assert(now.state === "absent" && now.reason.includes("carbon.zone"));
  await using unknown = openIntensity(world, { zone: "XX", provider: undefined, table: memoryTable() });
  const there = unknown.current();
  assert(there.state === "absent" && there.reason.includes("XX"));
});

Deno.test("openIntensity gives the live value with whose it is, how sure and how green", async () => {
  const { open } = setUp();
  await using intensity = open();
  await intensity.asked;
  assertEquals(intensity.current(), {
    state: "known",
    intensity: {
      atMs: NOW,
      gramsPerKwh: 300,
      zone: "DE",
      quality: "live",
      method: "lifecycle",
      provider: "fake",
      uncertainty: 0.1,
      renewableRatio: 0.4,
      attribution: "Fake",
    },
  });
  assertEquals(intensity.names, ["DE", "DE-LU"]);
});

Deno.test("openIntensity asks once a period, and falls from live over stale to yearly as the service stays away", async () => {
  const { open, provider, clock, world } = setUp();
  await using intensity = open();
  await intensity.asked;
  await clock.advance(59 * MINUTE);
  assertEquals(provider.asked, 1);
  await clock.advance(8 * MINUTE);
  assertEquals(provider.asked, 2);
  provider.failure = refused();
  await clock.advance(90 * MINUTE);
  assertEquals(qualityOf(intensity), ["live", 300], "its newest value is late, as it may be");
  await clock.advance(90 * MINUTE);
  assertEquals(qualityOf(intensity), ["stale", 300]);
  const stale = intensity.current();
  assert(stale.state === "known" && stale.intensity.uncertainty > 0.15, "an old value is less sure");
  assertEquals(intensity.trouble, provider.failure.message);
  await clock.advance(DAY);
  assertEquals(qualityOf(intensity), ["yearly", 380.95]);
  assertEquals(world.lines.filter((line) => line.startsWith("warn")).length, 1, "one line, not one each try");
  provider.failure = undefined;
  await clock.advance(2 * HOUR);
  assertEquals([qualityOf(intensity), intensity.trouble], [["live", 300], undefined]);
});

Deno.test("openIntensity asks again with growing pauses, and after a refusal of its token only in hours", async () => {
  const { open, provider, clock } = setUp();
  provider.failure = refused();
  await using intensity = open();
  await intensity.asked;
  const counts: number[] = [];
  for (const pause of [2, 3, 5, 10, 60, 60]) {
    await clock.advance(pause * MINUTE);
    counts.push(provider.asked);
  }
  assertEquals(counts, [2, 3, 4, 5, 7, 8]);
  provider.failure = new NodeError("denied", "Cannot ask: it answered 401, wanted a token");
  await clock.advance(2 * HOUR);
  const asked = provider.asked;
  await clock.advance(DAY);
  assertEquals(provider.asked - asked, 4, "four times a day");
});

Deno.test("openIntensity takes the forecast of now before an old value, and marks it", async () => {
  const { open, provider, clock } = setUp();
  provider.expect(290, 280, 270, 260);
  await using intensity = open();
  await intensity.asked;
  await settle();
  provider.failure = refused();
  await clock.advance(3 * HOUR);
  assertEquals(qualityOf(intensity), ["estimated", 260]);
  assertEquals(intensity.forecast()?.points.map(({ gramsPerKwh }) => gramsPerKwh), [260]);
  await clock.advance(HOUR);
  assertEquals([qualityOf(intensity), intensity.forecast()], [["stale", 300], undefined]);
});

Deno.test("openIntensity keeps marginal figures out of what is booked", async () => {
  const { open, provider } = setUp({ method: "marginal" });
  provider.grams = 900;
  await using intensity = open();
  await intensity.asked;
  assertEquals(qualityOf(intensity), ["yearly", 380.95]);
  assertEquals([intensity.marginal()?.gramsPerKwh, intensity.marginal()?.method], [900, "marginal"]);
  const average = setUp();
  await using other = average.open();
  await other.asked;
  assertEquals(other.marginal(), undefined);
});

Deno.test("openIntensity remembers over a restart and does not ask for what it knows", async () => {
  const { open, provider, clock, table } = setUp();
  provider.expect(290, 280, 270);
  {
    await using intensity = open();
    await intensity.asked;
    await settle();
  }
  await clock.advance(30 * MINUTE);
  provider.failure = refused();
  await using again = open();
  await again.asked;
  assertEquals(qualityOf(again), ["live", 300]);
  assertEquals(again.forecast()?.points.length, 3);
  assertEquals([provider.asked, again.observed().readings.length], [1, 1]);
  const { forecast: _, ...asBefore } = provider;
  const other = { ...asBefore, id: "other", latest: () => provider.latest() };
  await using stranger = openIntensity(fakeWorld(clock), { zone: "DE", provider: other, table });
  await stranger.asked;
  assertEquals(qualityOf(stranger)[0], "yearly", "another service's answers are not this one's");
});

Deno.test("openIntensity takes a damaged or foreign note for none", async () => {
  for (
    const text of [
      "",
      "{",
      "null",
      "[]",
      '{"provider":"fake"}',
      `{"provider":"fake","zone":"DE-LU","method":"lifecycle","observed":[[${NOW},99999,0,null]],"forecast":null}`,
    ]
  ) {
    const table = memoryTable();
    table.put("intensity", new TextEncoder().encode(text));
    const { open, provider } = setUp({ table });
    provider.failure = refused();
    await using intensity = open();
    await intensity.asked;
    assertEquals(qualityOf(intensity)[0], "yearly", text);
  }
});

Deno.test("openIntensity writes its note at most each six hours and at the end", async () => {
  let puts = 0;
  const table = memoryTable();
  const counting: Table = { ...table, put: (key, value) => (puts++, table.put(key, value)) };
  const { open, clock } = setUp({ table: counting });
  const intensity = open();
  await intensity.asked;
  await clock.advance(DAY);
  assert(puts >= 3 && puts <= 4, `${puts}`);
  await intensity[Symbol.asyncDispose]();
  assert((table.get("intensity")?.length ?? 0) < 2000);
});

Deno.test("openIntensity keeps values of a day, each hour once, and ends while it asks", async () => {
  const { open, clock, provider } = setUp();
  const intensity = open();
  await intensity.asked;
  await clock.advance(3 * DAY);
  const { readings } = intensity.observed();
  assert(readings.length >= 20 && readings.length <= 25, `${readings.length}`);
  assertEquals(new Set(readings.map(({ point }) => point.atMs)).size, readings.length);
  const hanging = {
    ...provider,
    latest: (signal: AbortSignal) =>
      new Promise<LatestReading>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      ),
  };
  const stuck = openIntensity(fakeWorld(clock), {
    zone: "DE",
    provider: hanging as IntensityProvider,
    table: memoryTable(),
  });
  await settle();
  await stuck[Symbol.asyncDispose]();
  await intensity[Symbol.asyncDispose]();
  assertEquals(clock.sleepers, 0);
});
