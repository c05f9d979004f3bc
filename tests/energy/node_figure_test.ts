import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { NodeFigure } from "../../src/energy/node_figure.ts";
import { TrackedSource } from "../../src/energy/tracked_source.ts";
import type { EnergyChannel, EnergyReading, EnergyScope } from "../../src/energy/types.ts";
import { sourceOf } from "../support/moving_sensor.ts";

/** A thing that takes constant power; watts. */
interface Thing {
  readonly id: string;
  readonly scope: EnergyScope;
  readonly domain: string;
  readonly watts: number;
}
const WALL: Thing = { id: "plug", scope: "wall", domain: "wall", watts: 20 };
const BOARD: Thing = { id: "board", scope: "board", domain: "wall/board", watts: 15 };
const PACKAGE: Thing = {
  id: "package",
  scope: "package",
  domain: "wall/board/platform/socket0/package",
  watts: 6,
};
const CARD: Thing = { id: "card", scope: "accelerator", domain: "wall/board/accelerator0", watts: 5 };
const THINGS = [WALL, BOARD, PACKAGE, CARD];

/** Sensors over a clock that the test moves. */
function bench() {
  const at = { ms: 0 };
  const source = (
    { id, scope, domain, watts }: Thing,
    { type, periodMs }: { readonly type: EnergyChannel["type"]; readonly periodMs: number },
  ) => {
    const sensor = { isThere: true };
    let last: EnergyReading | undefined;
    const channel: EnergyChannel = {
      id,
      type,
      minPeriodMs: periodMs,
      relativeUncertainty: 0.05,
      read() {
        if (!sensor.isThere) return last = undefined;
        if (last !== undefined && at.ms - last.atMs < periodMs) return last;
        const value = type === "gauge" ? watts * 1e6 : watts * at.ms * 1e3;
        return last = { atMs: at.ms, value: BigInt(Math.round(value)) };
      },
    };
    return { sensor, tracked: new TrackedSource(sourceOf([channel], { id, scope, domain })) };
  };
  const node = new NodeFigure();
  const sample = (all: readonly TrackedSource[], afterMs: number) => {
    at.ms += afterMs;
    for (const tracked of all) tracked.sample(1000);
    return node.advance(all.filter((tracked) => tracked.isCurrent(at.ms, 1000)), at.ms);
  };
  return { at, source, node, sample };
}

Deno.test("NodeFigure counts no moment twice where a source with old values takes the place of another", () => {
  const { at, source, node, sample } = bench();
  const plug = source(WALL, { type: "gauge", periodMs: 1000 });
  const board = source(BOARD, { type: "gauge", periodMs: 30_000 });
  const all = [plug.tracked, board.tracked];
  // the board is read at 0.1, 30.1 and 60.1 s; the plug counts to 55.1 s and is given up at 60.1 s
  for (let i = 0; i < 550; i++) sample(all, 100);
  plug.sensor.isThere = false;
  for (let i = 0; i < 460; i++) sample(all, 100);
  const { measuredMs, elapsedMs } = node.time;
  assert(measuredMs <= elapsedMs, `${measuredMs} of ${elapsedMs} ms`);
  assertEquals(node.figure(at.ms).source, "board");
  assertAlmostEquals(node.figure(at.ms).joules!, 20 * 54 + 15 * 36, 20);
});

Deno.test("NodeFigure takes a source that comes and goes beside what counts for no reason to begin anew", () => {
  const { source, node, sample } = bench();
  const cpu = source(PACKAGE, { type: "counter", periodMs: 1 });
  const card = source(CARD, { type: "counter", periodMs: 2000 });
  const part: Thing = { ...PACKAGE, id: "core", scope: "part", domain: `${PACKAGE.domain}/core`, watts: 2 };
  const core = source(part, { type: "gauge", periodMs: 1 });
  const choices = new Set<string>();
  for (let i = 0; i < 600; i++) {
    core.sensor.isThere = i % 60 < 30;
    const window = sample([cpu.tracked, card.tracked, core.tracked], 100);
    if (window !== undefined) choices.add(window.choice);
  }
  assertEquals([...choices], ["package+card"]);
  assertAlmostEquals(node.figure(60_000).joules! / (11 * 60), 1, 0.05);
  assert(node.figure(60_000).coverage > 0.999, `${node.figure(60_000).coverage}`);
});

