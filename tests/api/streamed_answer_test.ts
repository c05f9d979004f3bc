import { assertEquals } from "@std/assert";
import { streamedAnswer } from "../../src/api/streamed_answer.ts";
import { fakeWorld, settle } from "../support/world.ts";

const never = new AbortController().signal;

/** An answer of parts, each after so many seconds, read as it comes: what came at which second. */
async function read(parts: readonly (readonly [after: number, part: string | Error])[], isQuiet = true) {
  const world = fakeWorld();
  const { clock, log } = world;
  const quiet = isQuiet ? { quiet: { clock, part: "~" } } : {};
  const form = { contentType: "text/plain", failed: () => "!", log, ...quiet };
  const answer = await streamedAnswer(
    form,
    async function* (signal) {
      yield "";
      for (const [after, part] of parts) {
        await clock.sleep(after * 1000, signal);
        if (part instanceof Error) throw part;
        yield part;
      }
    },
    never,
  );
  const told: string[] = [];
  let isOver = false;
  const reading = (async () => {
    for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
      told.push(`${clock.monotonic() / 1000} ${part}`);
    }
    isOver = true;
  })();
  for (let step = 0; step < 200 && !isOver; step++) {
    await settle();
    await clock.advance(500);
  }
  await reading;
  await settle();
  assertEquals(clock.sleepers, 0);
  return told;
}

Deno.test("a stream that is quiet for ten seconds says so, again and again, and loses nothing", async () => {
  assertEquals(await read([[1, "a"], [25, "b"], [3, "c"], [9, "d"]]), [
    "1 a",
    "11 ~",
    "21 ~",
    "26 b",
    "29 c",
    "38 d",
  ]);
});

Deno.test("a stream that fails after a silence says so at its end", async () => {
  assertEquals(await read([[12, new Error("gone")]]), ["10 ~", "12 !"]);
});

Deno.test("readers that pass over nothing are told nothing", async () => {
  assertEquals(await read([[25, "a"]], false), ["25 a"]);
});
