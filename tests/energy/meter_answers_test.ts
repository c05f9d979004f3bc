import { assertEquals, assertThrows } from "@std/assert";
import * as v from "valibot";
import { decodeUtf8, encodeUtf8 } from "../../src/base/bytes.ts";
import { decodeState, STATE } from "../../src/energy/sources/home_assistant.ts";
import { parseAnswer } from "../../src/energy/sources/http_json.ts";
import { toMicrojoules, toMicrowatts } from "../../src/energy/sources/meter_answer.ts";
import { SHELLY_PARTS, type ShellyPart } from "../../src/energy/sources/plug_shelly.ts";
import { decodeTasmota, TASMOTA_STATUS } from "../../src/energy/sources/plug_tasmota.ts";
import { decodePoe, POE_INFO } from "../../src/energy/sources/poe.ts";
import { PollFailure } from "../../src/energy/sources/polled.ts";
import { consumedWatts, ENVIRONMENT_METRICS, POWER } from "../../src/energy/sources/redfish.ts";
import { assertBounded } from "../support/decoders.ts";

const text = (name: string) =>
  Deno.readTextFileSync(new URL(`../vectors/energy/api/${name}.json`, import.meta.url));
const NOW_MS = Date.parse("2026-11-20T18:00:00Z");

const shelly = (part: ShellyPart, ...answers: readonly string[]) => {
  const { schemas, decode } = SHELLY_PARTS[part];
  return decode(answers.map((answer, at) => parseAnswer("plug", schemas[at] as v.GenericSchema, answer)), 0);
};
const tasmota = (answer: string, channel?: number) =>
  decodeTasmota("plug", parseAnswer("plug", TASMOTA_STATUS, answer), channel);
const entity = (answer: string) =>
  decodeState("ha", parseAnswer("ha", STATE, answer), { nowMs: NOW_MS, maxAgeMs: 60_000 });
const word = (act: () => unknown) => assertThrows(act, PollFailure).word;

Deno.test("Shelly: watts and watt-hours of each part, watt-minutes of the first generation, and no figure without a meter", () => {
  assertEquals(shelly("switch", text("shelly_switch_getstatus")), { watts: 5.4, wattHours: 752.797 });
  assertEquals(shelly("switch", text("shelly_switch_unmetered")), undefined);
  const both = '{"apower":10,"aenergy":{"total":100},"ret_aenergy":{"total":30}}';
  assertEquals(shelly("pm1", both), { watts: 10, wattHours: 70 });
  assertEquals(shelly("em", '{"total_act_power":558.9}', '{"total_act":2589773.39}'), {
    watts: 558.9,
    wattHours: 2589773.39,
  });
  assertEquals(shelly("em1", '{"act_power":501.8}', '{"total_act_energy":20}'), {
    watts: 501.8,
    wattHours: 20,
  });
  const first = (meter: string, list = "meters") => `{"${list}":[${meter}]}`;
  assertEquals(shelly("meter", first('{"power":12.5,"is_valid":true,"total":2640}')), {
    watts: 12.5,
    wattHours: 44,
  });
  assertEquals(shelly("emeter", first('{"power":12.5,"is_valid":true,"total":44.5}', "emeters")), {
    watts: 12.5,
    wattHours: 44.5,
  });
  for (
    const meter of [
      '{"power":0,"is_valid":false,"total":0}',
      '{"power":0,"is_valid":true}',
      '{"power":null,"total":1}',
    ]
  ) {
    assertEquals(shelly("meter", first(meter)), undefined);
  }
  assertEquals([shelly("meter", "{}"), shelly("emeter", '{"meters":[]}')], [undefined, undefined]);
});

Deno.test("Tasmota: watts and kilowatt-hours, of one channel where there are several", () => {
  assertEquals(tasmota(text("tasmota_status8")), { watts: 6, wattHours: 12345 });
  const two = '{"StatusSNS":{"ENERGY":{"Power":[3,4],"Total":[1.5,2.25]}}}';
  assertEquals(tasmota(two, 2), { watts: 4, wattHours: 2250 });
  assertEquals(tasmota('{"StatusSNS":{"ENERGY":{"Power":[3],"Total":[1.5]}}}'), {
    watts: 3,
    wattHours: 1500,
  });
  assertEquals([word(() => tasmota(two)), word(() => tasmota(two, 3))], ["several", "no_value"]);
  assertEquals(word(() => tasmota(text("tasmota_status8"), 2)), "no_value");
});

