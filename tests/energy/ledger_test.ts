import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import {
  type Ledger,
  type LedgerLimits,
  openLedger,
  readLedgerHours,
  readLedgerTotals,
} from "../../src/energy/ledger.ts";
import { parseMonth } from "../../src/energy/ledger_files.ts";
import { formatRecord, HOUR_MS, type LedgerRecord } from "../../src/energy/ledger_record.ts";
import { hoursOf, totalOf } from "../../src/energy/ledger_sums.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { fakeWorld } from "../support/world.ts";
import { anyRecordIn, recordOf } from "./records.ts";

/** First hour of November 2026. */
const FIRST = Date.UTC(2026, 10, 1) / HOUR_MS;
const MONTH = "2026-11.ledger";
const ALL = [0, Date.UTC(2199, 0, 1)] as const;

async function withLedger<T>(
  folder: string,
  act: (ledger: Ledger) => Promise<T>,
  limits?: LedgerLimits,
): Promise<T> {
  await using ledger = await openLedger(fakeWorld(), folder, limits);
  return await act(ledger);
}

const addAll = (folder: string, records: readonly LedgerRecord[], limits?: LedgerLimits) =>
  withLedger(folder, async (ledger) => {
    for (const record of records) await ledger.add(record);
  }, limits);

async function namesIn(folder: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  return names.sort();
}

/** What no order and no cutting may change: energy by account, tokens, and energy by hour. */
function essence(records: readonly LedgerRecord[]) {
  const sum = { serve: 0n, idle: 0n, other: 0n, local: 0n, tokens: 0 };
  const byHour = new Map<number, bigint>();
  for (const { startMs, microjoules, localMicrojoules, tokens } of records) {
    sum.serve += microjoules.serve;
    sum.idle += microjoules.idle;
    sum.other += microjoules.other;
    sum.local += localMicrojoules;
    sum.tokens += tokens;
    byHour.set(startMs, (byHour.get(startMs) ?? 0n) + totalOf(microjoules));
  }
  return { ...sum, byHour: [...byHour].sort(([a], [b]) => a - b) };
}

async function essenceOf(folder: string) {
  const { microjoules, localMicrojoules, tokens } = await readLedgerTotals(folder);
  const hours = await readLedgerHours(folder, ...ALL);
  return {
    ...microjoules,
    local: localMicrojoules,
    tokens,
    byHour: hours.map((hour) => [hour.startMs, hour.totalMicrojoules]),
  };
}

