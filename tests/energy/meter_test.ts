import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { openMeter } from "../../src/energy/meter.ts";
import { NodeFigure } from "../../src/energy/node_figure.ts";
import { TrackedSource } from "../../src/energy/tracked_source.ts";
import type { EnergySource, Finding } from "../../src/energy/types.ts";
import {
  burstyCurve,
  draws,
  PowerCurve,
  sensorChannel,
  type SensorOptions,
  sourceOf,
} from "../support/moving_sensor.ts";
import { FakeClock, fakeWorld, settle } from "../support/world.ts";

const ok = (source: EnergySource): Finding => ({ state: "ok", source });
const FAST = { servingMs: 100, idleMs: 100 };

/** Meters `seconds` of a curve; the figure and what is exact from the first reading on. */
async function meterOf(curve: PowerCurve, options: SensorOptions, seconds: number, rates = FAST) {
  const world = fakeWorld();
  const source = sourceOf([sensorChannel(world.clock, curve, options)]);
  await using meter = openMeter(world, [ok(source)], { rates });
  let last = 0;
  for (let s = 0; s < seconds; s++) {
    await world.clock.advance(1000);
    const { joules } = meter.snapshot().node;
    assert(joules! >= last, "never goes back");
    last = joules!;
  }
  return { snapshot: meter.snapshot(), exact: curve.joules(0, world.clock.monotonic()) };
}
const errorOf = ({ snapshot, exact }: Awaited<ReturnType<typeof meterOf>>) =>
  snapshot.node.joules! / exact - 1;

Deno.test("a meter's total of a counter is exact to 0.1 % over four wraps and one reset, and never goes back", async () => {
  const curve = burstyCurve(60, 7);
  const joules = curve.joules(0, 60_000);
  const max = BigInt(Math.round(joules / 4.6 * 1e6));
  const wrapped = await meterOf(curve, { type: "counter", maxMicrojoules: max }, 60);
  assertAlmostEquals(errorOf(wrapped), 0, 0.001);
  // started anew at 30 s: from 0, as a driver does that is loaded again
  const reset = await meterOf(curve, {
    type: "counter",
    maxMicrojoules: max,
    offset: (ms) => ms < 30_150 ? 0 : -curve.joules(0, 30_150),
  }, 60);
  assertAlmostEquals(errorOf(reset), 0, 0.001);
  assertEquals(reset.snapshot.sources[0]!.failures, { reset: 1 });
  assertEquals(reset.snapshot.node.kind, "measured");
});

Deno.test("a meter's total of a gauge under bursty load is exact to 1 % on the mean of five runs", async () => {
  const errors: number[] = [];
  for (let seed = 1; seed <= 5; seed++) {
    errors.push(Math.abs(errorOf(await meterOf(burstyCurve(30, seed), { type: "gauge" }, 30))));
  }
  assert(errors.reduce((sum, error) => sum + error, 0) / 5 <= 0.01, `${errors}`);
});

Deno.test("the figure of a gauge at 10 Hz is exact to 0.1 % over an hour of bursty load", () => {
  const curve = burstyCurve(3600, 9);
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs, sleep: () => Promise.resolve() };
  const tracked = new TrackedSource(sourceOf([sensorChannel(clock, curve, { type: "gauge" })]));
  const node = new NodeFigure();
  for (; nowMs <= 3_600_000; nowMs += 100) {
    tracked.sample(100);
    node.advance([tracked], nowMs);
  }
  assertAlmostEquals(node.figure(nowMs).joules! / curve.joules(0, 3_600_000), 1, 0.001);
});

Deno.test("a meter samples an unsteady gauge often, also while nobody is served", async () => {
  const slow = await meterOf(burstyCurve(60, 3), { type: "gauge" }, 60, { servingMs: 100, idleMs: 1000 });
  assertAlmostEquals(errorOf(slow), 0, 0.01);
  const steady = await meterOf(new PowerCurve([{ untilMs: 1, watts: 4 }]), { type: "gauge" }, 60, {
    servingMs: 100,
    idleMs: 1000,
  });
  // three seconds of learning what the idle machine takes, then once a second
  assert(steady.snapshot.samples < 95, `${steady.snapshot.samples} samples`);
});

