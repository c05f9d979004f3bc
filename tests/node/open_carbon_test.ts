import { assert, assertEquals, assertRejects } from "@std/assert";
import { memoryTable } from "../../src/base/database.ts";
import { NodeError } from "../../src/base/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { readLedgerTotals } from "../../src/energy/ledger.ts";
import type { MeterSums } from "../../src/energy/meter.ts";
import { carbonAwareSource, openCarbon } from "../../src/node/open_carbon.ts";
import { localOf } from "../../src/node/open_own_power.ts";
import { openCarbonService } from "../support/carbon_service.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { FakeClock, fakeWorld } from "../support/world.ts";

const NOON = Date.UTC(2026, 10, 20, 12);
const MINUTE = 60_000;
const KWH = 3_600_000_000_000n;

const configOf = (...sets: readonly string[]): Config =>
  loadConfig({ flags: new Map(), sets, environment: {}, file: undefined, target: undefined }).config;

/** A meter that a test moves. */
class FakeSums {
  kwh = 0n;
  minutes = 0;
  readonly read = (): MeterSums => ({
    accounts: { serve: this.kwh * KWH, idle: 0n, other: 0n },
    overhead: 0n,
    tokens: 0,
    blockTokens: this.minutes * 1000,
    measuredMs: this.minutes * MINUTE,
    elapsedMs: this.minutes * MINUTE,
    kind: "measured",
    uncertainty: 0.05,
  });
}

Deno.test("openCarbon enters what a meter gained each minute, and the rest at the end", async () => {
  await using folder = await temporaryFolder();
  const clock = new FakeClock(NOON);
  const sums = new FakeSums();
  sums.kwh = 7n;
  const config = configOf(
    "carbon.zone=DE",
    "carbon.market_grams_per_kwh=50",
    "carbon.embodied_grams=1000",
    "carbon.lifetime_years=4",
  );
  const options = { config, folder: `${folder.path}/ledger`, table: memoryTable(), productionSold: false };
  const carbon = await openCarbon(fakeWorld(clock), options);
  // what was used before it was kept is not its own
  carbon.keep(sums.read);
  sums.kwh += 2n;
  sums.minutes = 1;
  await clock.advance(MINUTE);
  const snapshot = carbon.books.snapshot();
  assertEquals([snapshot.gramsLocation, snapshot.gramsMarket, snapshot.zone, snapshot.quality], [
    2 * 380.95,
    100,
    "DE",
    "yearly",
  ]);
  assert(snapshot.sci!.embodiedGrams! > 0);
  assertEquals(snapshot.attribution, "Our World in Data / Ember, CC BY 4.0");
  sums.kwh += 1n;
  await carbon[Symbol.asyncDispose]();
  assertEquals((await readLedgerTotals(options.folder)).totalMicrojoules, 3n * KWH);
  assertEquals(clock.sleepers, 0);
});

Deno.test("openCarbon takes off what own production gave", async () => {
  await using folder = await temporaryFolder();
  const clock = new FakeClock(NOON);
  const sums = new FakeSums();
  await using carbon = await openCarbon(fakeWorld(clock), {
    config: configOf("carbon.zone=DE"),
    folder: folder.path,
    table: memoryTable(),
    productionSold: false,
  });
  carbon.keep(sums.read, ({ microjoules }) => ({ microjoules: microjoules.serve / 2n, evidence: "A" }));
  sums.kwh = 2n;
  sums.minutes = 1;
  await clock.advance(MINUTE);
  assertEquals(carbon.books.snapshot().gramsLocation, 380.95);
});

