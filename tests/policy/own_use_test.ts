import { assertEquals, assertMatch } from "@std/assert";
import { machineRests } from "../../src/policy/own_use.ts";
import type { Conditions, Rules } from "../../src/policy/types.ts";
import { decideFirst, NOW_MS } from "./default_rules.ts";

Deno.test("a pause that keeps others away leaves the owner's own use alone", () => {
  const cases: readonly (readonly [Conditions, Partial<Rules>])[] = [
    [{ pausedUntilMs: NOW_MS + 60_000 }, {}],
    [{ onBattery: true }, {}],
    [{ metered: true }, {}],
    [{ weekday: 1, minute: 600 }, { quietHours: ["mon-fri 08:00-18:00"] }],
    [{ otherCpuShare: 0.9 }, { otherCpuPercent: 50 }],
    [{ monthBytes: 2 }, { monthBytes: 1 }],
    [{}, { require: ["heat"] }],
  ];
  for (const [now, rules] of cases) {
    const decision = decideFirst(now, rules);
    assertEquals([decision.action, machineRests(decision)], ["withdraw", undefined], JSON.stringify(now));
  }
});

Deno.test("a machine that is hot, weakly fed or out of memory rests for everyone, also while it is paused by hand", () => {
  const cases: readonly (readonly [Conditions, Partial<Rules>, RegExp])[] = [
    [{ celsius: 84 }, {}, /^84 °C on the processor, resumes at 70 °C$/],
    [{ celsius: 84, pausedUntilMs: NOW_MS + 60_000 }, {}, /^84 °C/],
    [{ undervolted: true }, {}, /stronger supply/],
    [{ throttled: true }, {}, /slows the processor/],
    [{ batteryPercent: 60 }, { batteryMinPercent: 90 }, /at 60 %, wanted 90 %/],
    [{ batteryCelsius: 44 }, {}, /44 °C/],
    [{ memoryPressure: 0.5 }, {}, /wait for memory/],
  ];
  for (const [now, rules, says] of cases) assertMatch(machineRests(decideFirst(now, rules))!, says);
  assertEquals(machineRests(decideFirst({ celsius: 76 })), undefined);
});
