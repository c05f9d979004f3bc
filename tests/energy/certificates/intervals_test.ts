import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../../src/base/errors.ts";
import {
  consumptionRows,
  hoursOfConsumption,
  hoursOfProduction,
  productionRows,
} from "../../../src/energy/certificates/intervals.ts";
import { HOUR_MS, readTime, toIsoSeconds, toWattHours } from "../../../src/energy/certificates/quantities.ts";
import { intervalDocument } from "../../../src/energy/certificates/sign.ts";
import { consumed, produced, TEN, wh } from "./some.ts";

const PEER = "12D3KooWTestTestTestTestTestTestTestTestTestTestTest";

Deno.test("consumptionRows rounds down to whole watt-hours, one row an hour, in order", () => {
  const rows = consumptionRows(PEER, [consumed(TEN + HOUR_MS, 0.999), consumed(TEN, 42.999)]);
  assertEquals(rows, [
    {
      device_id: `${PEER}:consumption`,
      certificate_bundle_status: "unissued",
      measured: true,
      kind: "measured",
      coverage: 1,
      relative_uncertainty: 0.02,
      interval_start_datetime: "2026-11-20T10:00:00Z",
      interval_end_datetime: "2026-11-20T11:00:00Z",
      interval_usage: 42,
      gross_net_indicator: "gross",
      own_usage: null,
      own_source: null,
      own_evidence: null,
    },
    {
      ...rows[0]!,
      interval_start_datetime: "2026-11-20T11:00:00Z",
      interval_end_datetime: "2026-11-20T12:00:00Z",
      interval_usage: 0,
    },
  ]);
});

Deno.test("productionRows has the fields of a certificate bundle that nobody issued", () => {
  assertEquals(productionRows(PEER, [produced(TEN, 420.999)]), [{
    device_id: `${PEER}:production:roof`,
    certificate_bundle_status: "unissued",
    measured: true,
    kind: "measured",
    coverage: 1,
    relative_uncertainty: 0.02,
    energy_carrier: "electricity",
    energy_source: "solar_pv",
    production_starting_interval: "2026-11-20T10:00:00Z",
    production_ending_interval: "2026-11-20T11:00:00Z",
    bundle_quantity: 420,
    site_usage: 2000,
    face_value: 1,
  }]);
});

Deno.test("productionRows rounds what the site used up, and has none where no meter tells", () => {
  const { siteMilliwattHours: _, ...noMeter } = produced(TEN + HOUR_MS, 1);
  const rows = productionRows(PEER, [produced(TEN, 1, { siteMilliwattHours: 1_000_001n }), noMeter]);
  assertEquals(rows.map((row) => row.site_usage), [1001, null]);
  assertEquals(hoursOfProduction(rows).map((hour) => hour.siteMilliwattHours), [1_001_000n, undefined]);
});

Deno.test("hoursOfConsumption reads what consumptionRows writes, to the watt-hour", () => {
  const own = { microjoules: wh(20), source: "solar_pv", evidence: "A" } as const;
  const hours = [
    consumed(TEN, 42, { own }),
    consumed(TEN + HOUR_MS, 7, { kind: "mixed", coverage: 0.5, uncertainty: null }),
  ];
  assertEquals(hoursOfConsumption(consumptionRows(PEER, hours)), hours);
});

Deno.test("consumptionRows calls measured only what was, for 95 % of the hour; a gap stays a gap", () => {
  const hours = [
    consumed(TEN, 5, { coverage: 0.95 }),
    consumed(TEN + HOUR_MS, 5, { coverage: 0.949 }),
    consumed(TEN + 2 * HOUR_MS, 5, { kind: "modelled" }),
    consumed(TEN + 3 * HOUR_MS, 5, { kind: "mixed" }),
    consumed(TEN + 4 * HOUR_MS, 0, { kind: "none" }),
    consumed(TEN + 5 * HOUR_MS, 0, { coverage: 0 }),
    consumed(TEN + 6 * HOUR_MS, 0),
  ];
  const rows = consumptionRows(PEER, hours);
  assertEquals(rows.map(({ measured, interval_usage }) => [measured, interval_usage]), [
    [true, 5],
    [false, 5],
    [false, 5],
    [false, 5],
    [true, 0],
  ]);
  const claim = { peerId: PEER, atMs: TEN, country: undefined, zone: undefined, production: [] };
  const document = intervalDocument({ ...claim, consumption: hours, fromMs: TEN, toMs: TEN + 8 * HOUR_MS });
  assertEquals(document.missing_hours, 3);
});

Deno.test("consumptionRows refuses what is no whole hour of UTC, comes twice, or is no node's", () => {
  const bad = [
    [consumed(TEN + 1, 1)],
    [consumed(TEN + HOUR_MS / 2, 1)],
    [consumed(TEN, 1, { endMs: TEN + 2 * HOUR_MS })],
    [consumed(TEN, 1, { endMs: TEN + HOUR_MS / 2 })],
    [consumed(Date.UTC(1999, 11, 31, 23), 1)],
    [consumed(Date.UTC(2101, 0, 1), 1)],
    [consumed(TEN, 1), consumed(TEN, 2)],
    [consumed(TEN, 1, { microjoules: -1n })],
    [consumed(TEN, 1, { microjoules: 10n ** 30n })],
    [consumed(TEN, 1, { coverage: NaN })],
    [consumed(TEN, 1, { coverage: 1.01 })],
    [consumed(TEN, 1, { uncertainty: -1 })],
  ];
  for (const hours of bad) assertThrows(() => consumptionRows(PEER, hours), NodeError, "Cannot use hours");
  assertThrows(() => consumptionRows(PEER, Array(17_569).fill(consumed(TEN, 1))), NodeError, "at most");
});

Deno.test("toWattHours never gives a watt-hour that was not there", () => {
  fc.assert(fc.property(fc.array(fc.bigInt({ min: 0n, max: 10n ** 15n })), (hours) => {
    const rows = hours.reduce((sum, microjoules) => sum + toWattHours(microjoules), 0n);
    const whole = hours.reduce((sum, microjoules) => sum + microjoules, 0n);
    return rows * 3_600_000_000n <= whole;
  }));
});

Deno.test("readTime reads what toIsoSeconds writes, and no other text than a time of 2000 to 2100", () => {
  fc.assert(fc.property(fc.integer({ min: 946_684_800, max: 4_133_980_799 }), (seconds) => {
    assertEquals(readTime(toIsoSeconds(seconds * 1000)), seconds * 1000);
  }));
  const none = [
    "",
    "2026",
    "2026-13-01",
    "2026-00-10",
    "2026-02-29",
    "2026-11-20T24:00:00Z",
    "2026-11-20T10:60:00Z",
    "2026-11-20T10:00:60Z",
    "1999-12-31T23:59:59Z",
    "2101-01-01T00:00:00Z",
    "2100-12-31T23:00:00-02:00",
    "2026-11-20T10:00:00Z ",
    "+002026-11-20T10:00:00Z",
    "20 November 2026",
    "９026-11-20",
  ];
  for (const text of none) assertEquals(readTime(text), undefined, text);
  fc.assert(fc.property(fc.string({ maxLength: 40 }), (text) => {
    const atMs = readTime(text);
    return atMs === undefined || (atMs >= Date.UTC(2000, 0) && atMs < Date.UTC(2101, 0));
  }));
});
