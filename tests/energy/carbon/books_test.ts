import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { type BooksOptions, type CarbonBooks, openCarbonBooks } from "../../../src/energy/carbon/books.ts";
import type { EnergyWindow } from "../../../src/energy/carbon/hour_book.ts";
import type { CarbonIntensity } from "../../../src/energy/carbon/intensity.ts";
import type { AverageMethod, Intensity, IntensityQuality } from "../../../src/energy/carbon/types.ts";
import { type Ledger, openLedger, readLedgerHours, readLedgerTotals } from "../../../src/energy/ledger.ts";
import type { LedgerRecord } from "../../../src/energy/ledger_record.ts";
import { hoursOf, totalsOf } from "../../../src/energy/ledger_sums.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { FakeClock, fakeWorld, settle } from "../../support/world.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOON = Date.UTC(2026, 10, 20, 12);
/** One kilowatt-hour. */
const KWH = 3_600_000_000_000n;
const ALL = [0, Date.UTC(2199, 0, 1)] as const;

/** A ledger in memory, whose disk can be full. */
class FakeLedger implements Ledger {
  readonly records: LedgerRecord[] = [];
  failure: Error | undefined;
  readonly bytesWritten = 0;
  add(record: LedgerRecord): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.records.push(record);
    return Promise.resolve();
  }
  hours = () => Promise.resolve(hoursOf(this.records));
  totals = () => Promise.resolve(totalsOf(hoursOf(this.records)));
  [Symbol.asyncDispose] = () => Promise.resolve();
}

/** A grid that a test sets. */
class FakeGrid implements CarbonIntensity {
  readonly zone = "DE";
  readonly names = ["DE"];
  readonly asked = Promise.resolve();
  trouble: string | undefined;
  now: Partial<Intensity<AverageMethod>> | undefined = {};
  marginalGrams: number | undefined;

  #intensity<T extends object>(more: T) {
    return {
      gramsPerKwh: 300,
      zone: "DE",
      quality: "live",
      provider: "fake",
      atMs: NOON,
      uncertainty: 0.1,
      renewableRatio: 0.5,
      attribution: "Fake",
      ...more,
    } as const;
  }
  current: CarbonIntensity["current"] = () =>
    this.now === undefined
      ? { state: "absent", reason: "set carbon.zone" }
      : { state: "known", intensity: this.#intensity({ method: "lifecycle" as AverageMethod, ...this.now }) };
  marginal = () =>
    this.marginalGrams === undefined
      ? undefined
      : this.#intensity({ method: "marginal" as const, gramsPerKwh: this.marginalGrams });
  forecast = () => undefined;
  observed = () => ({ readings: [], periodMs: HOUR });
  [Symbol.asyncDispose] = () => Promise.resolve();
  set(gramsPerKwh: number, quality: IntensityQuality = "live", method: AverageMethod = "lifecycle"): void {
    this.now = { gramsPerKwh, quality, method };
  }
}

function setUp(options: Partial<BooksOptions> = {}) {
  const clock = new FakeClock(NOON);
  const world = fakeWorld(clock);
  const [ledger, grid] = [new FakeLedger(), new FakeGrid()];
  const books = openCarbonBooks(world, {
    ledger,
    intensity: grid,
    marketGramsPerKwh: undefined,
    productionSold: false,
    embodied: undefined,
    ...options,
  });
  const enter = async (serve: bigint, more: Partial<EnergyWindow> = {}, minutes = 1) => {
    await clock.advance(minutes * MINUTE);
    enterAt(books, clock.now(), serve, { elapsedMs: minutes * MINUTE, ...more });
    await settle();
  };
  return { clock, world, ledger, grid, books, enter };
}

function enterAt(books: CarbonBooks, endMs: number, serve: bigint, more: Partial<EnergyWindow> = {}): void {
  const elapsedMs = more.elapsedMs ?? MINUTE;
  books.add({
    endMs,
    elapsedMs,
    coveredMs: elapsedMs,
    microjoules: { serve, idle: 0n, other: 0n },
    tokens: 10,
    blockTokens: 20,
    kind: "measured",
    uncertainty: 0.05,
    ...more,
  });
}