Deno.test("openCarbon asks the service that is named, and its answers reach the Carbon Aware routes", async () => {
  await using folder = await temporaryFolder();
  await using service = openCarbonService((_, { pathname }) =>
    pathname === "/intensity"
      ? {
        data: [{
          from: "2026-11-20T12:00Z",
          to: "2026-11-20T12:30Z",
          intensity: { forecast: 150, actual: 140 },
        }],
      }
      : pathname.endsWith("fw48h")
      ? {
        data: [{
          from: "2026-11-20T12:30Z",
          to: "2026-11-20T13:00Z",
          intensity: { forecast: 120, actual: null },
        }],
      }
      : undefined
  );
  const world = fakeWorld(new FakeClock(NOON));
  const config = configOf("carbon.zone=GB", "carbon.provider=uk", `carbon.provider_url=${service.url}`);
  await using carbon = await openCarbon(world, {
    config,
    folder: folder.path,
    table: memoryTable(),
    productionSold: false,
  });
  await carbon.intensity.asked;
  while (carbon.intensity.observed().readings.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const now = carbon.intensity.current();
  assertEquals(
    now.state === "known" && [now.intensity.gramsPerKwh, now.intensity.quality, now.intensity.method],
    [140, "live", "operational"],
  );
  const source = carbonAwareSource(world, carbon.intensity);
  assertEquals([source.names(), source.now()], [["GB"], NOON]);
  assertEquals(source.observed(), [{ atMs: NOON, durationMs: 30 * MINUTE, gramsPerKwh: 140 }]);
  assertEquals(source.forecast()?.points, [{
    atMs: NOON + 30 * MINUTE,
    durationMs: 30 * MINUTE,
    gramsPerKwh: 120,
  }]);
});

Deno.test("openCarbon asks nobody without a service, and opens nothing when a service lacks something", async () => {
  await using folder = await temporaryFolder();
  const clock = new FakeClock(NOON);
  const open = (...sets: readonly string[]) =>
    openCarbon(fakeWorld(clock), {
      config: configOf(...sets),
      folder: folder.path,
      table: memoryTable(),
      productionSold: false,
    });
  const real = globalThis.fetch;
  let fetched = 0;
  globalThis.fetch = () => (fetched++, Promise.reject(new Error("no phone home")));
  try {
    await using carbon = await open("carbon.zone=DE", "carbon.provider_token=unused");
    await clock.advance(120 * MINUTE);
    assertEquals([fetched, carbon.intensity.current().state], [0, "known"]);
  } finally {
    globalThis.fetch = real;
  }
  await assertRejects(() => open("carbon.provider=electricitymaps"), NodeError, "carbon.zone");
  await assertRejects(
    () => open("carbon.zone=FR", "carbon.provider=entsoe"),
    NodeError,
    "carbon.provider_token",
  );
  assertEquals(clock.sleepers, 0);
});

Deno.test("localOf takes the share of a window that own power gave, rounded down, and nothing where that is not known", () => {
  const window = { microjoules: { serve: 10n, idle: 20n, other: 3n } };
  assertEquals(localOf(window, { share: 0.5, evidence: "A" }), { microjoules: 16n, evidence: "A" });
  assertEquals(localOf(window, { share: 1, evidence: "E" }), { microjoules: 33n, evidence: "E" });
  assertEquals(localOf(window, { share: null, evidence: null }), undefined);
});

Deno.test("openCarbon goes on with the next minute when one cannot be entered", async () => {
  await using folder = await temporaryFolder();
  const clock = new FakeClock(NOON);
  const world = fakeWorld(clock);
  const sums = new FakeSums();
  const options = { config: configOf("carbon.zone=DE"), folder: folder.path, table: memoryTable() };
  const carbon = await openCarbon(world, { ...options, productionSold: false });
  let isOdd = true;
  carbon.keep(sums.read, () => {
    if (isOdd) throw new RangeError("a mistake");
    return undefined;
  });
  sums.kwh++;
  await clock.advance(MINUTE);
  assert(world.lines.some((line) => line.includes("A minute of energy not entered")));
  isOdd = false;
  sums.kwh++;
  await clock.advance(MINUTE);
  await carbon[Symbol.asyncDispose]();
  assertEquals((await readLedgerTotals(options.folder)).totalMicrojoules, KWH);
});
