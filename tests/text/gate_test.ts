import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { Gate } from "../../src/text/gate.ts";
import { settle } from "../support/world.ts";

const never = new AbortController().signal;

Deno.test("Gate lets so many in, the rest in the order they came", async () => {
  const gate = new Gate({ places: 2, queue: 10 });
  const order: number[] = [];
  const inside: Disposable[] = [];
  const all = Array.from({ length: 6 }, (_, i) =>
    gate.enter(never).then((place) => {
      order.push(i);
      inside.push(place);
    }));
  await settle();
  assertEquals([order, gate.inside, gate.waiting], [[0, 1], 2, 4]);
  for (let i = 0; i < 6; i++) {
    inside[i]![Symbol.dispose]();
    inside[i]![Symbol.dispose]();
    await settle();
  }
  await Promise.all(all);
  assertEquals([order, gate.inside, gate.waiting], [[0, 1, 2, 3, 4, 5], 0, 0]);
});

Deno.test("Gate sends away whoever finds the queue full, and forgets those who leave it", async () => {
  const gate = new Gate({ places: 1, queue: 1 });
  const place = await gate.enter(never);
  const leaves = new AbortController();
  const waits = gate.enter(leaves.signal);
  const error = await assertRejects(() => gate.enter(never), NodeError, "1 wait");
  assertEquals(error.code, "busy");
  leaves.abort(new Error("gone"));
  await assertRejects(() => waits, Error, "gone");
  const next = gate.enter(never);
  place[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  assertEquals([gate.inside, gate.waiting], [0, 0]);
});