Deno.test("openCarbonBooks prices each hour with the intensity of that hour, not the sum with a mean", async () => {
  const { books, ledger, grid, enter } = setUp();
  let expected = 0;
  for (const [grams, kwh] of [[100, 10n], [500, 1n], [50, 0n], [400, 2n]] as const) {
    grid.set(grams);
    for (let part = 0; part < 6; part++) await enter(KWH * kwh / 6n, {}, 10);
    expected += grams * Number(kwh);
  }
  await books[Symbol.asyncDispose]();
  const totals = await ledger.totals();
  assertAlmostEquals(totals.location[0]!.grams, expected, 1e-6);
  assertEquals(
    ledger.records.map(({ startMs, intensity }) => [(startMs - NOON) / HOUR, intensity!.gramsPerKwh]),
    [
      [0, 100],
      [1, 500],
      [2, 50],
      [3, 400],
    ],
  );
  assertEquals([totals.hours, totals.tokens, totals.blockTokens], [4, 240, 480]);
  assertEquals(books.settled, totals, "sums in memory and on disk are the same");
});

Deno.test("openCarbonBooks weighs intensities within an hour by energy", async () => {
  const { books, ledger, grid, enter } = setUp();
  grid.set(100);
  await enter(3n * KWH, {}, 10);
  grid.set(500);
  await enter(KWH, {}, 40);
  await books[Symbol.asyncDispose]();
  assertEquals(ledger.records[0]!.intensity!.gramsPerKwh, 200);
});

Deno.test("openCarbonBooks prices the minutes before a service answered with its answer of the same hour", async () => {
  const { books, ledger, grid, enter } = setUp();
  grid.set(380, "yearly");
  await enter(KWH);
  grid.set(210, "live", "operational");
  await enter(KWH);
  grid.set(230, "estimated", "operational");
  await enter(KWH);
  assertEquals(books.snapshot().location.map(({ method, grams }) => [method, grams]), [["operational", 660]]);
  await books[Symbol.asyncDispose]();
  const { intensity } = ledger.records[0]!;
  assertEquals([intensity!.gramsPerKwh, intensity!.method, intensity!.quality], [
    220,
    "operational",
    "estimated",
  ]);
});

Deno.test("openCarbonBooks says that carbon is not known, and never 0, where the grid is not", async () => {
  const { books, ledger, grid, enter } = setUp();
  grid.now = undefined;
  await enter(KWH);
  const snapshot = books.snapshot();
  assertEquals([snapshot.intensity, snapshot.gramsLocation, snapshot.gramsMarket, snapshot.sci], [
    null,
    null,
    null,
    null,
  ]);
  assertEquals([snapshot.reason, snapshot.unpricedJoules, snapshot.location], ["set carbon.zone", 3.6e6, []]);
  await books[Symbol.asyncDispose]();
  assertEquals([ledger.records[0]!.intensity, ledger.records[0]!.evidence], [null, null]);
  assertEquals((await ledger.totals()).unpricedMicrojoules, KWH);
});

Deno.test("openCarbonBooks keeps location- and market-based sums side by side and apart", async () => {
  const { books, grid, enter } = setUp({ marketGramsPerKwh: 40 });
  grid.set(300);
  await enter(2n * KWH);
  const { gramsLocation, gramsMarket } = books.snapshot();
  assertEquals([gramsLocation, gramsMarket], [600, 80]);
  const without = setUp();
  await without.enter(KWH);
  assertEquals(without.books.snapshot().gramsMarket, null);
  assertEquals((await without.ledger.totals()).market, null);
});

Deno.test("openCarbonBooks counts own production 0 both ways, unless its certificates are sold", async () => {
  const local = { microjoules: KWH / 4n, evidence: "A" } as const;
  const own = setUp({ marketGramsPerKwh: 40 });
  await own.enter(KWH, { local });
  const snapshot = own.books.snapshot();
  assertEquals([snapshot.gramsLocation, snapshot.gramsMarket, snapshot.localJoules], [225, 30, 0.9e6]);
  await own.books[Symbol.asyncDispose]();
  assertEquals(own.ledger.records[0]!.evidence, "A");
  const sold = setUp({ marketGramsPerKwh: 40, productionSold: true });
  await sold.enter(KWH, { local });
  const { gramsLocation, gramsMarket, localJoules } = sold.books.snapshot();
  assertEquals([gramsLocation, gramsMarket, localJoules], [300, 40, 0]);
});

