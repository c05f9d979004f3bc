import { assertEquals, assertThrows } from "@std/assert";
import { decodeUtf8, encodeUtf8 } from "../../../src/base/bytes.ts";
import { decodeProduction, PRODUCTION } from "../../../src/energy/renewable/enphase.ts";
import { decodePowerFlow, POWER_FLOW } from "../../../src/energy/renewable/fronius.ts";
import { decodeVictron } from "../../../src/energy/renewable/victron.ts";
import { VictronValues } from "../../../src/energy/renewable/victron_mqtt.ts";
import { parseAnswer } from "../../../src/energy/sources/http_json.ts";
import { PollFailure } from "../../../src/energy/sources/polled.ts";
import { assertBounded } from "../../support/decoders.ts";

const text = (name: string) =>
  Deno.readTextFileSync(new URL(`../../vectors/energy/api/${name}.json`, import.meta.url));
const fronius = (answer: string) => decodePowerFlow("f", parseAnswer("f", POWER_FLOW, answer));
const NOW_MS = 1_763_632_800_000;
const enphase = (answer: string, nowMs = NOW_MS) =>
  decodeProduction("e", parseAnswer("e", PRODUCTION, answer), nowMs);
const word = (act: () => unknown) => assertThrows(act, PollFailure).word;

Deno.test("Fronius: generation of null is none, use is turned to positive, and what is not metered is absent", () => {
  assertEquals(fronius(text("fronius_powerflow_day")), {
    pvWatts: 777.5,
    gridWatts: 16.23,
    siteWatts: 661.23,
    batteryWatts: -79.52,
  });
  assertEquals(fronius(text("fronius_powerflow_produce_only_night")), {
    pvWatts: 0,
    producedWattHours: 11_197_297.6,
  });
  const with_ = (site: object, code = 0) =>
    JSON.stringify({ Body: { Data: { Site: { P_PV: 1, ...site } } }, Head: { Status: { Code: code } } });
  assertEquals(fronius(with_({ P_PV: -3, P_Load: -0, E_Total: 0 })), { pvWatts: 0 });
  assertEquals(word(() => fronius(with_({}, 12))), "status");
  assertEquals(word(() => fronius('{"Body":{},"Head":{"Status":{"Code":0}}}')), "status");
  assertEquals(word(() => fronius(with_({ P_PV: "777" }))), "malformed");
  assertEquals(word(() => fronius(with_({ P_PV: 1e9 }))), "implausible");
});

Deno.test("Enphase: entries are chosen by name, whatever their order, and those without a transformer are passed over", () => {
  const day = {
    pvWatts: 3452.1,
    producedWattHours: 4_568_100.2,
    siteWatts: 850,
    gridWatts: -2602.1,
  };
  assertEquals(enphase(text("enphase_production")), day);
  const { production, consumption } = JSON.parse(text("enphase_production"));
  const turned = { production: production.toReversed(), consumption: consumption.toReversed() };
  assertEquals(enphase(JSON.stringify(turned)), day);
  const unmetered = {
    production: [production[0], { ...production[1], activeCount: 0, wNow: 4000, whLifetime: 0 }],
    consumption: consumption.map((entry: object) => ({ ...entry, activeCount: 0 })),
  };
  assertEquals(enphase(JSON.stringify(unmetered)), { pvWatts: 3450, producedWattHours: 4_567_890 });
});

Deno.test("Enphase: slightly negative is none, a counter at 0 does not count, and what is old is not now", () => {
  const one = (entry: object) =>
    JSON.stringify({ production: [{ type: "eim", measurementType: "production", ...entry }] });
  assertEquals(enphase(one({ wNow: -1.6, whLifetime: 0 })), { pvWatts: 0 });
  assertEquals(word(() => enphase(one({ wNow: 5, readingTime: NOW_MS / 1000 - 3600 }))), "stale");
  const sleeping = {
    production: [{ type: "inverters", wNow: 242, whLifetime: 9, readingTime: NOW_MS / 1000 - 3600 }],
  };
  assertEquals(enphase(JSON.stringify(sleeping)), { producedWattHours: 9 });
  assertEquals(word(() => enphase("{}")), "no_value");
  assertEquals(word(() => enphase('{"production":[]}')), "no_value");
});

/** Registers 808 to 826 with some set. */
const ac = (set: Readonly<Record<number, number>>) =>
  Uint16Array.from({ length: 19 }, (_, index) => (set[808 + index] ?? 0) & 0xffff);

Deno.test("Victron, Modbus: what is not there reads as 0 and is not taken for a meter", () => {
  const decode = (set: Record<number, number>, battery = 0, pv = 0) =>
    decodeVictron("v", { ac: ac(set), battery: Uint16Array.of(battery & 0xffff), pv: Uint16Array.of(pv) });
  assertEquals(decode({ 808: 100, 811: 50, 817: 300, 818: 20, 820: -400, 826: 1 }, 250, 700), {
    pvWatts: 850,
    siteWatts: 320,
    gridWatts: -400,
    batteryWatts: -250,
  });
  assertEquals(decode({}, 0, 700), { pvWatts: 700, batteryWatts: 0 });
  assertEquals(decode({ 826: 240, 817: 5 }), { pvWatts: 0, siteWatts: 5, gridWatts: 0, batteryWatts: 0 });
});

Deno.test("Victron, MQTT: values are added by figure, and null, nothing and age take them away", () => {
  const values = new VictronValues("abc");
  const take = (path: string, payload: string, atMs = 0) =>
    values.take(`N/abc/system/0/${path}`, encodeUtf8(payload), atMs);
  assertEquals(values.at("v", 0), undefined);
  take("Dc/Pv/Power", '{"value": 700.5}');
  take("Ac/PvOnGrid/L1/Power", '{"value": 50}');
  take("Ac/PvOnGrid/L2/Power", '{"value": null}');
  take("Ac/Consumption/L1/Power", '{"value": 320, "min": 0}');
  take("Ac/ConsumptionOnInput/L1/Power", '{"value": 320}');
  take("Ac/Grid/L1/Power", '{"value": -400}');
  take("Dc/Battery/Power", '{"value": 250}');
  values.take("N/other/system/0/Dc/Pv/Power", encodeUtf8('{"value": 9999}'), 0);
  assertEquals(values.at("v", 60_000), {
    pvWatts: 750.5,
    siteWatts: 320,
    gridWatts: -400,
    batteryWatts: -250,
  });
  take("Dc/Battery/Power", "");
  take("Ac/Grid/L1/Power", '{"value": "much"}');
  assertEquals(values.at("v", 0), { pvWatts: 750.5, siteWatts: 320 });
  assertEquals(values.at("v", 60_001), undefined);
});

Deno.test("Whatever a device answers, it is values or a failure with a word", () => {
  assertBounded((bytes) => fronius(decodeUtf8(bytes)), encodeUtf8(text("fronius_powerflow_day")), 100);
  assertBounded((bytes) => enphase(decodeUtf8(bytes)), encodeUtf8(text("enphase_production")), 100);
  assertBounded(
    (bytes) => new VictronValues("a").take("N/a/system/0/Dc/Pv/Power", bytes, 0),
    encodeUtf8('{"value": 5}'),
  );
});
