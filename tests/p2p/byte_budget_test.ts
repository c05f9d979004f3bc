import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import { ByteBudget } from "../../src/p2p/byte_budget.ts";

Deno.test("ByteBudget refuses what does not fit, for all peers and for one, and loses nothing by it", () => {
  const budget = new ByteBudget(100, 60);
  using a = budget.open("a");
  using again = budget.open("a");
  using b = budget.open("b");
  a.hold(40);
  const error = assertThrows(() => again.hold(21), NodeError);
  assertEquals([error.code, again.bytes, budget.held], ["busy", 0, 40]);
  again.hold(20);
  assertThrows(() => b.hold(41), NodeError);
  b.hold(40);
  assertEquals(budget.held, 100);
  a.hold(0);
  b.hold(60);
  assertEquals(budget.held, 80);
});

Deno.test("ByteBudget counts nothing for a share that is disposed", () => {
  const budget = new ByteBudget(100, 60);
  const share = budget.open("a");
  share.hold(50);
  share[Symbol.dispose]();
  share.hold(70);
  assertEquals(budget.held, 0);
});

Deno.test("ByteBudget holds the sum of its shares after any order of holds, refusals and ends", () => {
  const step = fc.record({
    share: fc.nat({ max: 3 }),
    bytes: fc.nat({ max: 80 }),
    end: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(step), (steps) => {
    const budget = new ByteBudget(100, 60);
    const shares = ["a", "a", "b", "c"].map((peer) => budget.open(peer));
    for (const { share, bytes, end } of steps) {
      try {
        if (end) shares[share]![Symbol.dispose]();
        else shares[share]!.hold(bytes);
      } catch {
        // refused
      }
      assertEquals(budget.held, shares.reduce((sum, { bytes }) => sum + bytes, 0));
    }
    for (const share of shares) share[Symbol.dispose]();
    assertEquals(budget.held, 0);
  }));
});