Deno.test("openCarbonBooks takes no more from own production than was used, and the weakest evidence of an hour", async () => {
  const { books, ledger, enter } = setUp();
  await enter(KWH, { local: { microjoules: 9n * KWH, evidence: "A" } });
  await enter(KWH, { local: { microjoules: KWH, evidence: "E" } });
  await enter(KWH, { local: { microjoules: KWH, evidence: "A" } });
  await books[Symbol.asyncDispose]();
  assertEquals([ledger.records[0]!.localMicrojoules, ledger.records[0]!.evidence], [3n * KWH, "E"]);
});

Deno.test("openCarbonBooks gives SCI from the grid alone: no contract lowers it, what else runs here is not in it", async () => {
  const embodied = { totalGrams: 1000, lifetimeMs: 1000 * HOUR };
  const sciOf = async (marketGramsPerKwh: number | undefined) => {
    const { books, enter } = setUp({ marketGramsPerKwh, embodied });
    await enter(0n, { microjoules: { serve: KWH, idle: KWH, other: 2n * KWH }, blockTokens: 4000 }, 30);
    return books.snapshot().sci!;
  };
  const plain = await sciOf(undefined);
  assertEquals(plain, { grams: (600 + 0.5) / 4, embodiedGrams: 0.125, method: "lifecycle" });
  assertEquals(await sciOf(0), plain);
});

Deno.test("openCarbonBooks never adds methods: where they were mixed there is no one sum", async () => {
  const { books, grid, enter } = setUp();
  grid.set(300, "live", "operational");
  await enter(KWH, {}, 60);
  assertEquals(books.snapshot().gramsLocation, 300);
  grid.set(380, "yearly", "lifecycle");
  await enter(KWH, {}, 60);
  const { gramsLocation, sci, location } = books.snapshot();
  assertEquals([gramsLocation, sci], [null, null]);
  assertEquals(location, [
    { method: "operational", grams: 300, joules: 3.6e6 },
    { method: "lifecycle", grams: 380, joules: 3.6e6 },
  ]);
});

Deno.test("openCarbonBooks books marginal figures in a line of their own", async () => {
  const { books, ledger, grid, enter } = setUp();
  grid.marginalGrams = 900;
  await enter(KWH);
  assertEquals([books.snapshot().gramsLocation, books.snapshot().marginalIntensity], [300, 900]);
  await books[Symbol.asyncDispose]();
  const { marginal, location } = await ledger.totals();
  assertEquals([marginal, location.length], [{ grams: 900, microjoules: KWH }, 1]);
});

Deno.test("openCarbonBooks writes once an hour and at the end, and nothing when nothing was", async () => {
  const { books, ledger, enter } = setUp();
  for (let part = 0; part < 59; part += 5) await enter(5n, {}, 5);
  assertEquals(ledger.records.length, 0);
  await enter(1n);
  assertEquals(ledger.records.length, 1);
  await books[Symbol.asyncDispose]();
  assertEquals(ledger.records.map(({ elapsedMs, microjoules }) => [elapsedMs, microjoules.serve]), [[
    HOUR,
    60n,
  ], [MINUTE, 1n]]);
  const idle = setUp();
  await idle.books[Symbol.asyncDispose]();
  assertEquals(idle.ledger.records, []);
});

Deno.test("openCarbonBooks loses and doubles nothing while the disk is full, and says it once", async () => {
  const { books, ledger, world, enter } = setUp();
  ledger.failure = new NodeError("too_large", "Cannot keep the energy books: no space, wanted some");
  for (let part = 0; part < 20; part++) await enter(10n, {}, 10);
  assertEquals(ledger.records.length, 0);
  assertEquals(world.lines.filter((line) => line.includes("not written")).length, 1);
  ledger.failure = undefined;
  await enter(1n);
  await settle();
  assertEquals(ledger.records.length, 3);
  await books[Symbol.asyncDispose]();
  assertEquals((await ledger.totals()).totalMicrojoules, 201n);
});

Deno.test("openCarbonBooks loses the oldest hour, and says so, when the disk stays full for two weeks", async () => {
  const { books, ledger, world, enter } = setUp();
  ledger.failure = new NodeError("too_large", "Cannot keep the energy books: no space, wanted some");
  for (let hour = 0; hour < 24 * 14 + 3; hour++) await enter(1n, {}, 60);
  assertEquals(world.lines.filter((line) => line.includes("is lost")).length, 2);
  ledger.failure = undefined;
  await books[Symbol.asyncDispose]();
  assertEquals(ledger.records.length, 24 * 14);
});

