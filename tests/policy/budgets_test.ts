import { assertEquals } from "@std/assert";
import { addUsed, dayWriteBytes, monthBytes, NO_BUDGETS, readBudgets } from "../../src/policy/budgets.ts";

const both = (budgets: typeof NO_BUDGETS) => [monthBytes(budgets), dayWriteBytes(budgets)];

Deno.test("budgets begin anew with the month and the day, and survive a restart", () => {
  let budgets = addUsed(NO_BUDGETS, "2026-11-29", { bytes: 100, writeBytes: 10 });
  budgets = addUsed(budgets, "2026-11-30", { bytes: 100, writeBytes: 10 });
  assertEquals(both(budgets), [200, 10]);
  assertEquals(readBudgets(JSON.parse(JSON.stringify(budgets))), budgets);
  budgets = addUsed(budgets, "2026-12-01", { bytes: 7, writeBytes: 0 });
  assertEquals(both(budgets), [7, 0]);
  assertEquals(both(addUsed(budgets, "2026-12-01", { bytes: -5, writeBytes: -5 })), [7, 0]);
  assertEquals(both(NO_BUDGETS), [0, 0]);
});

Deno.test("a clock that starts in 1970 neither spends nor frees the month's budget", () => {
  let budgets = addUsed(NO_BUDGETS, "2026-11-26", { bytes: 100, writeBytes: 10 });
  budgets = addUsed(budgets, "1970-01-01", { bytes: 1, writeBytes: 1 });
  budgets = addUsed(budgets, "2026-11-26", { bytes: 1, writeBytes: 1 });
  assertEquals(both(budgets), [101, 11]);
});

Deno.test("a clock that was far ahead for a while does not keep its count until it gets there", () => {
  let budgets = addUsed(NO_BUDGETS, "2099-01-01", { bytes: 1000, writeBytes: 1000 });
  budgets = addUsed(budgets, "2026-11-26", { bytes: 1, writeBytes: 1 });
  assertEquals(both(budgets), [1, 1]);
  assertEquals(both(addUsed(budgets, "2026-12-01", { bytes: 2, writeBytes: 2 })), [2, 2]);
});

Deno.test("budgets of many months and days stay small, and damaged notes are a fresh start", () => {
  let budgets = NO_BUDGETS;
  for (let day = 10; day < 28; day++) {
    for (let month = 10; month < 13; month++) {
      budgets = addUsed(budgets, `2026-${month}-${day}`, { bytes: 1, writeBytes: 1 });
    }
  }
  assertEquals([budgets.months.length, budgets.days.length], [3, 4]);
  const good = { name: "2026-11", bytes: 1 };
  assertEquals(readBudgets({ months: [good], days: [] }).months, [good]);
  for (
    const bad of [
      undefined,
      null,
      5,
      {},
      { months: [], days: 5 },
      { months: [{ name: "x", bytes: 1 }], days: [] },
      { months: [{ name: "2026-11", bytes: -1 }], days: [] },
      { months: [{ name: "2026-11", bytes: NaN }], days: [] },
      { months: [null], days: [] },
      { months: Array(9).fill(good), days: [] },
    ]
  ) assertEquals(readBudgets(bad), NO_BUDGETS);
});
