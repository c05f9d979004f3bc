import { assertEquals } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { openWatch } from "../../src/device/watch.ts";
import { fakeWorld } from "../support/world.ts";

Deno.test("openWatch keeps the newest answer, and none after a failure", async () => {
  const world = fakeWorld();
  const answers = [1, 2, new NodeError("not_found", "no such program"), 3, new RangeError("a mistake"), 4];
  await using watch = openWatch(world, 1_000, () => {
    const answer = answers.shift();
    return typeof answer === "number" ? Promise.resolve(answer) : Promise.reject(answer);
  });
  const seen: (number | undefined)[] = [watch.now];
  for (let i = 0; i < 6; i++) {
    await world.clock.advance(i === 0 ? 0 : 1_000);
    seen.push(watch.now);
  }
  assertEquals(seen, [undefined, 1, 2, undefined, 3, 3, 4]);
  assertEquals(world.lines.length, 1, "mistakes of ours are told");
});

Deno.test("openWatch gives up a question after two seconds and asks again, and ends in the middle of one", async () => {
  const world = fakeWorld();
  const reasons: unknown[] = [];
  const watch = openWatch<number>(
    world,
    1_000,
    (signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          reasons.push(signal.reason.code);
          reject(signal.reason);
        })
      ),
  );
  await world.clock.advance(4_000);
  await watch[Symbol.asyncDispose]();
  assertEquals(reasons, ["timeout", "aborted"]);
  assertEquals([watch.now, world.clock.sleepers], [undefined, 0]);
});
