import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parse, safeParse } from "valibot";
import { CONFIG_KEYS } from "../../src/config/schema.ts";
import { isWeekTime, isWithin, minutesToChange } from "../../src/policy/hours.ts";

Deno.test("isWithin knows days, ranges over the end of the week, and nights", () => {
  assertEquals(isWithin(["sat-mon 10:00-12:00"], 0, 660), true);
  assertEquals(isWithin(["sat-mon 10:00-12:00"], 2, 660), false);
  assertEquals(isWithin(["sat,wed 10:00-12:00"], 3, 660), true);
  assertEquals(isWithin(["00:00-24:00"], 4, 1439), true);
  assertEquals(isWithin(["sun 22:00-06:00"], 1, 359), true);
  assertEquals(isWithin(["sun 22:00-06:00"], 1, 360), false);
  for (const bad of ["", "25:00-26:00", "24:30-25:00", "xyz 10:00-11:00", "10-11", "mon 10:00"]) {
    assertEquals(isWithin([bad], 1, 600), false, bad);
  }
});

Deno.test("the configuration takes exactly the times that the policy understands", () => {
  const { item } = CONFIG_KEYS["policy.quiet_hours"].schema;
  for (const text of ["22:00-06:00", "sat,sun 00:00-24:00", "mon-fri,sun 08:00-18:00", "Mon 07:30-08:00"]) {
    assertEquals([parse(item, text), isWeekTime(text)], [text, true]);
  }
  for (const text of ["25:00-26:00", "10:00-24:30", "10:60-11:00", "mon- 10:00-11:00", "99:99-00:00", ""]) {
    assertEquals([safeParse(item, text).success, isWeekTime(text)], [false, false], text);
  }
  const two = fc.integer({ min: 0, max: 70 }).map((n) => String(n).padStart(2, "0"));
  const day = fc.constantFrom("sun", "mon", "sat", "fri-mon", "xxx", "");
  const text = fc.tuple(fc.array(day, { maxLength: 3 }), two, two, two, two).map(([days, a, b, c, d]) =>
    `${days.join(",")}${days.length === 0 ? "" : " "}${a}:${b}-${c}:${d}`
  );
  fc.assert(fc.property(text, (text) => safeParse(item, text).success === isWeekTime(text)));
});

Deno.test("minutesToChange is when isWithin changes, and never before", () => {
  const clock = fc.integer({ min: 0, max: 95 }).map((n) =>
    `${String(Math.floor(n / 4)).padStart(2, "0")}:${String(n % 4 * 15).padStart(2, "0")}`
  );
  const day = fc.constantFrom("", "sat ", "fri-mon ", "mon,wed ");
  const time = fc.tuple(day, clock, clock).map(([days, start, end]) => `${days}${start}-${end}`);
  const times = fc.array(time, { maxLength: 3 });
  fc.assert(
    fc.property(times, fc.integer({ min: 0, max: 10_079 }), (times, now) => {
      const at = (minute: number) => isWithin(times, Math.floor(minute / 1440) % 7, minute % 1440);
      const wait = minutesToChange(times, Math.floor(now / 1440), now % 1440);
      for (let ahead = 0; ahead < (wait ?? 10_080); ahead++) assert(at(now + ahead) === at(now));
      assert(wait === undefined || at(now + wait) !== at(now));
    }),
    { numRuns: 60 },
  );
});
