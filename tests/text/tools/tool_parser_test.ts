import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ToolParser } from "../../../src/text/tools/tool_parser.ts";
import { fakeWorld } from "../../support/world.ts";
import { assertRead, type CallCase, parser, read } from "./read_calls.ts";

const ROME = 'weather{"city":"Rome"}';
const CASES: readonly CallCase[] = [
  ['<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>', "", [ROME]],
  ['Let me see.\n<tool_call>{"name":"weather","arguments":{"city":"Rome"}}</tool_call>', "Let me see.", [
    ROME,
  ]],
  [
    '<tool_call>{"name":"clock"}</tool_call>\n<tool_call>\n{"name":"weather","arguments":"{\\"city\\":\\"Rome\\"}"}\n</tool_call>\n',
    "",
    ["clock{}", ROME],
  ],
  ['<tool_call>{"name":"weather","arguments":{"city":"Rome"}}', "", [ROME]],
  ['<tool_call>{"name":"weather","arguments":{"city":"Rome"}}</tool_', "", [ROME]],
  ['{"name": "weather", "parameters": {"city": "Rome"}}', "", [ROME]],
  ['<|python_tag|>{"name": "weather", "parameters": {"city": "Rome"}}', "", [ROME]],
  ['{"name":"weather","parameters":{"city":"Rome"}}; {"name":"clock","parameters":{}}', "", [
    ROME,
    "clock{}",
  ]],
  ['[TOOL_CALLS] [{"name":"weather","arguments":{"city":"Rome"}},{"name":"clock","arguments":{}}]', "", [
    ROME,
    "clock{}",
  ]],
  [' [{"name":"weather","arguments":{"city":"Rome"},"id":"a"}]', "", [ROME]],
  ['{"type":"function","function":{"name":"weather","arguments":{"city":"Rome"}}}', "", [ROME]],
  ['Sure:\n```json\n{"name":"weather","arguments":{"city":"Rome"}}\n```', "Sure:", [ROME]],
  ['<tool_call>{"name":"clock"}</tool_call>\nDone.', "Done.", ["clock{}"]],
  ['{"name":"weather","arguments":{"city":"}\\"{"}}', "", ['weather{"city":"}\\"{"}']],
  // what is no call
  ["Hello\n\nworld  ", "Hello\n\nworld  ", []],
  ['{"city": "Rome", "name": "weather"}', '{"city": "Rome", "name": "weather"}', []],
  ['{"name": "Bob", "arguments": {}}', '{"name": "Bob", "arguments": {}}', []],
  ['{"name": "weather"}', '{"name": "weather"}', []],
  ["[1, 2]", "[1, 2]", []],
  ['say {"name":"weather","arguments":{}}', 'say {"name":"weather","arguments":{}}', []],
  ["<tool_call>nothing</tool_call>", "<tool_call>nothing</tool_call>", []],
  ['<tool_call>{"name":"other"}</tool_call>', '<tool_call>{"name":"other"}</tool_call>', []],
  ['<tool_call>{"name":"weather","argu', '<tool_call>{"name":"weather","argu', []],
  ["a < b <tool", "a < b <tool", []],
  ["{]", "{]", []],
  ["```json\n[1]\n```\n", "```json\n[1]\n```\n", []],
];

Deno.test("ToolParser finds calls in every family's form, however the text is cut", () => {
  assertRead(CASES, read);
});

Deno.test("ToolParser holds nothing back that cannot be a call any more", () => {
  const tools = parser();
  assertEquals(tools.push("Hello <b").text, "Hello <b");
  assertEquals(tools.push(" [x] <to").text, " [x]");
  assertEquals(tools.push("p> {").text, " <top> {");
  assertEquals(parser().push('{"city": "Ro').text, '{"city": "Ro');
  assertEquals(parser().push("[\n 1").text, "[\n 1");
});

Deno.test("ToolParser tells a call as soon as it is whole", () => {
  const tools = parser();
  assertEquals(tools.push('<tool_call>{"name":"clock","arguments":{}').calls.length, 0);
  assertEquals(tools.push("}").calls.map(({ name }) => name), ["clock"]);
});

Deno.test("ToolParser drops further calls where one answer may hold one", () => {
  const twice = '<tool_call>{"name":"clock"}</tool_call><tool_call>{"name":"weather"}</tool_call>';
  assertEquals(read(twice, 5, parser(1)), { text: "", calls: ["clock{}"] });
});

Deno.test("ToolParser gives up on a call without an end", () => {
  const tools = parser();
  let text = "";
  for (let i = 0; i < 400; i++) text += tools.push(i === 0 ? '{"name": "' : "a".repeat(1000)).text;
  assert(text.length > 200_000, `${text.length}`);
});

Deno.test("ToolParser takes code for calls only where the template says so", () => {
  const tools = new Map([["clock", undefined]]);
  const plain = new ToolParser(fakeWorld(), { tools, most: 1 });
  const text = "Use <code>clock()</code> in HTML.";
  assertEquals(read(text, 3, plain), { text, calls: [] });
  const code = new ToolParser(fakeWorld(), { tools, most: 1, hasCode: true });
  assertEquals(read("<code>clock()</code>", 3, code), { text: "", calls: ["clock{}"] });
});

Deno.test("ToolParser passes over any number of spaces around a name at once", () => {
  const spaces = "\n ".repeat(90);
  const text = `<｜tool▁call▁begin｜>${spaces}a${spaces}x{`;
  assertEquals(read(text, 7), { text, calls: [] });
});

Deno.test("ToolParser loses no letter of a text that holds no call", () => {
  const scraps = [
    "<tool_call>",
    "</tool_call>",
    "{",
    "}",
    "[",
    "]",
    '"name"',
    ":",
    "\n",
    " ",
    "x",
    "```json",
    "[TOOL",
    "\\",
  ];
  fc.assert(fc.property(
    fc.array(fc.constantFrom(...scraps), { maxLength: 40 }).map((some) => some.join("")),
    fc.integer({ min: 1, max: 9 }),
    (answer, size) => assertEquals(read(answer, size), { text: answer, calls: [] }),
  ));
});
