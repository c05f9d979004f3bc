import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { NamedJson } from "../../../src/text/tools/call_json.ts";
import { MARKED_CALLS } from "../../../src/text/tools/call_forms.ts";
import { FirstLetters } from "../../../src/text/tools/call_text.ts";
import { XmlCall } from "../../../src/text/tools/call_xml.ts";
import { assertRead, type CallCase, parser, read } from "./read_calls.ts";

const ROME = 'weather{"city":"Rome"}';
const CASES: readonly CallCase[] = [
  // Mistral from version 11 of its tokenizers on
  ['[TOOL_CALLS]weather[ARGS]{"city": "Rome"}', "", [ROME]],
  ['Let me see.[TOOL_CALLS]weather[ARGS]{"city":"Rome"}[TOOL_CALLS]clock[ARGS]{}', "Let me see.", [
    ROME,
    "clock{}",
  ]],
  ['[TOOL_CALLS]weather[CALL_ID]123456789[ARGS]{"city":"Rome"}', "", [ROME]],
  ['[TOOL_CALLS]weather{"city":"Rome"}', "", [ROME]],
  ['[TOOL_CALLS]other[ARGS]{"city":"Rome"}', '[TOOL_CALLS]other[ARGS]{"city":"Rome"}', []],
  ["[TOOL_CALLS]weather[ARGS][1]", "[TOOL_CALLS]weather[ARGS][1]", []],
  ['[TOOL_CALLS][{"name":"clock"}]', "", ["clock{}"]],
  // tags
  ['<function=weather>{"city": "Rome"}</function>', "", [ROME]],
  ['Sure:\n<function=weather>{"city": "Rome"}</function>\n<function=clock>{}</function> Done', "Sure:Done", [
    ROME,
    "clock{}",
  ]],
  ["<tool_call>\n<function=weather>\n<parameter=city>\nRome\n</parameter>\n</function>\n</tool_call>", "", [
    ROME,
  ]],
  [
    "<tool_call>\n<function=web-search>\n<parameter=query>\n42\n</parameter>\n<parameter=most>\n42\n</parameter>\n" +
    '<parameter=sites>\n["a", "b"]\n</parameter>\n<parameter=exact>\nTrue\n</parameter>\n</function>\n</tool_call>',
    "",
    ['web-search{"query":"42","most":42,"sites":["a","b"],"exact":true}'],
  ],
  ["<tool_call><function=clock></function></tool_call>", "", ["clock{}"]],
  ["<function=other>{}</function>", "<function=other>{}</function>", []],
  ["<tool_call><function=weather>Rome</function>", "<tool_call><function=weather>Rome</function>", []],
  [
    "<function=weather><parameter=city>Rome</parameter>",
    "<function=weather><parameter=city>Rome</parameter>",
    [],
  ],
  // Python
  ['[weather(city="Rome")]', "", [ROME]],
  ["[weather(city='Rome', days=3), clock()]", "", ['weather{"city":"Rome","days":3}', "clock{}"]],
  ["<|python_start|>[weather(city='Rome')]<|python_end|>", "", [ROME]],
  ['<|python_start|>{"name":"weather","parameters":{"city":"Rome"}}<|python_end|>', "", [ROME]],
  ['<|python_tag|>weather.call(city="Rome")', "", [ROME]],
  // several behind one tag of Llama
  ['<|python_tag|>weather.call(city="Rome"); clock.call()', "", [ROME, "clock{}"]],
  ['<|python_tag|>weather.call(city="Rome");\nclock()\n', "", [ROME, "clock{}"]],
  ['<|python_tag|>clock.call()<|python_tag|>weather.call(city="Rome")', "", ["clock{}", ROME]],
  ['<|python_tag|>clock.call(); <|python_tag|>{"name":"weather","parameters":{"city":"Rome"}}', "", [
    "clock{}",
    ROME,
  ]],
  ['<|python_tag|>{"name":"clock"}; {"name":"clock"}; {"name":"weather","parameters":{"city":"Rome"}}', "", [
    "clock{}",
    "clock{}",
    ROME,
  ]],
  ['<|python_tag|>{"name":"clock"}; weather.call(city="Rome")\n[clock()]', "", ["clock{}", ROME, "clock{}"]],
  ['<|python_start|>clock();weather(city="Rome")<|python_end|>', "", ["clock{}", ROME]],
  ["<|python_start|>clock()<|python_end|><|python_start|>clock()<|python_end|>", "", ["clock{}", "clock{}"]],
  ["<|python_tag|>clock.call(); clock.stop() is next", "clock.stop() is next", ["clock{}"]],
  ["<|python_tag|>clock.call(); Done. clock()", "Done. clock()", ["clock{}"]],
  ["<|python_start|>clock()<|python_end|> clock()", "clock()", ["clock{}"]],
  ['{"name":"clock","parameters":{}}; clock()', "clock()", ["clock{}"]],
  ['<code>\nweather(city="Rome")\nclock()\n</code>', "", [ROME, "clock{}"]],
  ['<code>weather(city="Rome")', "", [ROME]],
  ['<code>x = weather(city="Rome")</code>', '<code>x = weather(city="Rome")</code>', []],
  ['<code>weather(city="Rome")\nprint(1)</code>', '<code>weather(city="Rome")\nprint(1)</code>', []],
  ['see [weather(city="Rome")]', 'see [weather(city="Rome")]', []],
  ['[weather(city=home("Rome"))]', '[weather(city=home("Rome"))]', []],
  ['[other(city="Rome")]', '[other(city="Rome")]', []],
  ["[weather](https://example.org)", "[weather](https://example.org)", []],
  // Granite 3, DeepSeek R1 and V3.1
  ['<|tool_call|>[{"name":"weather","arguments":{"city":"Rome"}},{"name":"clock"}]', "", [ROME, "clock{}"]],
  [
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{"city":"Rome"}\n```<｜tool▁call▁end｜>\n' +
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>clock\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "",
    [ROME, "clock{}"],
  ],
  ['<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city":"Rome"}<｜tool▁call▁end｜>', "", [ROME]],
];

Deno.test("ToolParser finds calls in newer families' forms, however the text is cut", () => {
  assertRead(CASES, read);
});

const SCRAPS = [
  ...CASES.map(([answer]) => answer),
  ...MARKED_CALLS.flatMap(({ opener, closers }) => [opener, ...closers]),
  "[ARGS]",
  "[CALL_ID]",
  "<｜tool▁sep｜>",
  "weather",
  "clock",
  "clock()",
  'city="Rome"',
  '{"city":"Rome"}',
  '{"name":"clock","arguments":',
  "{}",
  "<function=weather>",
  "<parameter=city>",
  "</parameter>",
  ..."[](){}<>\"'\\\n ,;=x1`".split(""),
];

Deno.test("where a text is cut changes neither its calls nor its text", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...SCRAPS), { maxLength: 30 }).map((some) => some.join("")),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
      (answer, sizes) => {
        const whole = read(answer, 1_000_000);
        assertEquals(read(answer, 1), whole);
        let turn = 0;
        assertEquals(read(answer, () => sizes[turn++ % sizes.length]!), whole);
      },
    ),
    { numRuns: 1500 },
  );
});

