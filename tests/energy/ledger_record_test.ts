import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatRecord, HOUR_MS, type LedgerRecord, parseRecord } from "../../src/energy/ledger_record.ts";
import { anyRecord, recordOf } from "./records.ts";

const lineOf = (sequence: number, record: LedgerRecord) => formatRecord(sequence, record).slice(0, -1);

Deno.test("formatRecord and parseRecord are inverse", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), anyRecord, (sequence, record) => {
      assertEquals(parseRecord(lineOf(sequence, record)), { sequence, record });
    }),
    { numRuns: 500 },
  );
});

Deno.test("parseRecord takes no line with a byte less, more or changed", () => {
  const line = lineOf(12, recordOf({ hour: 489_612, serve: 12_345n }));
  for (let end = 0; end < line.length; end++) assertEquals(parseRecord(line.slice(0, end)), undefined);
  for (let at = 0; at < line.length; at++) {
    for (const other of ["0", "9", " ", "-", "x", "\0", "é"]) {
      const changed = line.slice(0, at) + other + line.slice(at + 1);
      if (changed !== line) assertEquals(parseRecord(changed), undefined, changed);
    }
    assertEquals(parseRecord(line.slice(0, at) + "0" + line.slice(at)), undefined);
  }
});

Deno.test("parseRecord takes no nonsense that has the right sum", async () => {
  const { crc32 } = await import("node:zlib");
  const signed = (text: string) => `${text} ${crc32(text).toString(16).padStart(8, "0")}`;
  const good = lineOf(1, recordOf({ hour: 1 })).split(" ").slice(0, -1);
  assert(parseRecord(signed(good.join(" "))) !== undefined);
  const withField = (at: number, text: string) => signed(good.with(at, text).join(" "));
  for (
    const line of [
      withField(0, "2"),
      withField(1, "-1"),
      withField(2, "99999999999"),
      withField(3, "1e9"),
      withField(3, "9".repeat(21)),
      withField(6, "9999999999"),
      withField(7, "99999999999999999999"),
      withField(12, "NaN"),
      withField(13, "F"),
      withField(14, "1e3"),
      withField(17, "a/../b"),
      signed(good.slice(1).join(" ")),
      signed([...good, "1"].join(" ")),
      signed(""),
      "",
      " ",
      signed("1 " + "x".repeat(1000)),
    ]
  ) assertEquals(parseRecord(line), undefined, line.slice(0, 80));
});

Deno.test("parseRecord is bounded on random text", () => {
  fc.assert(fc.property(fc.string({ maxLength: 500 }), (text) => assertEquals(parseRecord(text), undefined)));
});

Deno.test("formatRecord writes names of services and zones as words, and leaves out what is no number", () => {
  const record = recordOf({ hour: 1 });
  const { intensity } = record;
  const strange = {
    ...record,
    uncertainty: NaN,
    intensity: { ...intensity!, zone: "a b\nc", provider: "x".repeat(99) },
  };
  const read = parseRecord(lineOf(1, strange))!.record;
  assertEquals([read.uncertainty, read.intensity!.zone, read.intensity!.provider], [
    null,
    "a_b_c",
    "x".repeat(48),
  ]);
});

Deno.test("a day of full lines has less than 5 kB", () => {
  const busy: LedgerRecord = {
    ...recordOf({ hour: 489_612 }),
    // a kilowatt over the hour, an hour of a fast machine, the longest names in use
    microjoules: { serve: 2_600_000_000_000n, idle: 900_000_000_000n, other: 100_000_000_000n },
    localMicrojoules: 1_234_567_890_123n,
    tokens: 12_345_678,
    blockTokens: 395_061_696,
    uncertainty: 0.123,
    marketGramsPerKwh: 123.45,
    marginalGramsPerKwh: 456.78,
  };
  const zone = {
    ...busy.intensity!,
    provider: "electricitymaps",
    zone: "US-CAL-CISO",
    gramsPerKwh: 381.25,
    renewableRatio: 0.524,
  };
  const line = formatRecord(9_999, { ...busy, intensity: zone });
  assert(24 * line.length < 5_000, `${line.length}`);
  const usual = formatRecord(500, recordOf({ hour: 489_612, serve: 7_200_000_000n, idle: 10_800_000_000n }));
  assert(24 * usual.length < 3_500, `${usual.length}`);
  assertEquals(busy.startMs % HOUR_MS, 0);
});
