import { assertEquals, assertMatch } from "@std/assert";
import { loadConfig } from "../../src/config/load.ts";
import { CONFIG_KEYS } from "../../src/config/schema.ts";
import { targetOf } from "../../src/config/target.ts";
import { rulesOf } from "../../src/node/contribute.ts";
import { decide, WILLING, words } from "../../src/policy/decide.ts";
import { REQUIRABLE, RULES } from "../../src/policy/rules.ts";
import type { Action, Conditions, Rules } from "../../src/policy/types.ts";
import { decideFirst, NOW_MS, rules } from "./default_rules.ts";

const MB = 1e6;
const WORK = ["mon-fri 08:00-18:00"];
const CASES: readonly [
  rule: string,
  now: Conditions,
  change: Partial<Rules>,
  action: Action,
  says: RegExp,
][] = [
  ["pause", { pausedUntilMs: NOW_MS + 60_000 }, {}, "withdraw", /by the owner for 1 minute$/],
  ["require", {}, { require: ["heat", "green"] }, "withdraw", /nothing is known for heat and green/],
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
  ["quiet_hours", { weekday: 1, minute: 600 }, { quietHours: WORK }, "withdraw", /quiet hours, until 18:00$/],
  ["hours", { weekday: 0, minute: 600 }, { hours: WORK }, "withdraw", /hours of work, until 08:00$/],
  [
    "network_hours",
    { weekday: 0, minute: 600 },
    { networkHours: WORK },
    "withdraw",
    /network's hours, until 08:00$/,
  ],
  ["green", { gramsPerKwh: 500 }, { greenGramsPerKwh: 300 }, "slow", /500 g\/kWh, wanted 300/],
  ["other_load", { otherCpuShare: 0.6 }, { otherCpuPercent: 25 }, "withdraw", /60 % of the processors/],
  ["memory", { availableBytes: 10 * MB }, {}, "slow", /10 MB of memory/],
  [
    "memory_pressure",
    { memoryPressure: 0.4 },
    {},
    "withdraw",
    /wait for memory 40 % of the time, wanted 20 %/,
  ],
  ["disk", { diskFreeBytes: 10 * MB }, {}, "slow", /10 MB of disk/],
  ["month_bytes", { monthBytes: 95 * MB }, { monthBytes: 100 * MB }, "slow", /95 MB of 100 MB are served/],
  ["month_bytes", { monthBytes: 100 * MB }, { monthBytes: 100 * MB }, "withdraw", /100 MB of 100 MB/],
  ["day_writes", { dayWriteBytes: 11 * MB }, { dayWriteBytes: 10 * MB }, "withdraw", /written to disk today/],
];

Deno.test("each rule says its action and its reason in words, and there is a case for every rule", () => {
  for (const [rule, now, change, action, says] of CASES) {
    const decision = decideFirst(now, change);
    assertEquals([decision.action, decision.because.map((reason) => reason.rule)], [action, [rule]], rule);
    assertMatch(decision.because[0]!.says, says);
    assertMatch(words(decision), action === "slow" ? /^slowed down: / : /^paused: /);
  }
  assertEquals(new Set(CASES.map(([rule]) => rule)), new Set(Object.keys(RULES)));
});

Deno.test("what is not known stops nobody, and a desktop or board on mains contributes by default", () => {
  assertEquals(decideFirst({}), WILLING);
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
    memoryPressure: 0.05,
    diskFreeBytes: 1e10,
    gramsPerKwh: 900,
    monthBytes: 1e12,
    dayWriteBytes: 1e12,
    undervolted: false,
    throttled: false,
  };
  assertEquals(decideFirst(good), WILLING);
  assertEquals(decideFirst({ celsius: NaN, batteryPercent: NaN }, { batteryMinPercent: 90 }), WILLING);
});

Deno.test("a PC works at heats that small boards do not live with", () => {
  const settings = (arch: string, board?: string) =>
    rulesOf(
      loadConfig({
        ...{ flags: new Map(), sets: [], environment: {}, file: undefined },
        target: targetOf({ arch, board, openwrt: false }),
      }).config,
    );
  // Ryzen 7000 is made to go to 95 °C under load (AMD's "TJMax"), Core to 100 °C
  const action = (celsius: number, rules: Rules) => decide({ celsius }, rules, WILLING, NOW_MS).action;
  const pc = settings("x86_64"), pi = settings("aarch64", "Raspberry Pi 5 Model B Rev 1.0");
  assertEquals([80, 95, 99, 104].map((celsius) => action(celsius, pc)), [
    "contribute",
    "contribute",
    "slow",
    "withdraw",
  ]);
  assertEquals([60, 76, 83].map((celsius) => action(celsius, pi)), ["contribute", "slow", "withdraw"]);
});

Deno.test("what is required must be known, each for itself", () => {
  for (const rule of REQUIRABLE) {
    assertEquals(
      decideFirst({}, { require: [rule] }).because.map((reason) => reason.rule),
      ["require"],
      rule,
    );
  }
  assertEquals(decideFirst({ celsius: 50 }, { require: ["heat"] }), WILLING);
  assertEquals(decideFirst({ celsius: NaN }, { require: ["heat"] }).action, "withdraw");
  // what the configuration takes is what there is
  const key = CONFIG_KEYS["policy.require"];
  assertEquals([...key.schema.item.options].sort(), [...REQUIRABLE].sort());
});

Deno.test("each threshold ends below where it begins, so that a reading at the edge does not swing", () => {
  const edges: readonly [rule: string, at: Conditions, back: Conditions, change?: Partial<Rules>][] = [
    ["heat", { celsius: 75 }, { celsius: 73 }],
    ["heat", { celsius: 82 }, { celsius: 71 }],
    ["battery_level", { batteryPercent: 89 }, { batteryPercent: 93 }, { batteryMinPercent: 90 }],
    ["battery_heat", { batteryCelsius: 41 }, { batteryCelsius: 38 }],
    ["green", { gramsPerKwh: 301 }, { gramsPerKwh: 280 }, { greenGramsPerKwh: 300 }],
    ["other_load", { otherCpuShare: 0.26 }, { otherCpuShare: 0.24 }, { otherCpuPercent: 25 }],
    ["memory", { availableBytes: 60 * MB }, { availableBytes: 68 * MB }],
    ["memory_pressure", { memoryPressure: 0.21 }, { memoryPressure: 0.15 }],
    ["disk", { diskFreeBytes: 100 * MB }, { diskFreeBytes: 110 * MB }],
  ];
  for (const [rule, at, back, change] of edges) {
    const first = decideFirst(at, change);
    assertEquals(first.because.map((reason) => reason.rule), [rule]);
    const later = decide(back, rules(change), first, NOW_MS + 3_600_000);
    assertEquals([rule, later.action], [rule, first.action]);
    assertEquals(decideFirst(back, change).action, "contribute", `${rule} from below`);
  }
});
