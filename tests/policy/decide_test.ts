import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { decide, WILLING, words } from "../../src/policy/decide.ts";
import type { Conditions, Decision, Rules } from "../../src/policy/types.ts";
import { decideFirst, NOW_MS, rules } from "./default_rules.ts";

/** Decides every `stepMs`, and tells each action with its time in seconds when it changed. */
function changes(series: Iterable<Conditions>, stepMs: number, change: Partial<Rules> = {}): string[] {
  const seen: string[] = [];
  let decision = WILLING, nowMs = NOW_MS;
  for (const now of series) {
    const next = decide(now, rules(change), decision, nowMs);
    if (next.action !== decision.action) seen.push(`${(nowMs - NOW_MS) / 1000} ${next.action}`);
    decision = next;
    nowMs += stepMs;
  }
  return seen;
}

Deno.test("heat slows down at 75 °C, pauses at 82 °C until 70 °C, and gets better after a minute of that", () => {
  const series = [74, 76, 83, 78, 71, 71, 69, 69, 69, 60].map((celsius) => ({ celsius }));
  assertEquals(changes(series, 40_000), ["40 slow", "80 withdraw", "320 contribute"]);
});

Deno.test("what is better must last: one good reading among bad ones brings nobody back", () => {
  const hot = decideFirst({ celsius: 83 });
  const better = decide({ celsius: 50 }, rules(), hot, NOW_MS + 3_600_000);
  assertEquals([better.action, better.because.map(({ rule }) => rule)], ["withdraw", ["rest"]]);
  assertEquals(better.checkAgainAtMs, NOW_MS + 3_660_000);
  const soon = decide({ celsius: 50 }, rules(), better, NOW_MS + 3_659_000);
  assertEquals(soon.action, "withdraw");
  const back = decide({ celsius: 50 }, rules(), soon, NOW_MS + 3_660_000);
  assertEquals([back.action, back.checkAgainAtMs], ["contribute", undefined]);
  const worse = decide({ celsius: 83 }, rules(), soon, NOW_MS + 3_659_500);
  assertEquals(decide({ celsius: 50 }, rules(), worse, NOW_MS + 3_665_000).action, "withdraw");
});

Deno.test("the owner's rest is what is waited for, and none is shorter", () => {
  const hot = decideFirst({ celsius: 83 }, { restMs: 5_000 });
  const better = decide({ celsius: 50 }, rules({ restMs: 5_000 }), hot, NOW_MS + 1_000);
  assertEquals([better.action, better.checkAgainAtMs], ["withdraw", NOW_MS + 6_000]);
  assertEquals(
    decide({ celsius: 50 }, rules({ restMs: 5_000 }), better, NOW_MS + 6_000).action,
    "contribute",
  );
  const relapsed: Decision = { ...WILLING, restMs: 5_000, recoveredAtMs: NOW_MS - 1 };
  assertEquals(decide({ celsius: 83 }, rules({ restMs: 2_000_000 }), relapsed, NOW_MS).restMs, 2_000_000);
});

Deno.test("a clock that is set back holds the node for one more rest at most", () => {
  const resting = decide({ celsius: 50 }, rules(), decideFirst({ celsius: 83 }), NOW_MS + 5_000);
  const early = decide({ celsius: 50 }, rules(), resting, 5_000);
  assertEquals(early.action, "withdraw");
  assertEquals(decide({ celsius: 50 }, rules(), early, 65_000).action, "contribute");
});

Deno.test("who must leave again soon after coming back rests twice as long each time, and as before after a calm while", () => {
  // a supply that gives way to work: bad whenever the node contributes, good as soon as it does not
  const weak = (hours: number) => {
    const seen: number[] = [];
    let decision = WILLING;
    for (let nowMs = NOW_MS; nowMs < NOW_MS + hours * 3_600_000; nowMs += 5_000) {
      const now = { undervolted: decision.action === "contribute" };
      const next = decide(now, rules(), decision, nowMs);
      if (next.action === "contribute" && decision.action !== "contribute") {
        seen.push((nowMs - NOW_MS) / 60_000);
      }
      decision = next;
    }
    return seen;
  };
  const times = weak(2).map(Math.round);
  assertEquals(times, [1, 3, 7, 16, 31, 46, 61, 76, 91, 107]);
  const relapsed: Decision = { ...WILLING, restMs: 900_000, recoveredAtMs: NOW_MS - 600_000 };
  assertEquals(decide({ undervolted: true }, rules(), relapsed, NOW_MS).restMs, 60_000);
  assertEquals(decide({ undervolted: true }, rules(), relapsed, NOW_MS - 1).restMs, 900_000);
});

