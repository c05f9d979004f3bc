import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { loadConfig } from "../../src/config/load.ts";
import { rulesOf } from "../../src/node/contribute.ts";
import { addUsed, NO_BUDGETS, readBudgets } from "../../src/policy/budgets.ts";
import { decide, WILLING, words } from "../../src/policy/decide.ts";
import { isWithin } from "../../src/policy/hours.ts";
import { RULES } from "../../src/policy/rules.ts";
import type { Action, Conditions, Decision, Rules } from "../../src/policy/types.ts";

const DEFAULTS = rulesOf(
  loadConfig({ flags: new Map(), sets: [], environment: {}, file: undefined, target: undefined }).config,
);
const rules = (change: Partial<Rules> = {}): Rules => ({ ...DEFAULTS, ...change });
const at = (now: Conditions, change: Partial<Rules> = {}, before: Decision = WILLING, nowMs = 1e9) =>
  decide(now, rules(change), before, nowMs);

const MB = 1e6;
const CASES: readonly [
  rule: string,
  now: Conditions,
  change: Partial<Rules>,
  action: Action,
  says: RegExp,
][] = [
  ["pause", { pausedUntilMs: 1e9 + 60_000 }, {}, "withdraw", /by the owner for 1 minutes/],
  ["undervoltage", { undervolted: true }, {}, "withdraw", /stronger supply/],
  ["undervoltage", { throttled: true }, {}, "withdraw", /slows the processor/],
  ["heat", { celsius: 76, hottest: "cpu" }, {}, "slow", /76 °C on cpu/],
  ["heat", { celsius: 84 }, {}, "withdraw", /84 °C on the processor, resumes at 70 °C/],
  ["battery", { onBattery: true }, {}, "withdraw", /on its battery/],
  ["battery", { onBattery: true }, { onBattery: "slow" }, "slow", /on its battery/],
  ["battery_level", { batteryPercent: 60 }, { batteryMinPercent: 90 }, "withdraw", /at 60 %, wanted 90 %/],
  ["battery_heat", { batteryCelsius: 44 }, {}, "withdraw", /44 °C, wanted 40 °C/],
  ["metered", { metered: true }, {}, "withdraw", /metered/],
  ["wifi", { link: "cellular" }, { wifiOnly: true }, "withdraw", /not Wi-Fi/],
  ["quiet_hours", { weekday: 1, minute: 600 }, { quietHours: ["mon-fri 08:00-18:00"] }, "withdraw", /quiet/],
  ["hours", { weekday: 0, minute: 600 }, { hours: ["mon-fri 08:00-18:00"] }, "withdraw", /hours of work/],
  ["green", { gramsPerKwh: 500 }, { greenGramsPerKwh: 300 }, "slow", /500 g\/kWh, wanted 300/],
  ["other_load", { otherCpuShare: 0.6 }, { otherCpuPercent: 25 }, "withdraw", /60 % of the processors/],
  ["memory", { availableBytes: 10 * MB }, {}, "slow", /10 MB of memory/],
  ["disk", { diskFreeBytes: 10 * MB }, {}, "slow", /10 MB of disk/],
  ["month_bytes", { monthBytes: 95 * MB }, { monthBytes: 100 * MB }, "slow", /95 MB of 100 MB are served/],
  ["month_bytes", { monthBytes: 100 * MB }, { monthBytes: 100 * MB }, "withdraw", /100 MB of 100 MB/],
  ["day_writes", { dayWriteBytes: 11 * MB }, { dayWriteBytes: 10 * MB }, "withdraw", /written to disk today/],
];

Deno.test("each rule says its action and its reason in words, and there is a case for every rule", () => {
  for (const [rule, now, change, action, says] of CASES) {
    const decision = at(now, change);
    assertEquals([decision.action, decision.because.map((reason) => reason.rule)], [action, [rule]], rule);
    assertMatch(decision.because[0]!.says, says);
    assertMatch(words(decision), action === "slow" ? /^slowed down: / : /^paused: /);
  }
  assertEquals(new Set(CASES.map(([rule]) => rule)), new Set(Object.keys(RULES)));
});

Deno.test("what is not known stops nobody, and a desktop or board on mains contributes by default", () => {
  assertEquals(at({}), WILLING);
  const good: Conditions = {
    weekday: 3,
    minute: 700,
    onBattery: false,
    batteryPercent: 50,
    celsius: 60,
    link: "wired",
    metered: false,
    otherCpuShare: 0.9,
    availableBytes: 1e9,
    diskFreeBytes: 1e10,
    gramsPerKwh: 900,
    monthBytes: 1e12,
    dayWriteBytes: 1e12,
    undervolted: false,
    throttled: false,
  };
  assertEquals(at(good), WILLING);
  assertEquals(at({ celsius: NaN, batteryPercent: NaN }, { batteryMinPercent: 90 }), WILLING);
});

