import { assertEquals, assertRejects } from "@std/assert";
import { together } from "../../src/base/together.ts";
import { settle } from "../support/world.ts";

const never = new AbortController().signal;

/** A source that gives what it is told to. */
function openSource() {
  const values: PromiseWithResolvers<number | undefined>[] = [Promise.withResolvers()];
  const seen = { started: false, ended: "" };
  return {
    seen,
    give(value: number | undefined) {
      const last = values.at(-1)!;
      values.push(Promise.withResolvers());
      last.resolve(value);
    },
    fail: (error: Error) => values.at(-1)!.reject(error),
    async *source(signal: AbortSignal) {
      seen.started = true;
      signal.addEventListener("abort", () => {
        values.at(-1)!.promise.catch(() => {});
        values.at(-1)!.reject(signal.reason);
      });
      try {
        for (let at = 0;; at++) {
          const value = await values[at]!.promise;
          if (value === undefined) break;
          yield value;
        }
        seen.ended = "whole";
      } finally {
        seen.ended ||= "left";
      }
    },
  };
}

Deno.test("together gives values as they come, and starts the next source when one has ended", async () => {
  const sources = [openSource(), openSource(), openSource()] as const;
  const [a, b, c] = sources;
  const all = together(sources.map(({ source }) => source), 2, never);
  const first = all.next();
  await settle();
  assertEquals([a, b, c].map(({ seen }) => seen.started), [true, true, false]);
  b.give(5);
  assertEquals((await first).value, { index: 1, value: 5 });
  const second = all.next();
  b.give(undefined);
  await settle();
  assertEquals(c.seen.started, true);
  c.give(7);
  assertEquals((await second).value, { index: 2, value: 7 });
  a.give(1);
  assertEquals((await all.next()).value, { index: 0, value: 1 });
  a.give(undefined);
  c.give(undefined);
  assertEquals((await all.next()).done, true);
  assertEquals(sources.map(({ seen }) => seen.ended), ["whole", "whole", "whole"]);
});

Deno.test("together does not run ahead of its reader", async () => {
  let made = 0;
  const all = together(
    [
      async function* () {
        while (true) yield made++;
      },
    ],
    1,
    never,
  );
  await all.next();
  await settle();
  assertEquals(made, 1);
  await all.return();
});

Deno.test("together ends with its signal, whatever its sources make of that", async () => {
  const control = new AbortController();
  const all = together(
    [
      async function* () {
        while (true) yield 1;
      },
    ],
    1,
    control.signal,
  );
  await all.next();
  control.abort(new Error("enough"));
  await assertRejects(() => all.next(), Error, "enough");
});

Deno.test("together ends the other sources where one fails, and throws its failure", async () => {
  const sources = [openSource(), openSource(), openSource()] as const;
  const all = together(sources.map(({ source }) => source), 2, never);
  const first = all.next();
  await settle();
  sources[0].fail(new RangeError("broken"));
  await assertRejects(() => first, RangeError, "broken");
  assertEquals(sources.map(({ seen }) => seen.ended), ["left", "left", ""]);
  assertEquals((await all.next()).done, true);
});

Deno.test("together ends all sources when its reader leaves, or its signal aborts", async () => {
  const left = [openSource(), openSource()] as const;
  const leaving = together(left.map(({ source }) => source), 2, never);
  left[0].give(1);
  await leaving.next();
  await leaving.return();
  assertEquals(left.map(({ seen }) => seen.ended), ["left", "left"]);
  const control = new AbortController();
  const aborted = openSource();
  const aborting = together([aborted.source], 2, control.signal).next();
  await settle();
  control.abort(new Error("enough"));
  await assertRejects(() => aborting, Error, "enough");
  assertEquals(aborted.seen.ended, "left");
});
