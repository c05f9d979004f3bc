import { assert, assertEquals } from "@std/assert";
import { openRenewables, type RenewablesOptions } from "../../../src/energy/renewable/renewables.ts";
import type { Renewables } from "../../../src/energy/renewable/types.ts";
import {
  acc32,
  common,
  type FakeSunspec,
  int16,
  openSunspecDevice,
  registersOf,
} from "../../support/sunspec_device.ts";
import { fakeWorld, settle } from "../../support/world.ts";
import { openAnswers, openDevice, until } from "../loopback_device.ts";
import { openBroker } from "./fake_broker.ts";

const vector = (name: string) =>
  JSON.parse(Deno.readTextFileSync(new URL(`../../vectors/energy/api/${name}.json`, import.meta.url)));
const POWER_FLOW = "/solar_api/v1/GetPowerFlowRealtimeData.fcgi";

type TestWorld = ReturnType<typeof fakeWorld>;
const open = (world: TestWorld, renewables: readonly string[], more: Partial<RenewablesOptions> = {}) =>
  openRenewables(world, { renewables, nodeWatts: () => 10, ...more });
const word = (renewables: Renewables) => renewables.snapshot().failures.map((failure) => failure.word);
const settled = (renewables: Renewables) => {
  const { failures, pvWatts, siteWatts, gridWatts } = renewables.snapshot();
  return failures.every((failure) => failure.word !== "unasked") &&
    (failures.length > 0 || pvWatts !== null || siteWatts !== null || gridWatts !== null);
};

/** Lets time pass in seconds, with everybody working in between, until `done` or for a minute and a half. */
async function passUntil(world: TestWorld, done: () => boolean, what: string): Promise<void> {
  for (let second = 0; second < 90; second++) {
    for (let turn = 0; turn < 10; turn++) {
      if (done()) return;
      await settle();
    }
    await world.clock.advance(1000);
  }
  throw new Error(`Waited in vain: ${what}`);
}

const solarMap = (watts: number, wattHours: number) =>
  registersOf(40_000, [
    common("Maker"),
    { id: 103, length: 50, points: { 14: int16(watts), 15: int16(0), 24: acc32(wattHours), 26: int16(0) } },
  ]);
const meterMap = (watts: number) =>
  registersOf(40_000, [{ id: 203, length: 105, points: { 18: int16(watts), 22: int16(0) } }]);
const sunspec = (device: FakeSunspec, more = "") => `sunspec+tcp://${device.host}/${device.unit}${more}`;

Deno.test("An inverter and a site meter on Modbus give a share of class A over one connection each", async () => {
  const world = fakeWorld();
  await using inverter = openSunspecDevice(solarMap(3000, 1000));
  await using meter = openSunspecDevice(meterMap(-2200), 200);
  await using renewables = open(world, [sunspec(inverter), sunspec(meter, "?role=grid")]);
  assertEquals(renewables.snapshot(), {
    pvWatts: null,
    siteWatts: null,
    gridWatts: null,
    batteryWatts: null,
    share: null,
    basis: null,
    evidence: null,
    ageMs: null,
    failures: [inverter, meter].map(({ host, unit }) => ({
      id: `sunspec:${host}/${unit}`,
      word: "unasked",
      reason: `Cannot read sunspec:${host}/${unit}: no answer yet, wanted one`,
    })),
  });
  await until(() => renewables.snapshot().siteWatts !== null, "both answers");
  const first = renewables.snapshot();
  assertEquals([first.pvWatts, first.gridWatts, first.siteWatts, first.share], [3000, -2200, 800, 1]);
  assertEquals([first.basis, first.evidence, first.failures], ["site_meter", "A", []]);
  inverter.registers.set(40_000 + 2 + 68 + 14, 200);
  meter.registers.set(40_000 + 2 + 18, 600);
  await passUntil(
    world,
    () => renewables.snapshot().siteWatts === 800 && renewables.snapshot().pvWatts === 200,
    "both",
  );
  const second = renewables.snapshot();
  assertEquals([second.pvWatts, second.siteWatts, second.share, second.evidence], [200, 800, 0.25, "A"]);
  assertEquals([inverter.connections(), meter.connections()], [1, 1]);
});

Deno.test("A site meter that falls silent takes the share with it, and generation stays", async () => {
  const world = fakeWorld();
  await using inverter = openSunspecDevice(solarMap(300, 1000));
  await using meter = openSunspecDevice(meterMap(100));
  await using renewables = open(world, [sunspec(inverter, "?role=inverter"), sunspec(meter)]);
  await until(() => renewables.snapshot().share === 0.75, "the share");
  meter.spoil = () => undefined;
  await passUntil(world, () => renewables.snapshot().failures.length > 0, "the silence");
  const { pvWatts, share, evidence, failures } = renewables.snapshot();
  assertEquals([pvWatts, share, evidence, failures.map((failure) => failure.word)], [300, null, null, [
    "timeout",
  ]]);
});

