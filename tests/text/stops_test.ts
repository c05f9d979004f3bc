import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { StopWatch } from "../../src/text/stops.ts";

/** What all parts give, and the stop. */
function feed(stops: readonly string[], parts: readonly string[]) {
  const watch = new StopWatch(stops);
  let text = "";
  for (const part of parts) {
    const checked = watch.push(part);
    text += checked.text;
    if (checked.stop !== undefined) return { text, stop: checked.stop };
  }
  return { text: text + watch.finish(), stop: undefined };
}

/** The stop that is complete first, of those that began first; letter by letter. */
function plain(stops: readonly string[], text: string) {
  for (let end = 1; end <= text.length; end++) {
    const done = stops.filter((stop) => stop !== "" && text.slice(0, end).endsWith(stop));
    const [stop] = done.sort((a, b) => b.length - a.length);
    if (stop !== undefined) return { text: text.slice(0, end - stop.length), stop };
  }
  return { text, stop: undefined };
}

Deno.test("StopWatch finds the same stop wherever the text is cut", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 4 }), { maxLength: 4 }),
      fc.array(letters, { maxLength: 6 }),
      (stops, parts) => assertEquals(feed(stops, parts), plain(stops, parts.join(""))),
    ),
    { numRuns: 2000 },
  );
});

Deno.test("StopWatch holds back only what may begin a stop", () => {
  const watch = new StopWatch(["###"]);
  assertEquals(watch.push("one ##"), { text: "one " });
  assertEquals(watch.push(" two"), { text: "## two" });
  assertEquals(watch.finish(), "");
});
