import { assertEquals, assertRejects } from "@std/assert";
import type { TextHead } from "../../src/compute/backend.ts";
import { OnDemand } from "../../src/text/on_demand.ts";
import { fakeWorld, settle } from "../support/world.ts";

const never = new AbortController().signal;
const MINUTE = 60_000;

function scene() {
  const world = fakeWorld();
  const order: string[] = [];
  const load = () => {
    order.push("load");
    return Promise.resolve(
      { [Symbol.asyncDispose]: () => Promise.resolve(void order.push("free")) } as unknown as TextHead,
    );
  };
  return { world, order, head: new OnDemand(world, load) };
}

Deno.test("what is on demand is loaded once for all, and freed ten minutes after the last use", async () => {
  const { world, order, head } = scene();
  const [one, two] = await Promise.all([head.borrow(never), head.borrow(never)]);
  assertEquals([order, one.value === two.value], [["load"], true]);
  one[Symbol.dispose]();
  one[Symbol.dispose]();
  await world.clock.advance(20 * MINUTE);
  assertEquals(order, ["load"]);
  two[Symbol.dispose]();
  await world.clock.advance(9 * MINUTE);
  const three = await head.borrow(never);
  await world.clock.advance(20 * MINUTE);
  assertEquals(order, ["load"]);
  three[Symbol.dispose]();
  await world.clock.advance(10 * MINUTE);
  assertEquals(order, ["load", "free"]);
  (await head.borrow(never))[Symbol.dispose]();
  assertEquals(order, ["load", "free", "load"]);
  await head[Symbol.asyncDispose]();
  assertEquals([order.at(-1), world.clock.sleepers], ["free", 0]);
});

Deno.test("what is on demand tries again after a failure, and a caller who leaves leaves it to others", async () => {
  const world = fakeWorld();
  let tries = 0;
  const head = new OnDemand(world, () => {
    tries++;
    if (tries === 1) return Promise.reject(new Error("no memory"));
    return Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() } as unknown as TextHead);
  });
  await assertRejects(() => head.borrow(never), Error, "no memory");
  const leaves = new AbortController();
  const left = head.borrow(leaves.signal);
  leaves.abort(new Error("left"));
  await assertRejects(() => left, Error, "left");
  await settle();
  (await head.borrow(never))[Symbol.dispose]();
  assertEquals(tries, 2);
});
