import { assertEquals } from "@std/assert";
import { EngineWatch } from "../../src/compute/engine_watch.ts";
import { fakeWorld } from "../support/world.ts";

/** A watch and what it did, as `seconds what`. */
function openWatch() {
  const { clock } = fakeWorld();
  const done: string[] = [];
  const note = (what: string) => void done.push(`${clock.monotonic() / 1_000} ${what}`);
  const watch = new EngineWatch(clock, {
    ask: () => note("ask"),
    tell: (isSilent) => note(isSilent ? "silent" : "not silent"),
    giveUp: () => note("give up"),
  });
  return { clock, done, watch };
}

Deno.test("EngineWatch asks after 10 s of silence, tells of it after 20 s and gives up after 60 s", async () => {
  const { clock, done, watch } = openWatch();
  watch.begin("step");
  watch.begin("logits");
  await clock.advance(59_999);
  assertEquals(done, ["10 ask", "20 silent"]);
  await clock.advance(1);
  assertEquals(done, ["10 ask", "20 silent", "60 give up"]);
  watch.begin("step");
  assertEquals(clock.sleepers, 0);
  watch.close();
  assertEquals(done.at(-1), "60 not silent");
});

Deno.test("EngineWatch takes whatever comes as a sign, and asks again when silence returns", async () => {
  const { clock, done, watch } = openWatch();
  watch.begin("next");
  for (const seconds of [18, 58]) {
    await clock.advance(seconds * 1_000);
    watch.heard();
    await clock.advance(2_000);
  }
  assertEquals(done, ["10 ask", "30 ask", "40 silent", "80 not silent"]);
  watch.begin("next");
  watch.finish("next");
  watch.heard();
  await clock.advance(58_000);
  assertEquals(done.slice(4), ["92 ask", "102 silent"]);
  watch.finish("next");
  watch.heard();
  await clock.advance(2_000);
  assertEquals([done.at(-1), clock.sleepers], ["140 not silent", 0]);
});

Deno.test("EngineWatch has a timer only while something is out, and one for all of it", async () => {
  const { clock, done, watch } = openWatch();
  for (const act of ["load", "free", "open", "ping"] as const) watch.begin(act);
  assertEquals(clock.sleepers, 0);
  for (const act of ["load", "free", "open", "ping"] as const) watch.finish(act);
  for (let call = 0; call < 40; call++) {
    for (const act of ["openCache", "choose", "scores", "forward"] as const) watch.begin(act);
    assertEquals(clock.sleepers, 1);
    watch.heard();
    for (const act of ["openCache", "choose", "scores", "forward"] as const) watch.finish(act);
    if (call % 4 === 3) await clock.advance(1_000);
  }
  await clock.advance(2_000);
  assertEquals(clock.sleepers, 0);
  await clock.advance(600_000);
  watch.begin("step");
  await clock.advance(58_000);
  assertEquals(done, ["622 ask", "632 silent"]);
  watch.close();
  await clock.advance(60_000);
  assertEquals([clock.sleepers, done.slice(2)], [0, ["670 not silent"]]);
});

Deno.test("EngineWatch waits for a load as long as it takes, also while something else is out", async () => {
  const { clock, done, watch } = openWatch();
  watch.begin("step");
  await clock.advance(40_000);
  watch.begin("loadHead");
  await clock.advance(1_000_000);
  assertEquals(done, ["10 ask", "20 silent", "42 not silent"]);
  watch.heard();
  watch.finish("loadHead");
  await clock.advance(60_000);
  assertEquals(done.slice(3), ["1052 ask", "1062 silent"]);
  await clock.advance(2_000);
  assertEquals(done.at(-1), "1102 give up");
});

Deno.test("EngineWatch gives who wakes with the machine the whole minute", async () => {
  const { clock, done, watch } = openWatch();
  watch.begin("step");
  await clock.advance(58_000);
  clock.jump(3_600_000);
  await clock.advance(0);
  assertEquals(done, ["10 ask", "20 silent", "3658 not silent"]);
  await clock.advance(58_000);
  assertEquals(done.slice(3), ["3668 ask", "3678 silent"]);
  await clock.advance(2_000);
  assertEquals(done.at(-1), "3718 give up");
});
