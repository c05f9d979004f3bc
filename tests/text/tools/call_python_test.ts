import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { PythonCalls } from "../../../src/text/tools/call_python.ts";
import { clock, search, weather } from "./read_calls.ts";

const tools = new Map([weather, clock, search].map(({ name, parameters }) => [name, parameters]));

/** Calls of a list, `none` where its letters or its values are wrong. */
function listed(text: string): unknown {
  const reader = new PythonCalls(tools, "list");
  for (const [i, letter] of text.split("").entries()) {
    const verdict = reader.next(letter);
    if (verdict === "none") return `none at ${i}`;
    if (verdict === "whole") return i === text.length - 1 ? reader.calls(text) ?? "none" : `whole at ${i}`;
  }
  return "more";
}

/** The arguments of one call of `weather`. */
const given = (source: string): unknown => {
  const calls = listed(`[weather(${source})]`);
  return Array.isArray(calls) ? calls[0].given : calls;
};

Deno.test("PythonCalls reads literals of every kind", () => {
  const values: readonly (readonly [source: string, value: unknown])[] = [
    ["'a\"b'", 'a"b'],
    ['"it\'s"', "it's"],
    [String.raw`"\n\t\\\"\x41\u00e4\U0001F600\q"`, '\n\t\\"Aä😀\\q'],
    ["3", 3],
    ["-2.5e3", -2500],
    ["+.5", 0.5],
    ["5.", 5],
    ["True", true],
    ["false", false],
    ["None", null],
    ["[]", []],
    ["[1, 'two', [3,],]", [1, "two", [3]]],
    ["{'a': {\"b\": [None]}, 'c': 1}", { a: { b: [null] }, c: 1 }],
    ['"})]"', "})]"],
    ["{}", {}],
  ];
  for (const [source, value] of values) assertEquals(given(`city=${source}`), { city: value }, source);
});

Deno.test("PythonCalls evaluates nothing: whatever is no literal is text", () => {
  for (
    const source of [
      "city=home",
      "city=f()",
      "city='a' 'b'",
      "city='a' + 'b'",
      "city=f'a'",
      "city=(1, 2)",
      "city=1 if x else 2",
      "city=[x for x in y]",
      "city=1_000",
      "city=1e999",
      "city={1: 2}",
      "city={'a'}",
      "city=",
      "=1",
      "city='a', city='b'",
      "city='a',, days=1",
      "**{'city': 'a'}",
      "city='\\xZZ'",
      "city='\\UFFFFFFFF'",
      "city=__import__",
      "city==1",
    ]
  ) {
    assertEquals(given(source), "none", source);
  }
  assertEquals(given("city='a\nb'"), "none at 16");
  assertEquals(given("city=']"), "more");
});

Deno.test("PythonCalls gives arguments by place the names of the schema, in its order", () => {
  assertEquals(given("'Rome', 3"), { city: "Rome", days: 3 });
  assertEquals(given("'Rome', days=3"), { city: "Rome", days: 3 });
  assertEquals(given("'Rome', 3, 4"), "none");
  assertEquals(given("'Rome', city='Oslo'"), "none");
  assertEquals(given("days=3, 'Rome'"), "none");
  assertEquals(listed("[clock(1)]"), "none");
});

Deno.test("PythonCalls knows at once what is no list of offered calls", () => {
  assertEquals(listed("[weather(), other()]"), "none at 12");
  assertEquals(listed("[wet"), "none at 3");
  assertEquals(listed("[weather ()]"), "none at 8");
  assertEquals(listed("[]"), "none at 1");
  assertEquals(listed("[,clock()]"), "none at 1");
  assertEquals(listed("[clock() clock()]"), "none at 9");
  assertEquals(listed("[clock()(]"), "none at 8");
  assertEquals(listed("[clock(])]"), "none at 7");
  assertEquals(listed("[ web-search(query='x') ,\n clock.call() , ]"), [
    { name: "web-search", given: { query: "x" } },
    { name: "clock", given: {} },
  ]);
});

/** A value as Python prints it. */
function printed(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value).replaceAll("\\/", "/");
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(printed).join(", ")}]`;
  if (typeof value !== "object") return String(value);
  return `{${Object.entries(value).map(([key, one]) => `${printed(key)}: ${printed(one)}`).join(", ")}}`;
}

Deno.test("PythonCalls reads back what Python prints", () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
    const plain = JSON.parse(JSON.stringify(value));
    assertEquals(JSON.stringify(given(`city=${printed(plain)}`)), JSON.stringify({ city: plain }));
  }));
});

Deno.test("whatever stands in a list of calls, reading it does not throw", () => {
  const scraps = [
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "'",
    '"',
    "\\",
    ",",
    ":",
    "=",
    "weather",
    "city",
    "1",
    ".",
    "-",
    "None",
    " ",
  ];
  fc.assert(fc.property(fc.array(fc.constantFrom(...scraps), { maxLength: 30 }), (some) => {
    for (const kind of ["list", "one", "code"] as const) {
      const reader = new PythonCalls(tools, kind);
      const text = `[weather(${some.join("")})]`.slice(kind === "list" ? 0 : 1);
      for (const letter of text) if (reader.next(letter) !== "more") break;
      reader.calls(text);
    }
  }));
});