Deno.test("a text without a tool's name is told letter by letter as it came", () => {
  const scraps = SCRAPS.filter((scrap) => !/weather|clock|web-search/.test(scrap));
  fc.assert(fc.property(
    fc.array(fc.constantFrom(...scraps), { maxLength: 40 }).map((some) => some.join("")),
    fc.integer({ min: 1, max: 9 }),
    (answer, size) => assertEquals(read(answer, size), { text: answer, calls: [] }),
  ));
});

/** How often readers are asked while `work` is done. */
function asked(work: () => void): number {
  let count = 0;
  const readers = [FirstLetters, NamedJson, XmlCall].map(({ prototype }) => ({
    prototype,
    next: prototype.next,
  }));
  for (const { prototype, next } of readers) {
    prototype.next = function (this: never, letter: string) {
      count++;
      return next.call(this, letter);
    };
  }
  try {
    work();
  } finally {
    for (const { prototype, next } of readers) prototype.next = next;
  }
  return count;
}

Deno.test("a hostile text is told as it came, and each letter is read a bounded number of times", () => {
  const LENGTH = 200_000;
  const begun = [
    "[",
    "{",
    "\n[",
    "\n{",
    '\n{"name":"',
    "<function=",
    "<function=weather>",
    "<function=weather><parameter=city>",
    "<tool_call>",
    "<tool_call>{",
    "[TOOL_CALLS]",
    "[TOOL_CALLS]weather[ARGS]{",
    "<code>",
    "<code>clock(",
    "<code>clock()<",
    "\n[weather(",
    "\n[weather(city=[",
    "\n[weather(city=11111111",
    "<｜tool▁calls▁begin｜>",
    "\n[clock(),",
  ];
  for (const scrap of begun) {
    const text = scrap.repeat(Math.ceil(LENGTH / scrap.length));
    for (const size of [7, 1_000_000]) {
      let found = read("", 1);
      const count = asked(() => found = read(text, size));
      assert(found.text === text && found.calls.length === 0, scrap);
      assert(count <= 3 * text.length, `${scrap} asked ${count} times for ${text.length} letters`);
    }
  }
});

Deno.test("a call of more than 256 kB is text, and so is one that nests too deep", () => {
  const long = (before: string, after: string) => before + "a".repeat(300_000) + after;
  const deep = (open: string, close: string) => open.repeat(300) + close.repeat(300);
  for (
    const text of [
      long('[TOOL_CALLS]weather[ARGS]{"city":"', '"}'),
      long('[weather(city="', '")]'),
      long("<function=weather><parameter=city>", "</parameter></function>"),
      `[TOOL_CALLS]weather[ARGS]{"city":${deep("[", "]")}}`,
      `[weather(city=${deep("[", "]")})]`,
      `<function=weather>{"city":${deep("[", "]")}}</function>`,
    ]
  ) {
    const found = read(text, 1000);
    assert(found.text === text && found.calls.length === 0, text.slice(0, 40));
  }
});

Deno.test("ToolParser drops calls of one list beyond what an answer may hold", () => {
  assertEquals(read("[clock(), clock(), clock()]", 4, parser(2)).calls, ["clock{}", "clock{}"]);
});