Deno.test("openLedger keeps hours over a restart, in one file a month, readable by the owner only", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/deeper/ledger`;
  const records = [FIRST - 1, FIRST, FIRST + 1].map((hour, i) =>
    recordOf({ hour, serve: BigInt(i + 1), tokens: i })
  );
  await addAll(path, records);
  assertEquals(await namesIn(path), ["2026-10.ledger", MONTH]);
  assertEquals((await Deno.stat(`${path}/${MONTH}`)).mode! & 0o777, 0o600);
  assertEquals(await essenceOf(path), essence(records));
  await withLedger(path, async (ledger) => {
    assertEquals((await ledger.hours(FIRST * HOUR_MS, (FIRST + 1) * HOUR_MS)).map(({ startMs }) => startMs), [
      FIRST * HOUR_MS,
    ]);
    const { hours, fromMs, toMs } = await ledger.totals();
    assertEquals([hours, fromMs, toMs], [3, (FIRST - 1) * HOUR_MS, (FIRST + 2) * HOUR_MS]);
  });
});

Deno.test("openLedger loses at most the line that was being written, wherever the file is cut, and writes on", async () => {
  const records = [0, 1, 2].map((i) => recordOf({ hour: FIRST + i, serve: 1n << BigInt(10 * i), tokens: 7 }));
  const lines = records.map((record, i) => formatRecord(i + 1, record));
  const whole = new TextEncoder().encode(lines.join(""));
  const more = recordOf({ hour: FIRST + 9, serve: 3n });
  await using folder = await temporaryFolder();
  for (let cut = 0; cut <= whole.length; cut++) {
    await Deno.writeFile(`${folder.path}/${MONTH}`, whole.slice(0, cut));
    // a line without its end is whole already
    const left = records.filter((_, i) => lines.slice(0, i + 1).join("").length - 1 <= cut);
    assertEquals(await essenceOf(folder.path), essence(left), `read after ${cut} bytes`);
    await addAll(folder.path, [more]);
    assertEquals(await essenceOf(folder.path), essence([...left, more]), `written on after ${cut} bytes`);
    const { damaged, lines: count } = parseMonth(await Deno.readFile(`${folder.path}/${MONTH}`));
    assertEquals([damaged, count], [0, left.length + 1], `what was cut off is gone after ${cut} bytes`);
  }
});

Deno.test("openLedger takes zeros or rubbish at the end for what was cut off, and skips damage in the middle", async () => {
  const records = [0, 1, 2].map((i) => recordOf({ hour: FIRST + i, serve: BigInt(i + 1) }));
  const text = records.map((record, i) => formatRecord(i + 1, record)).join("");
  await using folder = await temporaryFolder();
  const path = `${folder.path}/${MONTH}`;
  for (const tail of ["\0".repeat(300), "\xff\xfe garbage", "1 4 "]) {
    await Deno.writeTextFile(path, text + tail);
    const more = recordOf({ hour: FIRST + 3, serve: 50n });
    await addAll(folder.path, [more]);
    assertEquals(await essenceOf(folder.path), essence([...records, more]));
  }
  const bytes = new TextEncoder().encode(text);
  bytes[text.indexOf("\n") + 5] = 0xff;
  await Deno.writeFile(path, bytes);
  const world = fakeWorld();
  const more = recordOf({ hour: FIRST + 3, serve: 50n });
  {
    await using ledger = await openLedger(world, folder.path);
    await ledger.add(more);
  }
  assertEquals(await essenceOf(folder.path), essence([records[0]!, records[2]!, more]));
  assertEquals(world.lines.filter((line) => line.includes("damaged")).length, 1);
  assert((await Deno.readFile(path)).includes(0xff), "what is damaged is left as it is");
});

Deno.test("openLedger adds an hour that comes by twice, and counts no joule twice", async () => {
  await using folder = await temporaryFolder();
  // the clock was set back by two hours, then forward by four
  const hours = [0, 1, -1, 0, 1, 5, 6];
  const records = hours.map((hour, i) =>
    recordOf({ hour: FIRST + hour, serve: 1n << BigInt(i), gramsPerKwh: 100 * (i + 1) })
  );
  await addAll(folder.path, records);
  assertEquals(await essenceOf(folder.path), essence(records));
  const [twice] = await readLedgerHours(folder.path, FIRST * HOUR_MS, (FIRST + 1) * HOUR_MS);
  assertEquals([twice!.totalMicrojoules, twice!.coverage, twice!.location.length], [9n, 1, 1]);
  const { gramsPerKwh, grams } = twice!.location[0]!;
  assertEquals([Math.round(gramsPerKwh * 1000), Math.round(grams * 1e15)], [
    Math.round((100 + 8 * 400) / 9 * 1000),
    Math.round(9 * gramsPerKwh / 3.6e12 * 1e15),
  ]);
});

Deno.test("openLedger counts a line once that is in the file twice", async () => {
  await using folder = await temporaryFolder();
  const [one, two] = [recordOf({ hour: FIRST, serve: 1n }), recordOf({ hour: FIRST, serve: 2n })];
  const lines = [
    formatRecord(1, one),
    formatRecord(1, one),
    formatRecord(2, two),
    formatRecord(2, two),
    formatRecord(1, one),
  ];
  await Deno.writeTextFile(`${folder.path}/${MONTH}`, lines.join(""));
  assertEquals((await readLedgerTotals(folder.path)).totalMicrojoules, 3n);
});

/** Makes the next call of a method of all files fail. */
function failOnce(
  method: "write" | "syncData",
  fail: (file: Deno.FsFile, ...rest: unknown[]) => Promise<never>,
): void {
  const real = Deno.FsFile.prototype[method] as (...rest: unknown[]) => unknown;
  Object.assign(Deno.FsFile.prototype, {
    [method](this: Deno.FsFile, ...rest: unknown[]) {
      Object.assign(Deno.FsFile.prototype, { [method]: real });
      return fail(this, ...rest);
    },
  });
}

Deno.test("openLedger writes a line once when its write or its sync fails and it is tried again", async () => {
  const full = () => Promise.reject(new Error("No space left on device (os error 28)"));
  for (const method of ["write", "syncData"] as const) {
    await using folder = await temporaryFolder();
    const records = [1n, 2n, 4n].map((serve, i) => recordOf({ hour: FIRST + i, serve }));
    await withLedger(folder.path, async (ledger) => {
      await ledger.add(records[0]!);
      failOnce(method, async (file, bytes) => {
        // half of it came through
        if (bytes instanceof Uint8Array) await file.write(bytes.subarray(0, 30));
        return await full();
      });
      const error = await assertRejects(() => ledger.add(records[1]!), NodeError, "space on the disk");
      assertEquals(error.code, "too_large");
      await ledger.add(records[1]!);
      await ledger.add(records[2]!);
    });
    assertEquals(await essenceOf(folder.path), essence(records), method);
    assertEquals(parseMonth(await Deno.readFile(`${folder.path}/${MONTH}`)).lines, 3);
  }
});

Deno.test("openLedger says in words that it cannot write, and goes on when it can", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/${MONTH}`);
  await withLedger(folder.path, async (ledger) => {
    const error = await assertRejects(() => ledger.add(recordOf({ hour: FIRST })), NodeError);
    assertEquals(error.code, "corrupt");
    await Deno.remove(`${folder.path}/${MONTH}`);
    await ledger.add(recordOf({ hour: FIRST, serve: 5n }));
  });
  assertEquals((await readLedgerTotals(folder.path)).totalMicrojoules, 5n);
  await Deno.writeTextFile(`${folder.path}/file`, "");
  const error = await assertRejects(
    () => openLedger(fakeWorld(), `${folder.path}/file/ledger`),
    NodeError,
    "energy books",
  );
  assertEquals(error.code, "denied");
});