/** Requests one after another with idle time between, at 9 W against 3 W; relative errors of each one's energy. */
async function requestErrors(type: "counter" | "gauge"): Promise<number[]> {
  const draw = draws(11);
  const requests: { readonly startMs: number; readonly endMs: number }[] = [];
  for (let ms = 40_000; requests.length < 60;) {
    const startMs = ms + 200 + 3000 * draw();
    const endMs = startMs + 500 + 4000 * draw();
    requests.push({ startMs, endMs });
    ms = endMs;
  }
  const curve = new PowerCurve(
    requests.flatMap(({ startMs, endMs }) => [
      { untilMs: startMs, watts: 3 },
      { untilMs: endMs, watts: 9 },
    ]).concat({ untilMs: Infinity, watts: 3 }),
  );
  const world = fakeWorld();
  await using meter = openMeter(world, [ok(sourceOf([sensorChannel(world.clock, curve, { type })]))]);
  const to = async (ms: number) => await world.clock.advance(ms - world.clock.monotonic());
  for (const [i, { startMs, endMs }] of requests.entries()) {
    await to(startMs);
    const step = meter.begin();
    await settle();
    await to(endMs);
    meter.end(step, {
      cpuMs: 3 * (endMs - startMs),
      tokens: 10,
      blockTokens: 10,
      session: `${i}`,
      peerClass: "swarm",
    });
  }
  await world.clock.advance(5000);
  return requests.map(({ startMs, endMs }, i) => {
    const exact = 6 * (endMs - startMs) / 1000;
    return Math.abs(Number(meter.session(`${i}`)!.microjoules) / 1e6 / exact - 1);
  });
}

Deno.test("energy of a request is right to 1.5 % on the mean and 5 % at the 95th percentile with a gauge, 0.5 % with a counter", async () => {
  const gauge = (await requestErrors("gauge")).sort((a, b) => a - b);
  const mean = gauge.reduce((sum, error) => sum + error, 0) / gauge.length;
  assert(mean <= 0.015, `mean ${mean}`);
  assert(gauge[Math.floor(0.95 * gauge.length)]! <= 0.05, `p95 ${gauge[Math.floor(0.95 * gauge.length)]}`);
  const counter = await requestErrors("counter");
  assert(Math.max(...counter) <= 0.005, `${Math.max(...counter)}`);
});

Deno.test("accounts of a snapshot add up to the node's joules at any moment, and dynamic joules for a token are over idle", async () => {
  const world = fakeWorld();
  const curve = new PowerCurve([{ untilMs: 50_000, watts: 3 }, { untilMs: 60_000, watts: 9 }, {
    untilMs: 1e9,
    watts: 3,
  }]);
  await using meter = openMeter(world, [
    ok(sourceOf([sensorChannel(world.clock, curve, { type: "counter" })])),
  ]);
  assertEquals(meter.snapshot().accounts, undefined);
  await world.clock.advance(50_000);
  const step = meter.begin();
  await settle();
  for (let i = 0; i < 20; i++) {
    await world.clock.advance(500);
    const { accounts, node } = meter.snapshot();
    assertAlmostEquals(accounts!.serve + accounts!.idle + accounts!.other, node.joules!, 1e-6);
  }
  meter.end(step, { cpuMs: 10_000, tokens: 30, blockTokens: 60, session: "s", peerClass: "swarm" });
  await world.clock.advance(20_000);
  const { joulesPerToken, accounts, node, tokens, idleWatts, peerClasses } = meter.snapshot();
  assertEquals(peerClasses!["swarm"]!.tokens, 30);
  assertAlmostEquals(peerClasses!["swarm"]!.joules, 60, 0.3);
  assertEquals(tokens, 30);
  assertAlmostEquals(idleWatts!, 3, 0.02);
  assertAlmostEquals(accounts!.serve, 60, 0.3);
  assertAlmostEquals(joulesPerToken!.dynamic!, 2, 0.01);
  assertAlmostEquals(joulesPerToken!.full!, node.joules! / 30, 1e-9);
  // what a token costs in full is more than the idle machine's power over the rate of tokens
  assert(joulesPerToken!.full! >= idleWatts! / (30 / 80) * 0.99);
});

