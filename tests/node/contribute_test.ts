import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { loadConfig } from "../../src/config/load.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { Health } from "../../src/node/health.ts";
import { NO_BUDGETS } from "../../src/policy/budgets.ts";
import { policyMachine } from "../support/policy_machine.ts";
import { type FakeClock, fakeWorld } from "../support/world.ts";

const configOf = (...sets: string[]) =>
  loadConfig({ flags: new Map(), sets, environment: {}, file: undefined, target: undefined }).config;

function scene(...sets: string[]) {
  const world = fakeWorld();
  const machine = policyMachine();
  const events: NodeEvent[] = [];
  const health = new Health((event) => void events.push(event), () => {});
  const open = () => machine.open(world, configOf(...sets), health);
  return { world, machine, events, health, open };
}

/** Sets the clock of the wall forward, without the hours of looking in between. */
function jump(clock: FakeClock, days: number): void {
  const now = clock.now.bind(clock);
  clock.now = () => now() + days * 86_400_000;
}

const told = (events: readonly NodeEvent[]) =>
  events.map((event) => event.kind === "degraded" ? event.why : event.kind);

Deno.test("openContribution tells what is decided once for each new reason, and looks each second while it is nearly hot", async () => {
  const { world, machine, events, health, open } = scene();
  machine.celsius = 60;
  await using contribution = open();
  machine.celsius = 71;
  await world.clock.advance(5_000);
  machine.celsius = 76;
  await world.clock.advance(1_000);
  assertEquals(contribution.decision.action, "slow");
  for (const celsius of [77, 83, 84, 85]) {
    machine.celsius = celsius;
    await world.clock.advance(1_000);
  }
  assertEquals(health.degraded.map(({ what }) => what), ["contribution"]);
  machine.celsius = 65;
  await world.clock.advance(66_000);
  assertEquals(told(events), [
    "slowed down: 76 °C on cpu-thermal, which is 75 °C or nearly so",
    "paused: 83 °C on cpu-thermal, resumes at 70 °C",
    "paused: it is better now, and resumes if that lasts for 60 s",
    "recovered",
  ]);
  assertEquals(health.degraded, []);
});

Deno.test("changed resolves for every other action, also for one that was decided before it was asked", async () => {
  const { world, machine, open } = scene();
  await using contribution = open();
  const end = new AbortController();
  const change = contribution.changed("contribute", end.signal);
  machine.celsius = 84;
  await world.clock.advance(5_000);
  await change;
  await contribution.changed("contribute", end.signal);
  const never = contribution.changed("withdraw", end.signal);
  end.abort(new Error("it is over"));
  await assertRejects(() => never, Error, "it is over");
});

Deno.test("the owner's pause counts at once, ends by itself or by hand, and follows no clock that is set", async () => {
  for (const set of ["policy.enabled=true", "policy.enabled=false"]) {
    const { world, open } = scene(set, "policy.require=heat");
    await using contribution = open();
    const { clock } = world;
    const before = contribution.decision.action;
    assertEquals(before, set === "policy.enabled=true" ? "withdraw" : "contribute");
    contribution.pause(clock.now() + 300_000);
    assertEquals(contribution.decision.because[0]?.rule, "pause");
    assertEquals(contribution.decision.checkAgainAtMs, clock.now() + 300_000);
    await clock.advance(299_000);
    assertEquals(contribution.decision.because[0]?.rule, "pause");
    await clock.advance(6_000);
    assertEquals(contribution.decision.action, before);
    contribution.pause(clock.now() + 3_600_000);
    const now = clock.now.bind(clock);
    clock.now = () => now() - 3e10;
    await clock.advance(3_595_000);
    assertEquals(contribution.decision.because[0]?.rule, "pause");
    contribution.pause(0);
    assertEquals(contribution.decision.action, before);
  }
});

Deno.test("without the policy nothing but the owner pauses the node", async () => {
  const { world, machine, open } = scene("policy.enabled=false");
  machine.celsius = 120;
  await using contribution = open();
  await world.clock.advance(10_000);
  contribution.pause(0);
  assertEquals(contribution.decision.action, "contribute");
});

