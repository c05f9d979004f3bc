import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { waitAsAsked } from "../../src/cli/wait_green.ts";
import { loadConfig } from "../../src/config/load.ts";
import { type CarbonAnswer, openCarbonService } from "../support/carbon_service.ts";
import { FakeClock, fakeWorld } from "../support/world.ts";

const NOON = Date.UTC(2026, 10, 20, 12);
const HOUR = 3_600_000;
const never = new AbortController().signal;

const configOf = (...sets: readonly string[]) =>
  loadConfig({ flags: new Map(), sets, environment: {}, file: undefined, target: undefined }).config;

/** Half-hours from noon on, as the British service tells them. */
const halfHours = (...grams: readonly number[]): CarbonAnswer => (_, { pathname }) => {
  const at = (i: number) => new Date(NOON + i * HOUR / 2).toISOString().slice(0, 16) + "Z";
  const all = grams.map((forecast, i) => ({
    from: at(i),
    to: at(i + 1),
    intensity: { forecast, actual: null, index: "low" },
  }));
  if (pathname === "/intensity") return { data: all.slice(0, 1) };
  return pathname.endsWith("fw48h") ? { data: all } : undefined;
};

interface Asked {
  readonly flags: Readonly<Record<string, string>>;
  readonly answer: CarbonAnswer;
}

/** Starts to wait and moves the clock until it is over; the lines it told and how long it took. */
async function wait({ flags, answer }: Asked): Promise<{ lines: string[]; hours: number }> {
  await using service = openCarbonService(answer);
  const clock = new FakeClock(NOON);
  const lines: string[] = [];
  const config = configOf("carbon.zone=GB", "carbon.provider=uk", `carbon.provider_url=${service.url}`);
  let over = false;
  const request = {
    flags: new Map(Object.entries(flags)),
    config,
    tell: (line: string) => void lines.push(line),
  };
  const waiting = waitAsAsked(fakeWorld(clock), request, never).finally(() => over = true);
  while (!over) {
    // the service answers in real time, the grid changes in that of the test
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (lines.at(-1)?.startsWith("Waiting")) await clock.advance(HOUR / 4);
  }
  await waiting;
  return { lines, hours: (clock.now() - NOON) / HOUR };
}

Deno.test("waitAsAsked waits for the cleanest hour before the deadline, and says when and why", async () => {
  const answer = halfHours(300, 300, 200, 200, 100, 100, 90, 10, 10, 10);
  const { lines, hours } = await wait({ flags: { when: "green", deadline: "3" }, answer });
  assertEquals(lines, [
    "Waiting until 2026-11-20 14:00 UTC: 100 g/kWh in place of 300, 67 % less",
    "Beginning now: 100 g/kWh in place of 300, 67 % less",
  ]);
  assertEquals(hours, 2);
});

Deno.test("waitAsAsked begins at once where waiting saves nothing, and where nobody forecasts", async () => {
  const level = await wait({ flags: { when: "green" }, answer: halfHours(300, 300, 298, 299) });
  assertEquals([level.lines, level.hours], [["Beginning now: waiting would save nothing"], 0]);
  const broken = await wait({ flags: { when: "green" }, answer: () => new Response("", { status: 500 }) });
  assert(broken.lines[0]!.includes("it answered 500"), broken.lines[0]);
  const lines: string[] = [];
  const request = {
    flags: new Map([["when", "green"]]),
    config: configOf(),
    tell: (line: string) => void lines.push(line),
  };
  await waitAsAsked(fakeWorld(), request, never);
  assertEquals(lines, ["Beginning now: nobody forecasts the grid; set carbon.zone and carbon.provider"]);
});

Deno.test("waitAsAsked does not wait for a service that is silent", async () => {
  const silent = Promise.withResolvers<void>();
  await using service = openCarbonService(() => silent.promise.then(() => new Response("")));
  const clock = new FakeClock(NOON);
  const lines: string[] = [];
  const config = configOf("carbon.zone=GB", "carbon.provider=uk", `carbon.provider_url=${service.url}`);
  const request = {
    flags: new Map([["when", "green"]]),
    config,
    tell: (line: string) => void lines.push(line),
  };
  const waiting = waitAsAsked(fakeWorld(clock), request, never);
  while (service.asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await clock.advance(30_000);
  await waiting;
  silent.resolve();
  assertEquals(lines.length, 1);
});

Deno.test("waitAsAsked takes no flags that say something else, and does nothing without them", async () => {
  const ask = (flags: Readonly<Record<string, string>>) =>
    waitAsAsked(fakeWorld(), {
      flags: new Map(Object.entries(flags)),
      config: configOf(),
      tell: () => {
        throw new Error("nothing to tell");
      },
    }, never);
  await ask({});
  await ask({ when: "now" });
  const wrong: readonly Readonly<Record<string, string>>[] = [
    { when: "later" },
    { deadline: "3" },
    { when: "now", deadline: "3" },
    { when: "green", deadline: "0" },
    { when: "green", deadline: "soon" },
    { when: "green", deadline: "169" },
    { when: "green", deadline: "" },
  ];
  for (const flags of wrong) {
    const error = await assertRejects(() => ask(flags), NodeError, "wanted");
    assertEquals(error.code, "usage", JSON.stringify(flags));
  }
});