Deno.test("whatever breaks in one source leaves every other figure as it was", async () => {
  const curve = burstyCurve(30, 5);
  const figures = async (broken: boolean) => {
    const world = fakeWorld();
    const channel = (id: string, type: "counter" | "gauge", isBroken = () => false) =>
      sensorChannel(world.clock, curve, { id, type, isBroken });
    const findings = [
      ok(sourceOf([channel("a", "counter")], { id: "a" })),
      ok(
        sourceOf([channel("b", "gauge")], {
          id: "b",
          scope: "package",
          domain: "wall/board/platform/socket0/package",
        }),
      ),
      ok(
        sourceOf([channel("c", "gauge", () => broken && world.clock.monotonic() > 9000)], {
          id: "c",
          domain: "wall/board/rail/c",
          scope: "part",
        }),
      ),
    ];
    await using meter = openMeter(world, findings, { rates: FAST });
    await world.clock.advance(30_000);
    return meter.snapshot();
  };
  const [whole, hurt] = [await figures(false), await figures(true)];
  assertEquals(hurt.sources.slice(0, 2), whole.sources.slice(0, 2));
  assertEquals({ ...hurt.node }, { ...whole.node });
  const [, , c] = hurt.sources;
  assertEquals([c!.state, c!.watts, c!.counted], ["error", null, false]);
  assertEquals(c!.reason, "c gives nothing: io");
});

Deno.test("when the best source goes, the next best counts, the total goes on, and coverage tells of the gap", async () => {
  const world = fakeWorld();
  const curve = new PowerCurve([{ untilMs: 1, watts: 10 }]);
  const small = new PowerCurve([{ untilMs: 1, watts: 4 }]);
  let unplugged = false;
  await using meter = openMeter(world, [
    ok(
      sourceOf([sensorChannel(world.clock, curve, { type: "gauge", isBroken: () => unplugged })], {
        id: "plug",
        scope: "wall",
        domain: "wall",
      }),
    ),
    ok(
      sourceOf([sensorChannel(world.clock, small, { type: "counter" })], {
        id: "rapl",
        scope: "package",
        domain: "wall/board/platform/socket0/package",
      }),
    ),
  ], { rates: FAST });
  await world.clock.advance(10_000);
  assertEquals([meter.snapshot().node.scope, meter.snapshot().node.source], ["wall", "plug"]);
  assertAlmostEquals(meter.snapshot().node.watts!, 10, 0.001);
  unplugged = true;
  await world.clock.advance(10_000);
  const { node } = meter.snapshot();
  assertEquals([node.scope, node.source], ["package", "rapl"]);
  assertAlmostEquals(node.watts!, 4, 0.01);
  assertAlmostEquals(node.joules!, 100 + 30, 1);
  // 2.5 s passed before the plug was given up
  assertAlmostEquals(node.coverage, 0.875, 0.01);
  assertEquals(node.kind, "mixed");
});

Deno.test("a whole that reads less than what it contains is not believed", async () => {
  const world = fakeWorld();
  const watts = (value: number) => new PowerCurve([{ untilMs: 1, watts: value }]);
  await using meter = openMeter(world, [
    ok(
      sourceOf([sensorChannel(world.clock, watts(9), { type: "counter" })], {
        id: "psys",
        domain: "wall/board/platform",
      }),
    ),
    ok(
      sourceOf([sensorChannel(world.clock, watts(12), { type: "counter" })], {
        id: "package",
        scope: "package",
        domain: "wall/board/platform/socket0/package",
      }),
    ),
  ]);
  await world.clock.advance(10_000);
  assertEquals(meter.snapshot().node.source, "psys");
  await world.clock.advance(60_000);
  const { node, sources } = meter.snapshot();
  assertEquals(node.source, "package");
  assertEquals(sources[0]!.state, "excluded");
  assertEquals(sources[0]!.reason, "it shows 9.0 W where package, which it contains, shows 12.0 W");
});

Deno.test("a platform counter that stands still while the package's moves is left out at once", async () => {
  const world = fakeWorld();
  const source = (id: string, watts: number, domain: string) =>
    ok(
      sourceOf([sensorChannel(world.clock, new PowerCurve([{ untilMs: 1, watts }]), { type: "counter" })], {
        id,
        domain,
      }),
    );
  await using meter = openMeter(world, [
    source("psys", 0, "wall/board/platform"),
    source("package", 12, "wall/board/platform/socket0/package"),
  ]);
  await world.clock.advance(4_000);
  const { node, sources } = meter.snapshot();
  assertEquals([node.source, node.watts], ["package", 12]);
  assertEquals(sources[0]!.reason, "it stands still where package, which it contains, moves");
});