Deno.test("An inverter alone gives a share by assumption, of class E", async () => {
  const world = fakeWorld();
  await using inverter = openSunspecDevice(solarMap(4, 1000));
  await using renewables = open(world, [sunspec(inverter)]);
  await until(() => settled(renewables), "the answer");
  const { share, basis, evidence } = renewables.snapshot();
  assertEquals([share, basis, evidence], [0.4, "assumes_node_first", "E"]);
});

/** What a Modbus device may do wrong, and its word. */
const FAULTS: readonly (readonly [what: string, spoil: NonNullable<FakeSunspec["spoil"]>, word: string])[] = [
  [
    "an exception",
    ([a, b, , , , , unit]) => Uint8Array.of(a!, b!, 0, 0, 0, 3, unit!, 0x83, 4),
    "unsupported",
  ],
  ["another unit", (answer) => answer.with(6, 77), "malformed"],
  ["another function", (answer) => answer.with(7, 4), "malformed"],
  ["another protocol", (answer) => answer.with(2, 9), "malformed"],
  ["a length of 65535", (answer) => answer.with(4, 0xff).with(5, 0xff), "malformed"],
  ["fewer registers than it says", (answer) => answer.with(8, 250), "malformed"],
  ["half an answer", (answer) => answer.slice(0, 8), "timeout"],
  ["answers to others", (answer) => answer.with(0, 0xee), "timeout"],
  ["nothing", () => undefined, "timeout"],
];

for (const [what, spoil, expected] of FAULTS) {
  Deno.test(`A Modbus device that sends ${what} is counted as ${expected}, and others do not notice`, async () => {
    const world = fakeWorld();
    await using good = openSunspecDevice(solarMap(300, 1000));
    await using bad = openSunspecDevice(solarMap(300, 1000));
    bad.spoil = spoil;
    await using renewables = open(world, [sunspec(bad), sunspec(good)]);
    await passUntil(world, () => settled(renewables), "the failure");
    assertEquals([word(renewables), renewables.snapshot().pvWatts], [[expected], 300]);
    // what was wrong is over: the next question finds everything anew
    bad.spoil = undefined;
    await passUntil(world, () => renewables.snapshot().pvWatts === 600, "both");
    assertEquals(word(renewables), []);
  });
}

Deno.test("Inverters that speak HTTP are asked as they want", async () => {
  const world = fakeWorld();
  await using fronius = openAnswers({ [POWER_FLOW]: vector("fronius_powerflow_day") });
  await using envoy = openDevice((request, path) => {
    const may = request.headers.get("authorization") === "Bearer j.w.t" &&
      path === "/production.json?details=1";
    return may
      ? Response.json({ production: [{ type: "inverters", wNow: 50 }] })
      : new Response("", { status: 401 });
  });
  await using renewables = open(world, [
    `fronius+http://${fronius.host}`,
    `enphase+http://${envoy.host}?role=inverter`,
  ], {
    secrets: [`${envoy.host}=j.w.t`, `${fronius.host}=s3cret`],
  });
  await until(() => renewables.snapshot().pvWatts === 827.5, "both");
  const { siteWatts, gridWatts, batteryWatts, share, evidence } = renewables.snapshot();
  assertEquals([siteWatts, gridWatts, batteryWatts, evidence], [661.23, 16.23, -79.52, "A"]);
  assert(Math.abs(share! - (661.23 - 16.23) / 661.23) < 1e-9);
});

Deno.test("Home Assistant's entities stand for whatever they are said to be", async () => {
  const world = fakeWorld();
  const entity = (state: string, unit: string) => ({
    state,
    attributes: {
      unit_of_measurement: unit,
      state_class: unit.endsWith("h") ? "total_increasing" : "measurement",
    },
  });
  await using device = openAnswers({
    "/api/states/sensor.pv": entity("1.5", "kW"),
    "/api/states/sensor.pv_total": entity("12", "MWh"),
    "/api/states/sensor.export": entity("700", "W"),
    "/api/states/sensor.asleep": entity("unavailable", "W"),
  });
  const at = `homeassistant+http://${device.host}`;
  await using renewables = open(world, [
    `${at}/sensor.pv?role=inverter&energy=sensor.pv_total`,
    `${at}/sensor.export?role=grid&sign=export`,
    `${at}/sensor.asleep?role=battery`,
  ]);
  await until(
    () => renewables.snapshot().siteWatts !== null && word(renewables)[0] === "unavailable",
    "the answers",
  );
  const { pvWatts, gridWatts, siteWatts, batteryWatts, share } = renewables.snapshot();
  assertEquals([pvWatts, gridWatts, siteWatts, batteryWatts, share], [1500, -700, 800, null, 1]);
});