Deno.test("NodeFigure loses nothing of a counter beside which another comes and goes that counts too", () => {
  const { source, node, sample } = bench();
  const cpu = source(PACKAGE, { type: "counter", periodMs: 1 });
  const slow = source(CARD, { type: "counter", periodMs: 2000 });
  const second: Thing = { ...CARD, id: "card1", domain: "wall/board/accelerator1", watts: 0 };
  const card = source(second, { type: "gauge", periodMs: 1 });
  for (let i = 0; i < 900; i++) {
    card.sensor.isThere = i % 60 < 30;
    sample([cpu.tracked, slow.tracked, card.tracked], 100);
  }
  assertAlmostEquals(node.figure(90_000).joules! / (11 * 90), 1, 0.05);
});

Deno.test("NodeFigure tells power of what counts now, at once, and none where nothing does", () => {
  const { at, source, node, sample } = bench();
  const cpu = source(PACKAGE, { type: "counter", periodMs: 1 });
  const plug = source(WALL, { type: "gauge", periodMs: 20_000 });
  const all = [cpu.tracked, plug.tracked];
  plug.sensor.isThere = false;
  for (let i = 0; i < 50; i++) sample(all, 100);
  assertAlmostEquals(node.figure(at.ms).watts!, 6, 1e-6);
  plug.sensor.isThere = true;
  // a plug that is asked three times a minute has power between its answers, too
  for (let i = 0; i < 900; i++) {
    sample(all, 100);
    const { watts, scope } = node.figure(at.ms);
    assertEquals(scope, "wall");
    assertAlmostEquals(watts!, 20, 1e-6);
  }
  plug.sensor.isThere = false;
  for (let i = 0; i < 1200; i++) {
    sample(all, 100);
    const { watts, scope } = node.figure(at.ms);
    assertAlmostEquals(watts!, scope === "wall" ? 20 : 6, 1e-6);
  }
  assertEquals(node.figure(at.ms).scope, "package");
  cpu.sensor.isThere = false;
  for (let i = 0; i < 60; i++) sample(all, 100);
  assertEquals([node.figure(at.ms).kind, node.figure(at.ms).watts], ["none", null]);
});

const flip = fc.record({
  forMs: fc.integer({ min: 0, max: 40_000 }),
  stepMs: fc.integer({ min: 20, max: 3000 }),
  there: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
});
const sensors = fc.tuple(...THINGS.map(() =>
  fc.record({
    type: fc.constantFrom("counter" as const, "gauge" as const),
    periodMs: fc.constantFrom(1, 100, 1000, 7000, 30_000),
  })
));

Deno.test("NodeFigure: windows are in order, add up, and never hold more than the machine took, whatever sources come and go", () => {
  fc.assert(
    fc.property(sensors, fc.array(flip, { maxLength: 12 }), (options, flips) => {
      const { at, source, node, sample } = bench();
      const made = THINGS.map((thing, i) => source(thing, options[i]!));
      let sum = 0n, endMs = -Infinity, before = node.time;
      for (const { forMs, stepMs, there } of flips) {
        made.forEach(({ sensor }, i) => sensor.isThere = there[i]!);
        for (const untilMs = at.ms + forMs; at.ms < untilMs;) {
          const window = sample(made.map(({ tracked }) => tracked), stepMs);
          const { watts, kind, coverage, joules } = node.figure(at.ms);
          if (window !== undefined) {
            assert(window.startMs >= endMs && window.endMs > window.startMs, "in order");
            assert(window.microjoules >= (window.acceleratorMicrojoules ?? 0n), "cards are a part");
            endMs = window.endMs;
            sum += window.microjoules;
          }
          assertEquals(node.microjoules, sum);
          assert(node.time.elapsedMs >= before.elapsedMs && node.time.measuredMs >= before.measuredMs);
          before = node.time;
          assert(coverage >= 0 && coverage <= 1);
          assert(kind !== "none" || watts === null);
          assert(watts === null || watts <= 20.001, `${watts} W`);
          // a part whose first reading is older than the window may bring what nobody has counted
          assert((joules ?? 0) <= 20 * (at.ms + 1) / 1000 + 0.1, `${joules} J in ${at.ms} ms`);
        }
      }
    }),
    { numRuns: 200 },
  );
});