Deno.test("Home Assistant: every unit of power and energy becomes watts or watt-hours", () => {
  const shown = (state: string, unit: string, more = "") =>
    entity(`{"state":"${state}","attributes":{"unit_of_measurement":"${unit}"${more}}}`);
  assertEquals(entity(text("homeassistant_state")), { quantity: "power", watts: 7.2 });
  for (
    const [state, unit, watts] of [["7200", "mW", 7.2], ["0.5", "kW", 500], ["-3", "W", -3], [
      "1",
      "MW",
      1e6,
    ]] as const
  ) {
    assertEquals(shown(state, unit), { quantity: "power", watts });
  }
  for (
    const [state, unit, wattHours] of [
      ["2", "Wh", 2],
      ["2", "kWh", 2000],
      ["2", "MWh", 2e6],
      ["7200", "J", 2],
      ["7.2", "kJ", 2],
      ["3.6", "MJ", 1000],
      ["2000", "mWh", 2],
      ["1e-3", "GWh", 1e6],
    ] as const
  ) {
    const value = shown(state, unit, ',"state_class":"total_increasing"');
    assertEquals([value.quantity, "wattHours" in value && Math.round(value.wattHours * 1e9)], [
      "energy",
      Math.round(wattHours * 1e9),
    ]);
  }
  for (const unit of ["VA", "w", "kwh", "A", "%", "constructor"]) {
    assertEquals(word(() => shown("1", unit)), "wrong_unit");
  }
  assertEquals(word(() => shown("5", "kWh", ',"state_class":"measurement"')), "wrong_unit");
  for (const state of ["", "on", "1,5", "Infinity", "NaN", "0x10", " 5", "1e999"]) {
    assertEquals(word(() => shown(state, "W")), "unavailable");
  }
});

Deno.test("Home Assistant: a value counts while it is told, however long it does not change", () => {
  const at = (updated: string, reported = "") =>
    entity(
      `{"state":"5","attributes":{"unit_of_measurement":"W"},"last_updated":"${updated}"${
        reported && `,"last_reported":"${reported}"`
      }}`,
    );
  assertEquals(at("2026-11-20T17:59:30+00:00").quantity, "power");
  assertEquals(at("2026-11-20T09:00:00+00:00", "2026-11-20T18:59:59+01:00").quantity, "power");
  assertEquals(word(() => at("2026-11-20T17:58:59+00:00")), "stale");
  assertEquals(word(() => at("2026-11-20T19:00:00+00:00")), "stale");
});

Deno.test("Redfish: consumed watts of the chassis, where they are not null", () => {
  assertEquals(consumedWatts(v.parse(POWER, { PowerControl: [{ PowerConsumedWatts: 165 }, {}] })), 165);
  assertEquals(consumedWatts(v.parse(POWER, { PowerControl: [{ PowerConsumedWatts: null }] })), undefined);
  assertEquals(consumedWatts(v.parse(POWER, {})), undefined);
  assertEquals(
    v.parse(ENVIRONMENT_METRICS, { PowerWatts: { DataSourceUri: "/x", Reading: 374 } }).PowerWatts?.Reading,
    374,
  );
});

Deno.test("Whatever a device answers, it is a figure or a failure with a word", () => {
  const cases: readonly (readonly [string, (answer: string) => unknown])[] = [
    [text("shelly_switch_getstatus"), (answer) => shelly("switch", answer)],
    ['{"emeters":[{"power":1,"is_valid":true,"total":2}]}', (answer) => shelly("emeter", answer)],
    [text("tasmota_status8"), (answer) => tasmota(answer)],
    [text("homeassistant_state"), (answer) => entity(answer)],
    [
      '{"consumption":9,"ports":{"lan3":{"consumption":6.3}}}',
      (answer) => decodePoe("poe", parseAnswer("poe", POE_INFO, answer), "lan3"),
    ],
    [
      '{"PowerControl":[{"PowerConsumedWatts":165}]}',
      (answer) => consumedWatts(parseAnswer("bmc", POWER, answer)),
    ],
  ];
  for (const [golden, decode] of cases) {
    assertBounded((bytes) => decode(decodeUtf8(bytes)), encodeUtf8(golden), 100);
  }
});

Deno.test("Figures become integers, and those of no machine are refused", () => {
  assertEquals([toMicrowatts("m", 5.4), toMicrojoules("m", 752.797)], [5_400_000n, 2_710_069_200_000n]);
  assertEquals([toMicrowatts("m", 0), toMicrojoules("m", 0)], [0n, 0n]);
  assertEquals(word(() => toMicrowatts("m", -0.5)), "negative");
  for (const watts of [160_000, Infinity, NaN]) {
    assertEquals(word(() => toMicrowatts("m", watts)), "implausible");
  }
  for (const wattHours of [-1, 1e12, NaN]) {
    assertEquals(word(() => toMicrojoules("m", wattHours)), "implausible");
  }
});
