import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../../src/base/errors.ts";
import { decodeModels, SunspecMap, usefulModels } from "../../../src/energy/renewable/sunspec.ts";
import type { SiteValues } from "../../../src/energy/renewable/types.ts";
import {
  acc32,
  common,
  type FakeModel,
  float32,
  int16,
  registersOf,
  text,
} from "../../support/sunspec_device.ts";

/** Walks and reads a map as the device does, without a device. */
function read(registers: ReadonlyMap<number, number>, sign?: "import" | "export"): SiteValues {
  const answer = (address: number, count: number) => {
    const values = Array.from({ length: count }, (_, index) => registers.get(address + index));
    return values.includes(undefined)
      ? { exception: 2 }
      : { registers: Uint16Array.from(values as number[]) };
  };
  const map = new SunspecMap();
  for (let ask = map.ask; ask !== undefined; ask = map.ask) map.take(answer(ask.address, ask.count));
  const blocks = new Map<number, Uint16Array>();
  for (const { id, address, count } of usefulModels(map.models)) {
    const block = answer(address, count);
    if ("registers" in block) blocks.set(id, block.registers);
  }
  return decodeModels(blocks, sign);
}

const values = (...models: readonly FakeModel[]) => read(registersOf(40_000, models));

const inverter = (watts: number, factor: number, more: FakeModel["points"] = {}): FakeModel => ({
  id: 103,
  length: 50,
  points: { 14: int16(watts), 15: int16(factor), ...more },
});
const meter = (watts: number, factor: number): FakeModel => ({
  id: 203,
  length: 105,
  points: { 18: int16(watts), 22: int16(factor) },
});
const battery = (watts: number, charging: number): FakeModel => ({
  id: 802,
  length: 62,
  points: { 16: int16(charging), 47: int16(watts), 63: int16(0) },
});
const tracker = (name: string, watts: number) => [0, ...text(name, 8), 0, 0, watts, ...Array(8).fill(0)];
const trackers = (...list: readonly (readonly number[])[]): FakeModel => ({
  id: 160,
  length: 8 + 20 * list.length,
  points: { 4: int16(-1), 8: int16(list.length), 10: list.flat() },
});

Deno.test("An inverter and a meter are found at each of the three places, with their factors", () => {
  const models = [common("Maker"), inverter(3456, -1, { 24: acc32(70_000), 26: int16(2) }), meter(-2200, 0)];
  for (const base of [0, 40_000, 50_000]) {
    assertEquals(read(registersOf(base, models)), {
      pvWatts: 345.6,
      gridWatts: -2200,
      producedWattHours: 7_000_000,
    });
  }
});

Deno.test("Models with floats say the same", () => {
  const float: FakeModel = { id: 113, length: 60, points: { 22: float32(1234.5), 32: float32(9876) } };
  const floatMeter: FakeModel = { id: 213, length: 124, points: { 28: float32(-12.5) } };
  assertEquals(values(float, floatMeter), { pvWatts: 1234.5, gridWatts: -12.5, producedWattHours: 9876 });
});

Deno.test("What a device does not have is absent, never 0", () => {
  assertEquals(values(inverter(-0x8000, 0)), {});
  assertEquals(values(inverter(100, -0x8000)), {});
  assertEquals(values(inverter(100, 11)), {});
  assertEquals(values(inverter(100, 0, { 24: acc32(0), 26: int16(0) })), { pvWatts: 100 });
  assertEquals(values({ id: 113, length: 60, points: { 22: float32(NaN), 32: float32(NaN) } }), {});
  assertEquals(values({ id: 113, length: 60, points: { 22: float32(Infinity), 32: float32(0) } }), {});
  assertEquals(values(common("Maker")), {});
  // a model that is too short to hold its power
  assertEquals(values({ id: 103, length: 10, points: {} }), {});
});

Deno.test("What no site has is no value, and what an inverter takes at night is no generation", () => {
  assertEquals(values(inverter(32_000, 5), meter(32_000, 3)), {});
  assertEquals(values(inverter(-12, 0)), { pvWatts: 0 });
});

Deno.test("A SolarEdge meter counts what leaves; any other what comes, unless the owner says so", () => {
  assertEquals(values(common("SolarEdge "), meter(2200, 0)).gridWatts, -2200);
  assertEquals(values(common("Fronius"), meter(2200, 0)).gridWatts, 2200);
  const map = registersOf(40_000, [common("Other"), meter(2200, 0)]);
  assertEquals([read(map, "export").gridWatts, read(map, "import").gridWatts], [-2200, 2200]);
});

Deno.test("What a battery gives is no generation", () => {
  // the inverter's 2000 W are 500 W of sun and 1500 W of battery
  assertEquals(values(inverter(2000, 0, { 24: acc32(5), 26: int16(0) }), battery(1500, 3)), {
    pvWatts: 500,
    batteryWatts: 1500,
  });
  assertEquals(values(inverter(2000, 0), battery(1500, 4)), { pvWatts: 3500, batteryWatts: -1500 });
  const night = [
    tracker("MPPT 1", 0),
    tracker("MPPT 2", 0),
    tracker("StCha 3", 0),
    tracker("StDisCha 4", 8000),
  ];
  assertEquals(values(inverter(780, 0), trackers(...night)), { pvWatts: 0, batteryWatts: 800 });
  // a battery is there, and nothing tells what it gives: then nothing tells what the sun gives
  assertEquals(values(inverter(2000, 0), { id: 124, length: 24, points: {} }), {});
  // trackers without a battery change nothing
  assertEquals(values(inverter(780, 0), trackers(tracker("String 1", 4000), tracker("String 2", 4000))), {
    pvWatts: 780,
  });
});

Deno.test("A chain without end, without map or with lying lengths ends in words", () => {
  const code = (registers: ReadonlyMap<number, number>) =>
    assertThrows(() => read(registers), NodeError).code;
  assertEquals(code(new Map()), "unsupported");
  assertEquals(code(new Map([[40_000, 1], [40_001, 2]])), "unsupported");
  const endless = new Map<number, number>([[40_000, 0x5375], [40_001, 0x6e53]]);
  for (let address = 40_002; address < 65_536; address++) endless.set(address, 0);
  assertEquals(code(endless), "malformed");
  const long = registersOf(40_000, [{ id: 103, length: 50, points: {} }]);
  long.set(40_003, 0xfff0);
  assertEquals(code(long), "malformed");
  // a device without an end mark ends where it ends
  const open = registersOf(40_000, [inverter(5, 0)]);
  open.delete(40_054);
  assertEquals(read(open), { pvWatts: 5 });
});

Deno.test("Whatever registers hold, the values are numbers of a site", () => {
  const model = fc.record({
    id: fc.constantFrom(1, 101, 103, 111, 113, 124, 160, 201, 203, 211, 213, 802, 7),
    data: fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 130 }),
  });
  fc.assert(fc.property(fc.array(model, { maxLength: 8 }), (models) => {
    const map = registersOf(
      0,
      models.map(({ id, data }) => ({ id, length: data.length, points: { 2: data } })),
    );
    try {
      for (const [name, value] of Object.entries(read(map))) {
        assert(
          Number.isFinite(value) && Math.abs(value) <= (name === "producedWattHours" ? 1e12 : 2e6),
          `${name} ${value}`,
        );
      }
    } catch (error) {
      assert(error instanceof NodeError, String(error));
    }
  }));
});
