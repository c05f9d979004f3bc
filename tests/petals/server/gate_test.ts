import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { ByteBudget } from "../../../src/petals/server/byte_budget.ts";
import { Gate } from "../../../src/petals/server/gate.ts";
import { settle } from "../../support/world.ts";
import { never } from "./toy.ts";

Deno.test("Gate lets in the order they came and turns away whom there is no room for", async () => {
  const gate = new Gate({ atOnce: 1, waiting: 3, waitingOfPeer: 2 });
  const inside = await gate.enter("a", never);
  const order: number[] = [];
  const wait = (peer: string, id: number) =>
    gate.enter(peer, never).then((turn) => {
      order.push(id);
      turn[Symbol.dispose]();
    });
  const waiting = [wait("a", 1), wait("a", 2)];
  await assertRejects(() => gate.enter("a", never), NodeError, "too many wait");
  waiting.push(wait("b", 3));
  await assertRejects(() => gate.enter("c", never), NodeError, "too many wait");
  inside[Symbol.dispose]();
  inside[Symbol.dispose]();
  await Promise.all(waiting);
  assertEquals(order, [1, 2, 3]);
  using _again = await gate.enter("c", never);
});

Deno.test("Gate forgets who leaves while waiting", async () => {
  const gate = new Gate({ atOnce: 1, waiting: 3, waitingOfPeer: 3 });
  const inside = await gate.enter("a", never);
  const leaving = new AbortController();
  const left = gate.enter("b", leaving.signal);
  const next = gate.enter("c", never);
  leaving.abort(new NodeError("aborted", "gone"));
  await assertRejects(() => left, NodeError, "gone");
  inside[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  await settle();
  (await gate.enter("a", never))[Symbol.dispose]();
});

Deno.test("ByteBudget counts bytes by peer and in all", () => {
  const budget = new ByteBudget(10, 6);
  const first = budget.hold("a", 5);
  assertThrows(() => budget.hold("a", 2), NodeError, "2 bytes more");
  const second = budget.hold("b", 5);
  assertThrows(() => budget.hold("c", 1), NodeError);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  assertEquals(budget.held, 0);
  using _all = budget.hold("a", 6);
});