Deno.test("heat pauses at 82 °C until 70 °C, and gets better only after a minute", () => {
  let decision = WILLING;
  let nowMs = 1e9;
  const seen: string[] = [];
  for (const celsius of [74, 76, 83, 78, 71, 71, 69, 69, 60, 60]) {
    decision = decide({ celsius }, rules(), decision, nowMs += 40_000);
    seen.push(`${celsius} ${decision.action}`);
  }
  assertEquals(seen, [
    "74 contribute",
    "76 slow",
    "83 withdraw",
    "78 withdraw",
    "71 withdraw",
    "71 withdraw",
    "69 contribute",
    "69 contribute",
    "60 contribute",
    "60 contribute",
  ]);
  const hot = decide({ celsius: 83 }, rules(), WILLING, 1e9);
  const soon = decide({ celsius: 50 }, rules(), hot, 1e9 + 59_000);
  assertEquals([soon.action, soon.because.map(({ rule }) => rule)], ["withdraw", ["rest"]]);
  assertEquals(decide({ celsius: 50 }, rules(), soon, 1e9 + 60_000).action, "contribute");
  assertEquals(
    decide({ celsius: 50 }, rules(), hot, 5).action,
    "contribute",
    "a clock that was set back holds nobody",
  );
});

Deno.test("decide never flaps: over noisy heat it changes at most four times in a minute, and stays out once it is out", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 55, max: 95 }), { minLength: 60, maxLength: 60 }), (series) => {
      let decision = WILLING;
      let changes = 0;
      series.forEach((celsius, i) => {
        const next = decide({ celsius }, rules(), decision, 1e9 + i * 5_000);
        if (next.action !== decision.action) changes++;
        decision = next;
      });
      // five minutes: it can get worse twice in a row, and better once a minute
      assert(changes <= 16, `${changes} changes`);
    }),
  );
});

Deno.test("the worst of several reasons counts, and all are told", () => {
  const decision = at({ celsius: 77, onBattery: true });
  assertEquals(decision.action, "withdraw");
  assertEquals(decision.because.map(({ rule }) => rule), ["heat", "battery"]);
  assertEquals(words(decision), "paused: it runs on its battery");
});

Deno.test("isWithin knows days, ranges over the end of the week, and nights", () => {
  assertEquals(isWithin(["sat-mon 10:00-12:00"], 0, 660), true);
  assertEquals(isWithin(["sat-mon 10:00-12:00"], 2, 660), false);
  assertEquals(isWithin(["00:00-24:00"], 4, 1439), true);
  assertEquals(isWithin(["sun 22:00-06:00"], 1, 359), true);
  assertEquals(isWithin(["sun 22:00-06:00"], 1, 360), false);
  for (const bad of ["", "25:00-26:00", "xyz 10:00-11:00", "10-11", "mon 10:00"]) {
    assertEquals(isWithin([bad], 1, 600), false, bad);
  }
});

Deno.test("budgets survive a restart, begin anew with the month and the day, and a clock set back gives nothing back", () => {
  let budgets = addUsed(NO_BUDGETS, "2026-11-26", { bytes: 100, writeBytes: 10 });
  budgets = addUsed(budgets, "2026-11-27", { bytes: 100, writeBytes: 10 });
  assertEquals([budgets.monthBytes, budgets.dayWriteBytes], [200, 10]);
  budgets = addUsed(budgets, "1970-01-01", { bytes: 1, writeBytes: 1 });
  assertEquals([budgets.month, budgets.monthBytes, budgets.dayWriteBytes], ["2026-11", 201, 11]);
  assertEquals(readBudgets(JSON.parse(JSON.stringify(budgets))), budgets);
  for (const bad of [undefined, null, 5, {}, { ...budgets, monthBytes: -1 }, { ...budgets, day: "x" }]) {
    assertEquals(readBudgets(bad), NO_BUDGETS);
  }
  assertEquals(addUsed(budgets, "2026-12-01", { bytes: -5, writeBytes: -5 }).monthBytes, 0);
});

Deno.test("the policy uses nothing of Deno, so that phones and pages can decide with it", async () => {
  const folder = new URL("../../src/policy/", import.meta.url);
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(new URL(name, folder));
    assert(!/\bDeno\b|node:|from "\.\.\//.test(text), name);
  }
});