Deno.test("decide never flaps: whatever the readings are, an hour has at most ten returns and forty changes", () => {
  const reading = fc.record({
    celsius: fc.integer({ min: 55, max: 95 }),
    undervolted: fc.boolean(),
    onBattery: fc.boolean(),
    otherCpuShare: fc.double({ min: 0, max: 1, noNaN: true }),
    availableBytes: fc.integer({ min: 0, max: 200_000_000 }),
  }, { requiredKeys: [] });
  // stretches of one reading, so that rests can be over
  const stretch = fc.tuple(reading, fc.integer({ min: 1, max: 40 }));
  fc.assert(
    fc.property(fc.array(stretch, { minLength: 30, maxLength: 120 }), (stretches) => {
      const series = stretches.flatMap(([now, times]) => Array<Conditions>(times).fill(now)).slice(0, 720);
      const seen = changes(series, 5_000, { otherCpuPercent: 25 });
      const returns = seen.filter((change) => change.endsWith("contribute")).length;
      assert(returns <= 10 && seen.length <= 40, `${seen}`);
    }),
  );
});

Deno.test("noise around each threshold of heat changes nothing", () => {
  const noise = fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 200, maxLength: 200 });
  for (const [middle, most] of [[75, 1], [82, 2], [70, 0]] as const) {
    fc.assert(
      fc.property(noise, (series) => {
        const seen = changes(series.map((off) => ({ celsius: middle + off })), 5_000);
        assert(seen.length <= most, `${middle} °C: ${seen}`);
      }),
      { numRuns: 30 },
    );
  }
});

Deno.test("the worst of several reasons counts, and all are told", () => {
  const decision = decideFirst({ celsius: 77, onBattery: true });
  assertEquals([decision.action, decision.share], ["withdraw", 0]);
  assertEquals(decision.because.map(({ rule }) => rule), ["heat", "battery"]);
  assertEquals(words(decision), "paused: it runs on its battery");
});

Deno.test("the owner's pause counts at once both ways, and does not shorten the rest of others", () => {
  const paused = decideFirst({ pausedUntilMs: NOW_MS + 300_000 });
  assertEquals([paused.action, paused.checkAgainAtMs], ["withdraw", NOW_MS + 300_000]);
  assertEquals(decide({}, rules(), paused, NOW_MS + 1_000).action, "contribute");
  const both = decideFirst({ pausedUntilMs: NOW_MS + 300_000, celsius: 84 });
  assertEquals(decide({ celsius: 60 }, rules(), both, NOW_MS + 1_000).action, "withdraw");
});

Deno.test("it is known when quiet hours begin and end", () => {
  const quietHours = ["mon-fri 08:00-18:00"];
  const before = decideFirst({ weekday: 1, minute: 7 * 60 + 30 }, { quietHours });
  assertEquals([before.action, before.checkAgainAtMs], ["contribute", NOW_MS + 30 * 60_000]);
  const during = decideFirst({ weekday: 5, minute: 17 * 60 }, { quietHours });
  assertEquals([during.action, during.checkAgainAtMs], ["withdraw", NOW_MS + 60 * 60_000]);
});

Deno.test("a decision goes through JSON unchanged, as pages and phones keep it", () => {
  const decision = decide({ celsius: 50 }, rules(), decideFirst({ celsius: 83 }), NOW_MS + 5_000);
  for (const kept of [WILLING, decision]) assertEquals(JSON.parse(JSON.stringify(kept)), kept);
});

Deno.test("the policy uses nothing of Deno and of other rooms", async () => {
  const folder = new URL("../../src/policy/", import.meta.url);
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(new URL(name, folder));
    assert(!/\bDeno\b|node:|npm:|jsr:|^\} ?from "(?!\.\/)|^import .*"(?!\.\/)[^"]*";$/m.test(text), name);
  }
});

Deno.test("the policy is checked as code of a page, without Deno's types, and a page can load it", async () => {
  const root = new URL("../../", import.meta.url).pathname;
  const folder = await Deno.makeTempDir();
  try {
    const config = `${folder}/deno.json`;
    await Deno.writeTextFile(
      config,
      JSON.stringify({ compilerOptions: { strict: true, lib: ["esnext", "dom"], types: [] } }),
    );
    const run = async (...args: string[]) => {
      const command = new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" }, stderr: "piped" });
      const { success, stderr } = await command.output();
      assert(success, new TextDecoder().decode(stderr));
    };
    await run("check", "--config", config, `${root}src/policy/decide.ts`, `${root}src/policy/budgets.ts`);
    const page = `${folder}/page.ts`;
    await Deno.writeTextFile(
      page,
      `delete globalThis.Deno;
const { decide, WILLING } = await import("file://${root}src/policy/decide.ts");
const rules = ${JSON.stringify(rules())};
if (decide({ celsius: 84 }, rules, WILLING, 0).action !== "withdraw") throw new Error("it was to withdraw");
`,
    );
    await run("run", "--no-config", "--no-check", "--allow-import", page);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
