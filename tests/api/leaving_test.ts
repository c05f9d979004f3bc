import { assertEquals } from "@std/assert";
import { Leaving } from "../../src/api/leaving.ts";
import { fakeWorld } from "../support/world.ts";

Deno.test("a caller that the kernel does not list any more has left; others, and those that are answered, have not", async () => {
  const { clock } = fakeWorld();
  let open: Set<number> | undefined = new Set([1, 2, 3]);
  let looks = 0;
  using leaving = new Leaving(clock, () => {
    looks++;
    return open;
  });
  const told = new AbortController();
  const callers = [1, 2, 3].map((port) => leaving.watch(told.signal, port));
  const gone = () => callers.map(({ signal }) => signal.aborted);
  await clock.advance(300);
  assertEquals([gone(), looks], [[false, false, false], 1]);
  callers[2]![Symbol.dispose]();
  open = undefined; // not known is not gone
  await clock.advance(250);
  assertEquals(gone(), [false, false, false]);
  open = new Set([2]);
  await clock.advance(250);
  assertEquals(gone(), [true, false, false]);
  callers[1]![Symbol.dispose]();
  await clock.advance(10_000);
  assertEquals(looks, 3);
  const later = leaving.watch(told.signal, 9);
  await clock.advance(250);
  assertEquals(later.signal.aborted, true);
});

Deno.test("a caller has left as well when the runtime says so, also before it was watched", () => {
  using leaving = new Leaving(fakeWorld().clock, () => new Set([1]));
  const told = new AbortController();
  const caller = leaving.watch(told.signal, 1);
  told.abort(new Error("left"));
  assertEquals([caller.signal.reason.message, leaving.watch(told.signal, 1).signal.aborted], ["left", true]);
});
