import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { RecipientParser } from "../../../src/text/tools/recipient_parser.ts";
import { fakeWorld } from "../../support/world.ts";
import { assertRead, type CallCase, clock, search, weather } from "./read_calls.ts";

const parser = (names = [weather, clock, search].map(({ name }) => name), most = 64) =>
  new RecipientParser(fakeWorld(), { tools: new Map(names.map((name) => [name, undefined])), most });

/** Text and calls of an answer that comes in parts of `size` letters. */
function read(answer: string, size: number, reader = parser()) {
  let text = "";
  const calls: string[] = [];
  const take = (read: ReturnType<RecipientParser["push"]>) => {
    text += read.text;
    calls.push(...read.calls.map(({ name, arguments: given }) => name + given));
  };
  for (let at = 0; at < answer.length; at += size) take(reader.push(answer.slice(at, at + size)));
  take(reader.finish());
  return { text, calls };
}

const ROME = 'weather{"city":"Rome"}';
const CASES: readonly CallCase[] = [
  ["all\nHello there.", "Hello there.", []],
  ['weather\n{"city": "Rome"}', "", [ROME]],
  ['weather\n{"city": "Rome"}>>>clock\n{}', "", [ROME, "clock{}"]],
  ['all\nLet me see.>>>weather\n{"city": "Rome"}\n', "Let me see.", [ROME]],
  ['weather\n {"city":"Rome"}\n>>>all\nDone.', "Done.", [ROME]],
  ['web-search\n{"query":">>>all\\n}"}', "", ['web-search{"query":">>>all\\n}"}']],
  ["all\nHi>>>all\nagain", "Hiagain", []],
  // text, whatever it looks like
  ["Hello", "Hello", []],
  ["", "", []],
  ["all", "all", []],
  ["all the best", "all the best", []],
  ["other\n{}", "other\n{}", []],
  ["weather", "weather", []],
  ["weather is fine\n", "weather is fine\n", []],
  ["weather\nis fine", "weather\nis fine", []],
  ["weather\n[1]", "weather\n[1]", []],
  ['weather\n{"city": ]', 'weather\n{"city": ]', []],
  ['weather\n{"city": "Ro', 'weather\n{"city": "Ro', []],
  ["weather\n>>>all\nHi", "weather\nHi", []],
  ["all\n>>> print(1)\n1\n>>>>>>> branch", ">>> print(1)\n1\n>>>>>>> branch", []],
  ["all\na >> b >>> c >>>weat", "a >> b >>> c >>>weat", []],
  ["all\n>>>>clock\n{}", ">", ["clock{}"]],
  ["all\n>>>clock {}", ">>>clock {}", []],
  ["{}", "{}", []],
];

Deno.test("RecipientParser tells text and calls apart by who they are for, however they are cut", () => {
  assertRead(CASES, read);
});

Deno.test("RecipientParser loses no letter of a text, and where it is cut changes nothing", () => {
  const scraps = [
    ">",
    ">>>",
    "all",
    "\n",
    "all\n",
    "weather",
    "clock\n",
    "{}",
    '{"a":1}',
    "{",
    "}",
    '"',
    "x",
    " ",
    "🎉",
  ];
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...scraps), { maxLength: 30 }).map((some) => some.join("")),
      fc.integer({ min: 1, max: 9 }),
      (answer, size) => {
        const whole = read(answer, 10_000);
        assertEquals(read(answer, size), whole);
        if (!answer.includes("\n")) assertEquals(whole, { text: answer, calls: [] });
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("RecipientParser tells text at once, and a call as soon as it is whole", () => {
  const reader = parser();
  assertEquals(reader.push("al").text, "");
  assertEquals(reader.push("l\nHello >").text, "Hello ");
  assertEquals(reader.push("> b").text, ">> b");
  assertEquals(reader.push(">>>clock\n{").calls.length, 0);
  assertEquals(reader.push("}").calls.map(({ name }) => name), ["clock"]);
});

Deno.test("RecipientParser drops further calls where one answer may hold one", () => {
  assertEquals(read("clock\n{}>>>weather\n{}", 4, parser(undefined, 1)), { text: "", calls: ["clock{}"] });
});

Deno.test("RecipientParser knows a tool that is named as everybody by its arguments", () => {
  assertEquals(read('all\n{"a":1}', 3, parser(["all"])), { text: "", calls: ['all{"a":1}'] });
  assertEquals(read("all\nHello", 3, parser(["all"])), { text: "Hello", calls: [] });
});

Deno.test("RecipientParser gives up on a call without an end", () => {
  const reader = parser();
  let text = reader.push('clock\n{"').text;
  for (let i = 0; i < 400; i++) text += reader.push("a".repeat(1000)).text;
  assert(text.length > 200_000, `${text.length}`);
});