Deno.test("openLedger keeps so many months, the newest, whatever the clock says, and no file but its own", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/notes.txt`, "mine");
  const month = (year: number, of: number) => Date.UTC(year, of, 1) / HOUR_MS;
  const hours = [month(2026, 0), month(2026, 1), month(2026, 2), month(2099, 0), month(2026, 3)];
  await addAll(folder.path, hours.map((hour, i) => recordOf({ hour, serve: 1n << BigInt(i) })), {
    months: 3,
    lines: 2000,
  });
  const names = () => namesIn(folder.path);
  assertEquals(await names(), ["2026-03.ledger", "2026-04.ledger", "2099-01.ledger", "notes.txt"]);
  // a clock at 1970 makes the oldest month of all: it is written all the same
  await addAll(folder.path, [recordOf({ hour: 0, serve: 100n })], { months: 3, lines: 2000 });
  assertEquals(await names(), ["1970-01.ledger", "2026-04.ledger", "2099-01.ledger", "notes.txt"]);
  assertEquals((await readLedgerTotals(folder.path)).totalMicrojoules, 100n + 8n + 16n);
});

Deno.test("openLedger puts a month of far too many lines together, and a kill meanwhile costs nothing", async () => {
  await using folder = await temporaryFolder();
  const limits = { months: 120, lines: 20 };
  const records = Array.from(
    { length: 30 },
    (_, i) => recordOf({ hour: FIRST + i % 3, serve: BigInt(i + 1), tokens: i }),
  );
  await addAll(folder.path, records, limits);
  const path = `${folder.path}/${MONTH}`;
  await Deno.writeTextFile(`${path}.new`, formatRecord(1, recordOf({ hour: FIRST, serve: 999n })));
  assertEquals(await essenceOf(folder.path), essence(records), "what a killed one left behind is not read");
  const more = recordOf({ hour: FIRST, serve: 1000n });
  await addAll(folder.path, [more], limits);
  assertEquals(await essenceOf(folder.path), essence([...records, more]));
  assertEquals(parseMonth(await Deno.readFile(path)).lines, 4);
});

const actions = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: anyRecordIn(fc.integer({ min: FIRST, max: FIRST + 4 })).map((record) => ({ record })),
    },
    { weight: 1, arbitrary: fc.constant({ reopen: true }) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 40 }).map((torn) => ({ torn })) },
  ),
  { maxLength: 25 },
);

Deno.test("openLedger is the sum of what was added, over restarts and kills in the middle of lines", async () => {
  await fc.assert(
    fc.asyncProperty(actions, async (steps) => {
      await using folder = await temporaryFolder();
      const limits = { months: 3, lines: 8 };
      const kept: LedgerRecord[] = [];
      let ledger = await openLedger(fakeWorld(), folder.path, limits);
      for (const step of steps) {
        if ("record" in step) {
          await ledger.add(step.record);
          kept.push(step.record);
          continue;
        }
        await ledger[Symbol.asyncDispose]();
        if ("torn" in step) {
          // a further line was under way when the power went
          const line = formatRecord(999_999, recordOf({ hour: FIRST, serve: 1n })).slice(0, step.torn);
          await Deno.writeTextFile(`${folder.path}/${MONTH}`, line, { append: true, create: true });
        }
        ledger = await openLedger(fakeWorld(), folder.path, limits);
      }
      await ledger[Symbol.asyncDispose]();
      assertEquals(await essenceOf(folder.path), essence(kept));
    }),
    { numRuns: 60 },
  );
});

Deno.test("readLedgerHours and readLedgerTotals read while a node writes, and find nothing where nothing is", async () => {
  await using folder = await temporaryFolder();
  assertEquals(await readLedgerHours(`${folder.path}/none`, ...ALL), []);
  const { hours, fromMs, market } = await readLedgerTotals(`${folder.path}/none`);
  assertEquals([hours, fromMs, market], [0, null, null]);
  await withLedger(folder.path, async (ledger) => {
    await ledger.add(recordOf({ hour: FIRST, serve: 1n }));
    assertEquals((await readLedgerHours(folder.path, ...ALL)).length, 1);
  });
});

Deno.test("hoursOf keeps methods apart, names the worst quality, and knows no carbon where none was known", () => {
  const base = recordOf({ hour: FIRST, serve: 3_600_000_000_000n });
  const with_ = (more: object): LedgerRecord => ({ ...base, intensity: { ...base.intensity!, ...more } });
  const [hour] = hoursOf([
    with_({ gramsPerKwh: 100, quality: "live", provider: "a" }),
    with_({ gramsPerKwh: 300, quality: "stale", provider: "a" }),
    with_({ gramsPerKwh: 50, method: "operational", provider: "b" }),
    { ...base, intensity: null, kind: "modelled", uncertainty: 0.25, marketGramsPerKwh: 10 },
  ]);
  assertEquals(
    hour!.location.map((
      { method, grams, gramsPerKwh, quality, provider },
    ) => [method, grams, gramsPerKwh, quality, provider]),
    [
      ["lifecycle", 400, 200, "stale", "a"],
      ["operational", 50, 50, "yearly", "b"],
    ],
  );
  assertEquals([hour!.unpricedMicrojoules, hour!.kind, hour!.uncertainty], [
    3_600_000_000_000n,
    "mixed",
    0.1,
  ]);
  assertEquals(hour!.market, { grams: 10, microjoules: 3_600_000_000_000n });
  assertEquals([hour!.marginal, hour!.evidence], [null, "D"]);
});
