import { assertEquals, assertMatch } from "@std/assert";
import { Output } from "../../src/cli/output.ts";
import { run } from "../../src/cli/run.ts";
import { openLedger } from "../../src/energy/ledger.ts";
import { HOUR_MS } from "../../src/energy/ledger_record.ts";
import { recordOf } from "../energy/records.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { fakeWorld } from "../support/world.ts";

const FIRST = Date.UTC(2026, 10, 1) / HOUR_MS;

/** `energy export` on books of three hours: the first in two lines, the last without any carbon. */
async function exported(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  await using data = await temporaryFolder();
  await using ledger = await openLedger(fakeWorld(), `${data.path}/ledger`);
  const hour = recordOf({ hour: FIRST, serve: 1_500_000n, idle: 7_200_000n, tokens: 3 });
  for (
    const record of [
      hour,
      { ...hour, marketGramsPerKwh: 50 },
      recordOf({ hour: FIRST + 1, other: 1n, gramsPerKwh: 100 }),
      { ...recordOf({ hour: FIRST + 26 }), intensity: null, evidence: null, uncertainty: null },
    ]
  ) await ledger.add(record);
  const said = { out: "", err: "" };
  const sink = (name: "out" | "err") => ({
    writeSync: (bytes: Uint8Array) => (said[name] += new TextDecoder().decode(bytes), bytes.length),
  });
  const all = ["energy", "export", "--data-dir", data.path, ...args];
  // the books are open meanwhile, as those of a running node
  const code = await run(all, new Output(sink("out"), sink("err")));
  return { code, ...said };
}

const rowsOf = (text: string) => text.split("\r\n").slice(0, -1).map((line) => line.split(","));

Deno.test("energy export writes the hours as CSV of RFC 4180: stable columns, UTC, nothing for what is not known", async () => {
  const { code, out } = await exported();
  assertEquals(code, 0);
  const [names, ...rows] = rowsOf(out);
  assertEquals(names, [
    ...["hour_start", "hour_end", "joules", "serve_joules", "idle_joules", "other_joules", "local_joules"],
    ...["tokens", "block_tokens", "kind", "relative_uncertainty", "coverage", "location_grams"],
    ...[
      "location_method",
      "grid_grams_per_kwh",
      "grid_zone",
      "grid_quality",
      "grid_provider",
      "market_grams",
    ],
    ...["evidence", "unpriced_joules", "grid_relative_uncertainty", "grid_renewable_ratio"],
  ]);
  const cells = rows.map((row) => Object.fromEntries(row.map((cell, i) => [names![i]!, cell])));
  assertEquals(
    cells.map(({ hour_start, hour_end, joules, tokens }) => [hour_start, hour_end, joules, tokens]),
    [
      ["2026-11-01T00:00:00.000Z", "2026-11-01T01:00:00.000Z", "17.4", "6"],
      ["2026-11-01T01:00:00.000Z", "2026-11-01T02:00:00.000Z", "0.000001", "0"],
      ["2026-11-02T02:00:00.000Z", "2026-11-02T03:00:00.000Z", "0", "0"],
    ],
  );
  const [first, , last] = cells;
  assertEquals([first!.serve_joules, first!.grid_zone, first!.location_method, first!.evidence], [
    "3",
    "DE",
    "lifecycle",
    "D",
  ]);
  assertEquals(Number(first!.location_grams), 17.4 / 3.6e6 * 300);
  assertEquals(
    [last!.location_grams, last!.grid_zone, last!.market_grams, last!.relative_uncertainty, last!.evidence],
    ["", "", "", "", ""],
  );
});

Deno.test("energy export writes the same as JSON, and only the time that is asked for", async () => {
  const { out } = await exported("--format", "json", "--from", "2026-11-01T01:00Z", "--to=2026-11-02");
  const { schema, hours } = JSON.parse(out);
  assertEquals(schema, 1);
  assertEquals(hours.map(({ hour_start }: { hour_start: string }) => hour_start), [
    "2026-11-01T01:00:00.000Z",
  ]);
  assertEquals([hours[0].market_grams, hours[0].grid_grams_per_kwh, hours[0].joules], [null, 100, 1e-6]);
  assertEquals(rowsOf((await exported("--to", "2020-01-01")).out).length, 1);
});

Deno.test("energy export says what times and formats it takes", async () => {
  for (
    const [args, words] of [
      [["--from", "yesterday"], /wanted a day or time in UTC such as/],
      [["--from", "2026-11-01T01:00+02:00"], /wanted a day or time in UTC/],
      [["--to", "2026-13-41"], /wanted a day or time in UTC/],
      [["--from", "2026-11-02", "--to", "2026-11-01"], /wanted --from before --to/],
      [["--format", "xml"], /wanted csv or json/],
    ] as const
  ) {
    const { code, out, err } = await exported(...args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(err, words);
  }
});
