import { assertEquals, assertStringIncludes } from "@std/assert";
import { nextMorning } from "../../src/api/pause.ts";
import { fakeWorld } from "../support/world.ts";
import { asker, statusDocument } from "./support.ts";

function scene() {
  const world = fakeWorld();
  const asked: number[] = [];
  const status = () => {
    const untilMs = asked.at(-1) ?? 0;
    const paused = untilMs > world.clock.now();
    return statusDocument(
      paused ? { policy: { action: "withdraw", share: 0, because: [], until: untilMs } } : {},
    );
  };
  const ask = asker({ world, status, pause: (untilMs) => void asked.push(untilMs) });
  return { world, asked, post: (json: unknown) => ask("/api/v1/pause", { json }) };
}

Deno.test("POST /api/v1/pause takes minutes, the next morning, and 0 to resume, and answers with what holds then", async () => {
  const { world, asked, post } = scene();
  const now = world.clock.now();
  const paused = await post({ minutes: 5 });
  assertEquals([paused.status, (await paused.json()).policy.until], [200, now + 300_000]);
  const resumed = await (await post({ minutes: 0 })).json();
  assertEquals([resumed.schema, resumed.policy.action], [1, "contribute"]);
  await (await post({ until: "morning" })).body?.cancel();
  assertEquals(asked, [now + 300_000, now, nextMorning(now)]);
});

Deno.test("POST /api/v1/pause refuses what says no time, and nothing is paused", async () => {
  const { asked, post } = scene();
  const wrong = [
    undefined,
    null,
    {},
    [],
    { minutes: -1 },
    { minutes: 1e9 },
    { minutes: "5" },
    { minutes: null },
    { until: "noon" },
    { minutes: 5, until: "morning" },
  ];
  for (const json of wrong) {
    const answer = json === undefined ? await post({ minutes: NaN }) : await post(json);
    const { error } = await answer.json();
    assertEquals([answer.status, error.code], [400, "malformed"], JSON.stringify(json));
    assertStringIncludes(error.message, `wanted {"minutes": 0 to 10080} or {"until": "morning"}`);
  }
  assertEquals(asked, []);
});

Deno.test("a page of another site pauses nothing, and a node that cannot pause has no such route", async () => {
  const { asked } = scene();
  const world = fakeWorld();
  const ask = asker({ world, status: () => statusDocument(), pause: (untilMs) => void asked.push(untilMs) });
  const foreign = await ask("/api/v1/pause", {
    json: { minutes: 5 },
    headers: { origin: "https://evil.example", "content-type": "text/plain" },
  });
  assertEquals([foreign.status, asked], [403, []]);
  const absent = await asker({ status: () => statusDocument() })("/api/v1/pause", { json: { minutes: 5 } });
  assertEquals(absent.status, 404);
});

Deno.test("the next morning is at seven by the local clock, today where that is still to come", () => {
  const at = (day: number, hour: number, minute = 0) => new Date(2026, 9, day, hour, minute).getTime();
  assertEquals(nextMorning(at(24, 6, 59)), at(24, 7));
  assertEquals(nextMorning(at(24, 7)), at(25, 7), "over the change of the clocks in October");
  assertEquals(nextMorning(at(31, 23)), new Date(2026, 10, 1, 7).getTime());
});