Deno.test("one counter that two dies show is counted once, two sockets of like power twice", async () => {
  for (const [offset, expected] of [[0, 40], [777, 80]] as const) {
    const world = fakeWorld();
    const curve = new PowerCurve([{ untilMs: 1, watts: 40 }]);
    const die = (n: number) =>
      ok(sourceOf([sensorChannel(world.clock, curve, { type: "counter", offset: () => n * offset })], {
        id: `die-${n}`,
        scope: "package",
        domain: `wall/board/platform/socket0/package-die${n}`,
      }));
    await using meter = openMeter(world, [die(0), die(1)]);
    await world.clock.advance(20_000);
    const { node, sources } = meter.snapshot();
    assertAlmostEquals(node.watts!, expected, 0.1);
    assertEquals(sources[1]!.reason, offset === 0 ? "die-0 shows the same counter" : undefined);
  }
});

Deno.test("a machine that slept has a gap, not a bridge", async () => {
  class SleepyClock extends FakeClock {
    slept = 0;
    override now = (): number => 1_700_000_000_000 + this.monotonic() + this.slept;
  }
  const clock = new SleepyClock();
  const world = { ...fakeWorld(), clock };
  let woken = 0;
  const curve = new PowerCurve([{ untilMs: 1, watts: 5 }]);
  const channel = sensorChannel(clock, curve, { type: "counter", offset: () => woken });
  await using meter = openMeter(world, [ok(sourceOf([channel]))]);
  await clock.advance(10_000);
  clock.slept = 3_600_000;
  woken = 900; // drawn while nobody looked
  await clock.advance(10_000);
  const { node } = meter.snapshot();
  assertAlmostEquals(node.joules!, 95, 1);
  assert(node.coverage < 1);
});

Deno.test("a meter without any sensor says none, and null, never 0", async () => {
  const world = fakeWorld();
  const denied: Finding = {
    state: "denied",
    id: "rapl",
    kind: "measured",
    scope: "package",
    reason: "root only",
  };
  await using meter = openMeter(world, [denied]);
  await world.clock.advance(5000);
  const step = meter.begin();
  await settle();
  meter.end(step, { cpuMs: 1, tokens: 4, blockTokens: 8, peerClass: "self" });
  const { node, sources, accounts, joulesPerToken, tokens } = meter.snapshot();
  assertEquals(node, {
    watts: null,
    joules: null,
    kind: "none",
    scope: null,
    source: null,
    uncertainty: null,
    coverage: 0,
  });
  assertEquals([accounts, joulesPerToken, tokens], [undefined, undefined, 4]);
  assertEquals(sources.map(({ id, state, reason, counted }) => [id, state, reason, counted]), [
    ["rapl", "denied", "root only", false],
  ]);
});

Deno.test("adopt keeps what works, takes what is new, and closes what it does not need", async () => {
  const world = fakeWorld();
  const curve = new PowerCurve([{ untilMs: 1, watts: 5 }]);
  const closed: string[] = [];
  const source = (id: string, mark: string) => ({
    ...sourceOf([sensorChannel(world.clock, curve, { type: "counter" })], { id }),
    [Symbol.asyncDispose]: () => Promise.resolve(void closed.push(mark)),
  });
  const meter = openMeter(world, [ok(source("a", "a1"))]);
  await world.clock.advance(5000);
  await meter.adopt([ok(source("a", "a2")), ok(source("b", "b1"))]);
  await world.clock.advance(5000);
  assertEquals(meter.snapshot().sources.map(({ id }) => id), ["a", "b"]);
  assertAlmostEquals(meter.snapshot().node.joules!, 50, 6);
  await meter[Symbol.asyncDispose]();
  assertEquals(closed.sort(), ["a1", "a2", "b1"]);
});

