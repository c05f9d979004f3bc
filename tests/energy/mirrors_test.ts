import { assertEquals } from "@std/assert";
import { type CounterValue, Mirrors } from "../../src/energy/mirrors.ts";
import { draws } from "../support/moving_sensor.ts";

const joules = (value: number): bigint => BigInt(Math.round(value * 1e6));

/** What is found after each look at counters that take so many watts, a second each. */
function follow(
  counters: readonly {
    readonly id: string;
    readonly start: number;
    readonly watts: (second: number) => number;
  }[],
  seconds: number,
): Record<string, string>[] {
  const mirrors = new Mirrors();
  const sums = counters.map(({ start }) => start);
  return Array.from({ length: seconds }, (_, second) => {
    const values: CounterValue[] = counters.map(({ id, watts }, i) => {
      sums[i]! += watts(second);
      return { id, value: joules(sums[i]!) };
    });
    return Object.fromEntries(mirrors.look(values));
  });
}

const uneven = (second: number) => 60 + 20 * Math.sin(second);

Deno.test("Mirrors finds the counter that every die shows, after three seconds", () => {
  const die = (n: number) => ({ id: `rapl:package-0-die-${n}`, start: 1000 + n * 0.06, watts: uneven });
  const found = follow([die(0), die(1), die(2), die(3)], 6);
  assertEquals(found.slice(0, 3), [{}, {}, {}]);
  const all = Object.fromEntries([1, 2, 3].map((n) => [`rapl:package-0-die-${n}`, "rapl:package-0-die-0"]));
  assertEquals(found.slice(3), [all, all, all]);
});

Deno.test("Mirrors finds dies whose numbers differ but move together within 1 %", () => {
  const found = follow([
    { id: "rapl:package-0-die-0", start: 1000, watts: uneven },
    { id: "rapl:package-0-die-1", start: 52_000, watts: (second) => uneven(second) * 1.004 },
  ], 5);
  assertEquals(found.at(-1), { "rapl:package-0-die-1": "rapl:package-0-die-0" });
});

Deno.test("Mirrors leaves sockets of the same load alone, and dies of different load", () => {
  const draw = draws(7);
  const sockets = follow([
    { id: "rapl:package-0", start: 1000, watts: () => 65.0 },
    { id: "rapl:package-1", start: 52_000, watts: () => 65.2 },
  ], 100);
  assertEquals(sockets.filter((found) => Object.keys(found).length > 0), []);
  const dies = follow([
    { id: "rapl:package-0-die-0", start: 1000, watts: () => 20 + 5 * draw() },
    { id: "rapl:package-0-die-1", start: 2000, watts: () => 20 + 5 * draw() },
  ], 100);
  assertEquals(dies.filter((found) => Object.keys(found).length > 0).length < 5, true);
});

Deno.test("Mirrors takes back what it found when counters part again", () => {
  const found = follow([
    { id: "rapl:package-0-die-0", start: 1000, watts: () => 12 },
    { id: "rapl:package-0-die-1", start: 5000, watts: (second) => second < 10 ? 12.05 : 40 },
  ], 20);
  assertEquals(Object.keys(found[9]!).length, 1);
  assertEquals(found.at(-1), {});
});

Deno.test("Mirrors learns nothing from counters that stand still or begin anew", () => {
  const still = follow([
    { id: "rapl:package-0-die-0", start: 1000, watts: () => 0 },
    { id: "rapl:package-0-die-1", start: 1000, watts: () => 0 },
  ], 10);
  assertEquals(still.at(-1), {});
  const mirrors = new Mirrors();
  for (const value of [10n, 5n, 3n, 2n, 1n]) {
    const found = mirrors.look([{ id: "a", value }, { id: "b", value }]);
    assertEquals(found.size, 0);
  }
});
