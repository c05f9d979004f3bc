import { assertEquals, assertRejects } from "@std/assert";
import { openDeadline, orAbort } from "../../src/base/deadline.ts";
import { NodeError } from "../../src/base/errors.ts";
import { Lane } from "../../src/base/lane.ts";
import { FakeClock, settle } from "../support/world.ts";

const never = new AbortController().signal;

Deno.test("Lane runs one piece of work at a time, in order, also after a failure", async () => {
  const lane = new Lane();
  const seen: string[] = [];
  const work = (name: string) => async () => {
    seen.push(`${name} begins`);
    await settle();
    seen.push(`${name} ends`);
    if (name === "a") throw new Error("a failed");
    return name;
  };
  const results = await Promise.allSettled([lane.run(work("a"), never), lane.run(work("b"), never)]);
  assertEquals(results.map((r) => r.status), ["rejected", "fulfilled"]);
  assertEquals(seen, ["a begins", "a ends", "b begins", "b ends"]);
  assertEquals(lane.length, 0);
});

Deno.test("Lane never starts work whose signal aborted while it waited", async () => {
  const lane = new Lane();
  const gate = Promise.withResolvers<void>();
  const first = lane.run(() => gate.promise, never);
  const controller = new AbortController();
  let started = false;
  const second = lane.run(() => Promise.resolve(void (started = true)), controller.signal);
  controller.abort(new NodeError("aborted", "Gone"));
  await assertRejects(() => second, NodeError, "Gone");
  gate.resolve();
  await first;
  await settle();
  assertEquals([started, lane.length], [false, 0]);
});

Deno.test("openDeadline aborts with a timeout, follows its parent, and leaves no sleeper behind", async () => {
  const clock = new FakeClock();
  {
    using late = openDeadline(clock, 100, "ask");
    await clock.advance(100);
    assertEquals((late.signal.reason as NodeError).code, "timeout");
  }
  const parent = new AbortController();
  {
    using deadline = openDeadline(clock, 100, "ask", parent.signal);
    parent.abort("left");
    assertEquals(deadline.signal.reason, "left");
  }
  await settle();
  assertEquals(clock.sleepers, 0);
});

Deno.test("orAbort gives the result or the signal's reason, whichever comes first", async () => {
  assertEquals(await orAbort(Promise.resolve(1), never), 1);
  const controller = new AbortController();
  const waiting = orAbort(new Promise(() => {}), controller.signal);
  controller.abort(new NodeError("aborted", "Enough"));
  await assertRejects(() => waiting, NodeError, "Enough");
});