Deno.test("a source that failed is replaced by its like: the figure and the source's own sum go on", async () => {
  const world = fakeWorld();
  const curve = new PowerCurve([{ untilMs: 1, watts: 5 }]);
  let broken = false;
  const first = sourceOf([sensorChannel(world.clock, curve, { type: "counter", isBroken: () => broken })]);
  await using meter = openMeter(world, [ok(first)], { rates: FAST });
  await world.clock.advance(10_000);
  broken = true;
  // in trouble, and not yet stale
  await world.clock.advance(1_500);
  assert(meter.isIncomplete);
  await meter.adopt([ok(sourceOf([sensorChannel(world.clock, curve, { type: "counter" })]))]);
  await world.clock.advance(10_000);
  const { node, sources } = meter.snapshot();
  assertAlmostEquals(node.joules!, 100, 1.5);
  assertAlmostEquals(sources[0]!.joules!, 100, 1.5);
  assertEquals([sources[0]!.state, sources[0]!.failures["io"]! >= 10], ["ok", true]);
});

Deno.test("a sensor that gives a value seldom costs no request its share: joules for a token are those of a fast one", async () => {
  const shares = async (minPeriodMs: number) => {
    const world = fakeWorld();
    const curve = new PowerCurve([{ untilMs: 170_000, watts: 3 }, { untilMs: 1e9, watts: 9 }]);
    const sensor = sensorChannel(world.clock, curve, { type: "counter", minPeriodMs });
    let last = sensor.read()!;
    const seldom = {
      ...sensor,
      failure: undefined,
      read: () => last = world.clock.monotonic() - last.atMs < minPeriodMs ? last : sensor.read()!,
    };
    let busyMs = 0;
    const cpu = {
      read: () => ({ busyMs, totalMs: 4 * world.clock.monotonic() }),
      [Symbol.dispose]: () => {},
    };
    await using meter = openMeter(world, [ok(sourceOf([seldom]))], { cpu });
    await world.clock.advance(170_000);
    for (let i = 0; i < 40; i++) {
      const step = meter.begin();
      await settle();
      await world.clock.advance(300);
      busyMs += 300;
      meter.end(step, { cpuMs: 300, tokens: 1, blockTokens: 1, session: "s", peerClass: "swarm" });
      await world.clock.advance(200);
    }
    await world.clock.advance(12_000);
    return meter.snapshot().peerClasses!["swarm"]!;
  };
  const [fast, slow] = [await shares(1000), await shares(5000)];
  assertEquals([fast.tokens, slow.tokens], [40, 40]);
  assertAlmostEquals(slow.joules / fast.joules, 1, 0.02);
});

Deno.test("a meter lists a bounded number of sources that have vanished, and closes the others", async () => {
  const world = fakeWorld();
  const curve = new PowerCurve([{ untilMs: 1, watts: 3 }]);
  await using meter = openMeter(world, []);
  let closed = 0;
  for (let i = 0; i < 40; i++) {
    let isBroken = false;
    const channel = sensorChannel(world.clock, curve, { type: "gauge", isBroken: () => isBroken });
    const source = {
      ...sourceOf([channel], { id: `usb:${i}`, scope: "part", domain: `wall/board/rail/${i}` }),
      [Symbol.asyncDispose]: () => Promise.resolve(void closed++),
    };
    await meter.adopt([ok(source)]);
    isBroken = true;
    await world.clock.advance(11_000);
  }
  await meter.adopt([]);
  const { sources } = meter.snapshot();
  assertEquals([sources.length, closed], [32, 8]);
  assertEquals(sources.at(-1)!.id, "usb:39");
});

Deno.test("a meter goes on sampling after a mistake of ours", async () => {
  const world = fakeWorld();
  const curve = new PowerCurve([{ untilMs: 1, watts: 3 }]);
  let isOdd = false;
  const cpu = {
    read() {
      if (isOdd) throw new RangeError("a mistake");
      return undefined;
    },
    [Symbol.dispose]: () => {},
  };
  await using meter = openMeter(
    world,
    [ok(sourceOf([sensorChannel(world.clock, curve, { type: "counter" })]))],
    { cpu },
  );
  isOdd = true;
  await world.clock.advance(3_000);
  assert(world.lines.some((line) => line.includes("Sensors not sampled")));
  isOdd = false;
  await world.clock.advance(3_000);
  assertAlmostEquals(meter.snapshot().node.joules!, 18, 0.5);
});
