/** Our readers of inverters against servers that nobody here wrote, and a foreign reader against our simulator. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { openRenewables } from "../../../src/energy/renewable/renewables.ts";
import {
  acc32,
  common,
  type FakeModel,
  float32,
  int16,
  openSunspecDevice,
  registersOf,
} from "../../support/sunspec_device.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { INSTALLED, runScript, startServer, until, WHY, world } from "./foreign_peers.ts";

const open = (...renewables: readonly string[]) =>
  openRenewables(world, { renewables, nodeWatts: () => undefined });

/** Models of all kinds that are read, by number; each with the same values. */
const INT_INVERTER = {
  length: 50,
  points: { 14: int16(3456), 15: int16(-1), 24: acc32(7_654_321), 26: int16(1) },
};
const FLOAT_INVERTER = { length: 60, points: { 22: float32(345.6), 32: float32(76_543_208) } };
const INT_METER = { length: 105, points: { 18: int16(-2200), 22: int16(-1) } };
const FLOAT_METER = { length: 124, points: { 28: float32(-220) } };
const BATTERY: FakeModel = { id: 802, length: 62, points: { 16: int16(4), 47: int16(150), 63: int16(0) } };
const PAIRS: readonly (readonly [inverter: number, meter: number])[] = [
  [101, 201],
  [102, 202],
  [103, 203],
  [103, 204],
  [111, 211],
  [112, 212],
  [113, 213],
  [113, 214],
];
const modelsOf = ([inverter, meter]: readonly [number, number]): readonly FakeModel[] => [
  common("Maker"),
  { id: inverter, ...(inverter < 110 ? INT_INVERTER : FLOAT_INVERTER) },
  { id: meter, ...(meter < 210 ? INT_METER : FLOAT_METER) },
];

Deno.test({
  name:
    `a SunSpec map that pymodbus serves is found and read, and asked for what is not there it ends in words${WHY}`,
  ignore: !INSTALLED,
  async fn() {
    await using folder = await temporaryFolder();
    const file = `${folder.path}/registers.json`;
    for (const base of [0, 40_000, 50_000]) {
      await Deno.writeTextFile(
        file,
        JSON.stringify(Object.fromEntries(registersOf(base, modelsOf([103, 203])))),
      );
      await using server = await startServer("modbus_server.py", [file, "7"]);
      await using renewables = open(`sunspec+tcp://127.0.0.1:${server.port}/7`);
      await until(() => renewables.snapshot().pvWatts !== null, "values");
      const { pvWatts, gridWatts, siteWatts, share, evidence, failures } = renewables.snapshot();
      assertAlmostEquals(pvWatts!, 345.6, 1e-9);
      assertAlmostEquals(siteWatts!, 125.6, 1e-9);
      assertEquals([gridWatts, share, evidence, failures], [-220, 1, "A", []]);
    }
    await Deno.writeTextFile(file, JSON.stringify({ 0: 1, 1: 2 }));
    await using empty = await startServer("modbus_server.py", [file, "1"]);
    await using renewables = open(`sunspec+tcp://127.0.0.1:${empty.port}`);
    await until(() => renewables.snapshot().failures[0]?.word === "unsupported", "the failure");
    assert(renewables.snapshot().failures[0]!.reason.includes("SunSpec"));
  },
});

Deno.test({
  name:
    `pysunspec2 reads our simulator as we do: lengths of models, places of points, factors and marks${WHY}`,
  ignore: !INSTALLED,
  async fn() {
    for (const pair of PAIRS) {
      const models = [...modelsOf(pair), BATTERY];
      await using device = openSunspecDevice(registersOf(40_000, models));
      const port = device.host.split(":")[1]!;
      const foreign = await runScript("read_sunspec.py", [port, "1"]);
      // the models' own files say how long they are
      for (const { id, length } of models) assertEquals([id, foreign[id].length], [id, length]);
      assertEquals(foreign[1].Mn, "Maker");
      await using renewables = open(`sunspec+tcp://${device.host}`);
      await until(() => renewables.snapshot().pvWatts !== null, "values");
      const { gridWatts, batteryWatts, pvWatts } = renewables.snapshot();
      const [inverter, meter] = pair;
      // what goes into the battery comes from the sun too
      assertAlmostEquals(foreign[inverter].W + 150, pvWatts!, 1e-4, `${inverter}`);
      assertAlmostEquals(foreign[meter].W, gridWatts!, 1e-4, `${meter}`);
      assertEquals([foreign[802].W, foreign[802].ChaSt, batteryWatts], [150, 4, -150]);
      assertAlmostEquals(foreign[inverter].WH, 76_543_210, 10);
    }
  },
});

Deno.test({
  name: `a GX device behind amqtt's broker tells its values when it is kept alive${WHY}`,
  ignore: !INSTALLED,
  async fn() {
    const values = {
      "Dc/Pv/Power": 700.5,
      "Ac/PvOnGrid/L1/Power": 50,
      "Ac/PvOnGrid/L2/Power": null,
      "Ac/Consumption/L1/Power": 320,
      "Ac/Grid/L1/Power": -400,
      "Dc/Battery/Power": 30,
    };
    await using broker = await startServer("mqtt_broker.py", ["c0619ab12345", JSON.stringify(values)]);
    await using renewables = open(`victron+mqtt://127.0.0.1:${broker.port}/c0619ab12345`);
    await until(() => renewables.snapshot().share !== null, "values");
    const { pvWatts, siteWatts, gridWatts, batteryWatts, share, evidence } = renewables.snapshot();
    assertEquals([pvWatts, siteWatts, gridWatts, batteryWatts, share, evidence], [
      750.5,
      320,
      -400,
      -30,
      1,
      "A",
    ]);
  },
});
