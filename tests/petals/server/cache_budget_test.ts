import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { CacheBudget } from "../../../src/petals/server/cache_budget.ts";
import { FakeClock, settle } from "../../support/world.ts";
import { never, wordsOf } from "./toy.ts";

Deno.test("CacheBudget gives back once, however often a lease is disposed", async () => {
  const budget = new CacheBudget(new FakeClock(), 10, 1);
  const lease = await budget.take(7, 0, never);
  assertEquals(budget.free, 3);
  lease[Symbol.dispose]();
  lease[Symbol.dispose]();
  assertEquals(budget.free, 10);
  assertEquals((await budget.take(0, 0, never))[Symbol.dispose](), undefined);
});

Deno.test("CacheBudget serves in the order asked: little does not overtake much", async () => {
  const clock = new FakeClock();
  const budget = new CacheBudget(clock, 10, 1);
  const first = await budget.take(8, 0, never);
  const order: string[] = [];
  const much = budget.take(9, 60_000, never).then((lease) => (order.push("much"), lease));
  const little = budget.take(1, 60_000, never).then((lease) => (order.push("little"), lease));
  await settle();
  assertEquals([order, await wordsOf(budget.take(1, 0, never))], [
    [],
    "Could not allocate 1 bytes immediately: out of memory",
  ]);
  first[Symbol.dispose]();
  await Promise.all([much, little]);
  assertEquals([order, budget.free, clock.sleepers], [["much", "little"], 0, 0]);
});

Deno.test("CacheBudget lets the next in when one at the front gives up", async () => {
  const clock = new FakeClock();
  const budget = new CacheBudget(clock, 10, 4);
  await budget.take(8, 0, never);
  const leaving = new AbortController();
  const much = budget.take(5, 60_000, leaving.signal);
  const little = budget.take(2, 60_000, never);
  await settle();
  leaving.abort(new NodeError("aborted", "gone"));
  assertEquals(await wordsOf(much), "gone");
  await little;
  assertEquals(budget.free, 0);
  await assertRejects(() => budget.take(1, 1000, leaving.signal), NodeError, "gone");
});

Deno.test("CacheBudget waits no longer than 600 s, whatever is asked", async () => {
  const clock = new FakeClock();
  const budget = new CacheBudget(clock, 10, 4);
  await budget.take(10, 0, never);
  const words = wordsOf(budget.take(1, Infinity, never));
  await settle();
  await clock.advance(599_999);
  assertEquals(clock.sleepers, 1);
  await clock.advance(1);
  assertEquals(await words, "Could not allocate 4 bytes within 600 seconds");
  assert((await wordsOf(budget.take(1, NaN, never))).includes("immediately"));
  assert((await wordsOf(budget.take(1, -5, never))).includes("immediately"));
});

Deno.test("CacheBudget keeps only so many waiting", async () => {
  const budget = new CacheBudget(new FakeClock(), 10, 4);
  await budget.take(10, 0, never);
  for (let i = 0; i < 64; i++) budget.take(1, 1000, never).catch(() => {});
  await settle();
  await assertRejects(() => budget.take(1, 1000, never), NodeError, "64 sessions wait already");
});