Deno.test("A GX device is asked in its registers", async () => {
  const world = fakeWorld();
  const registers = new Map<number, number>();
  for (let address = 808; address <= 826; address++) registers.set(address, 0);
  for (
    const [address, value] of [[811, 50], [817, 300], [820, 0x10000 - 400], [826, 1], [842, 250], [
      850,
      700,
    ]] as const
  ) {
    registers.set(address, value);
  }
  await using device = openSunspecDevice(registers, 100);
  await using renewables = open(world, [`victron+tcp://${device.host}`]);
  await until(() => settled(renewables), "the answer");
  const { pvWatts, siteWatts, gridWatts, batteryWatts, evidence } = renewables.snapshot();
  assertEquals([pvWatts, siteWatts, gridWatts, batteryWatts, evidence], [750, 300, -400, -250, "A"]);
  assertEquals(device.asked.map(({ address }) => address), [808, 842, 850]);
});

Deno.test("A GX device tells by MQTT when it is asked to, and is asked again after it hung up", async () => {
  const world = fakeWorld();
  await using broker = openBroker({ user: "gx", password: "s3cret" });
  const answer = (pv: number) => {
    broker.publish("N/c0ffee/system/0/Dc/Pv/Power", `{"value":${pv}}`);
    broker.publish("N/c0ffee/system/0/Ac/Consumption/L1/Power", '{"value":400}');
    broker.publish("N/c0ffee/full_publish_completed", '{"value":1}');
  };
  let pv = 300;
  broker.onPublish = (topic) => topic === "R/c0ffee/keepalive" && answer(pv);
  const secrets = [`${broker.host}=gx:s3cret`];
  await using renewables = open(world, [`victron+mqtt://${broker.host}/c0ffee`], { secrets });
  await until(() => renewables.snapshot().share === 0.75, "the share");
  broker.hangUp();
  pv = 100;
  await passUntil(world, () => renewables.snapshot().share === 0.25, "the new share");
  assertEquals(word(renewables), []);
  assert(broker.connections() >= 2);
  await using stranger = open(world, [`victron+mqtt://${broker.host}/c0ffee`], {
    secrets: [`${broker.host}=gx:wrong`],
  });
  await until(() => settled(stranger), "the refusal");
  const [failure] = stranger.snapshot().failures;
  assert(
    failure?.word === "denied" && failure.reason.includes("energy.secrets") &&
      !failure.reason.includes("wrong"),
  );
});

Deno.test("What was made in an hour is told with what the site used, where a counter and a meter say so", async () => {
  const world = fakeWorld();
  const start = Math.ceil(world.clock.now() / 3_600_000) * 3_600_000;
  await world.clock.advance(start - world.clock.now());
  const flow = vector("fronius_powerflow_day");
  const site = (wattHours: number) => ({
    ...flow.Body.Data.Site,
    P_Akku: null,
    P_PV: 1000,
    P_Load: -400,
    E_Total: wattHours,
  });
  const wattHoursNow = () => 5000 + (world.clock.now() - start) / 3_600_000 * 1000;
  await using device = openDevice(() =>
    Response.json({ ...flow, Body: { Data: { Site: site(wattHoursNow()) } } })
  );
  await using renewables = open(world, [`fronius+http://${device.host}?name=roof`]);
  await until(() => settled(renewables), "the first answer");
  for (let step = 0; step < 75 * 12; step++) {
    const asked = device.requests.length;
    await world.clock.advance(5000);
    await until(() => device.requests.length > asked, "the next question");
    await settle();
  }
  const [hour, ...others] = renewables.takeHours();
  // rounded up
  assert([400_000n, 400_001n].includes(hour!.siteMilliwattHours!), `${hour!.siteMilliwattHours}`);
  assertEquals([{ ...hour, siteMilliwattHours: 0n }, ...others], [{
    device: "roof",
    source: "solar_pv",
    startMs: start,
    endMs: start + 3_600_000,
    milliwattHours: 1_000_000n,
    siteMilliwattHours: 0n,
    coverage: 1,
    kind: "measured",
    uncertainty: 0.05,
  }]);
  assertEquals(renewables.takeHours(), []);
});

Deno.test("What names no device is a failure with words, and shows no password", async () => {
  const world = fakeWorld();
  await using inverter = openSunspecDevice(solarMap(4, 1000));
  await using renewables = open(world, [
    "sunspec+tcp://user:pa55@192.0.2.9",
    "homeassistant+http://192.0.2.9/sensor.pv",
    "victron+mqtt://192.0.2.9",
    "sunspec+tcp://192.0.2.9/300",
    sunspec(inverter),
  ]);
  await until(() => renewables.snapshot().pvWatts === 4, "the one that works");
  const { failures } = renewables.snapshot();
  assertEquals(
    failures.map(({ id, word }) => [id, word]),
    [0, 1, 2, 3].map((index) => [`renewable:${index}`, "usage"]),
  );
  assert(
    failures.every(({ reason }) =>
      reason.startsWith("Cannot use energy.renewables: ") && !reason.includes("pa55")
    ),
  );
});