Deno.test("budgets count from the counters, go on after a restart, and end the day's and the month's work", async () => {
  const { world, machine, open } = scene("policy.day_write_bytes=1000", "policy.month_bytes=1000000");
  machine.writeBytes = 400;
  {
    await using contribution = open();
    machine.servedBytes = 500_000;
    await world.clock.advance(5_000);
    assertEquals(contribution.decision.action, "contribute");
  }
  machine.servedBytes = 0;
  machine.writeBytes = 550;
  {
    await using contribution = open();
    assertMatch(contribution.decision.because[0]?.says ?? "", /written to disk today/);
    assertEquals(contribution.decision.action, "slow");
    machine.servedBytes = 600_000;
    await world.clock.advance(5_000);
    assertEquals(contribution.decision.because.map(({ rule }) => rule), ["month_bytes", "day_writes"]);
    assertEquals(contribution.decision.action, "withdraw");
    // the next day the month is still full
    jump(world.clock, 1);
    await world.clock.advance(5_000);
    assertEquals(contribution.decision.because.map(({ rule }) => rule), ["month_bytes"]);
    jump(world.clock, 31);
    await world.clock.advance(65_000);
    assertEquals(contribution.decision.action, "contribute");
  }
});

Deno.test("a reading of the counter that fails is no writing, and none is counted twice", async () => {
  const { world, machine, open } = scene("policy.day_write_bytes=1000");
  machine.writeBytes = 600;
  await using contribution = open();
  for (const bytes of [undefined, 700]) {
    machine.writeBytes = bytes;
    await world.clock.advance(5_000);
  }
  assertEquals(contribution.decision.action, "contribute");
  machine.writeBytes = 950;
  await world.clock.advance(5_000);
  assertEquals(contribution.decision.because.map(({ rule }) => rule), ["day_writes"]);
});

Deno.test("the owner's word on the link counts more than NetworkManager's", async () => {
  for (
    const [set, known, action] of [
      ["policy.link_metered=auto", true, "withdraw"],
      ["policy.link_metered=auto", false, "contribute"],
      ["policy.link_metered=auto", undefined, "contribute"],
      ["policy.link_metered=no", true, "contribute"],
      ["policy.link_metered=yes", false, "withdraw"],
    ] as const
  ) {
    const { machine, open } = scene(set);
    machine.metered = known;
    await using contribution = open();
    assertEquals(contribution.decision.action, action, `${set} ${known}`);
  }
});

Deno.test("notes of budgets that are damaged are a fresh start", async () => {
  const { machine, open } = scene("policy.month_bytes=10");
  for (const text of ["{", "[]", '{"months":[{"name":"2023-11","bytes":"9"}],"days":[]}']) {
    machine.table.put("budgets", new TextEncoder().encode(text));
    await using contribution = open();
    assertEquals(contribution.decision.action, "contribute");
  }
  assert(NO_BUDGETS.months.length === 0);
});

Deno.test("openContribution shows what it read of the machine last, and nothing where it does not look", async () => {
  const { world, machine, open } = scene("policy.month_bytes=5000");
  machine.celsius = 51;
  machine.throttled = { undervolted: false, throttled: true };
  machine.servedBytes = 700;
  await using contribution = open();
  machine.writeBytes = 400;
  machine.celsius = 52;
  await world.clock.advance(5_000);
  assertEquals(contribution.device, {
    celsius: 52,
    hottest: "cpu-thermal",
    throttled: true,
    undervolted: false,
    memoryAvailableBytes: null,
    memoryTotalBytes: null,
    ownMemoryBytes: null,
    diskFreeBytes: null,
    dayWriteBytes: 400,
    dayWriteBudgetBytes: 0,
    monthBytes: 700,
    monthBudgetBytes: 5000,
  });
  const off = scene("policy.enabled=false");
  await using blind = off.open();
  assertEquals(blind.device, undefined);
});