Deno.test("openCarbonBooks over a real ledger: restarts, and a clock that is set back and forth, count each joule once", async () => {
  await using folder = await temporaryFolder();
  const clock = new FakeClock(NOON);
  const world = fakeWorld(clock);
  const grid = new FakeGrid();
  // ends of windows by a wall clock that jumps
  const ends = [1, 2, 3, 61, 62, -119, -118, 63, 64, 60 * 24 * 365, 65, 66].map((minute) =>
    NOON + minute * MINUTE
  );
  const half = ends.length / 2;
  for (const part of [ends.slice(0, half), ends.slice(half)]) {
    await using books = openCarbonBooks(world, {
      ledger: await openLedger(world, folder.path),
      intensity: grid,
      marketGramsPerKwh: undefined,
      productionSold: false,
      embodied: undefined,
    });
    for (const endMs of part) enterAt(books, endMs, KWH);
    await settle();
  }
  const totals = await readLedgerTotals(folder.path);
  assertEquals([totals.totalMicrojoules, totals.tokens], [BigInt(ends.length) * KWH, 10 * ends.length]);
  assertAlmostEquals(totals.location[0]!.grams, 300 * ends.length, 1e-6);
  const hours = await readLedgerHours(folder.path, ...ALL);
  assertEquals(
    hours.map(({ startMs, totalMicrojoules }) => [(startMs - NOON) / HOUR, totalMicrojoules / KWH]),
    [
      [-2, 2n],
      [0, 3n],
      [1, 6n],
      [24 * 365 - 1, 1n],
    ],
  );
  assert(hours.every(({ coverage }) => coverage === 1));
});

Deno.test("openCarbonBooks costs less than 5 kB of writes a day, all restarts and hours counted", async () => {
  await using folder = await temporaryFolder();
  const clock = new FakeClock(Date.UTC(2026, 10, 20));
  const world = fakeWorld(clock);
  let bytes = 0;
  for (const minutes of [500, 900, 40]) {
    const ledger = await openLedger(world, folder.path);
    {
      await using books = openCarbonBooks(world, {
        ledger,
        intensity: new FakeGrid(),
        marketGramsPerKwh: 35,
        productionSold: false,
        embodied: undefined,
      });
      for (let minute = 0; minute < minutes; minute += 20) {
        await clock.advance(20 * MINUTE);
        enterAt(books, clock.now(), 123_456_789n, {
          elapsedMs: 20 * MINUTE,
          microjoules: { serve: 2_123_456_789n, idle: 4_234_567_891n, other: 734_567_891n },
        });
      }
    }
    bytes += ledger.bytesWritten;
  }
  assertEquals((await readLedgerHours(folder.path, ...ALL)).length, 24);
  const { size } = await Deno.stat(`${folder.path}/2026-11.ledger`);
  assertEquals(bytes, size, "every byte written is a byte kept");
  assert(bytes <= 5000, `${bytes}`);
});

Deno.test("books know the day over a restart: hours of earlier runs, those of this one and the one that is open", async () => {
  const before = setUp();
  await before.enter(1_000_000n);
  await before.enter(2_000_000n, {}, 120);
  await before.books[Symbol.asyncDispose]();
  const earlier = hoursOf(before.ledger.records);
  const { books, enter } = setUp({ earlier });
  assertEquals(books.since(NOON).totalMicrojoules, 3_000_000n);
  await enter(4_000_000n);
  assertEquals(books.since(NOON).totalMicrojoules, 7_000_000n, "the open hour counts");
  await enter(8_000_000n, {}, 60);
  assertEquals(books.since(NOON).totalMicrojoules, 15_000_000n);
  const later = books.since(NOON + HOUR).totalMicrojoules;
  assertEquals(later < 15_000_000n && later > 0n, true, `${later}`);
  assertEquals(books.since(NOON + 48 * HOUR).totalMicrojoules, 0n);
  for (let hour = 0; hour < 60; hour++) await enter(1n, {}, 60);
  assertEquals(books.since(0).hours <= 27, true, "no more than a day is kept");
});
