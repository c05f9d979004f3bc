import { assertEquals } from "@std/assert";
import { XmlCall } from "../../../src/text/tools/call_xml.ts";

const schema = {
  type: "object",
  properties: {
    text: { type: "string" },
    maybe: { type: ["string", "null"] },
    count: { type: "integer" },
    ratio: { anyOf: [{ type: "number" }, { type: "null" }] },
    flag: { type: "boolean" },
    list: { type: "array" },
    table: { $ref: "#/$defs/table" },
    level: { enum: [1, 2] },
    word: { enum: ["a", "b"] },
    loop: { $ref: "#/$defs/loop" },
    free: {},
  },
  $defs: { table: { type: "object" }, loop: { $ref: "#/$defs/loop" } },
};

/** Arguments that a call with these tags is read to. */
function given(...tags: readonly (readonly [name: string, value: string])[]): unknown {
  const text = "f>\n" +
    tags.map(([name, value]) => `<parameter=${name}>\n${value}\n</parameter>\n`).join("") +
    "</function>";
  const reader = new XmlCall(new Map([["f", schema]]));
  const verdicts = text.split("").map((letter) => reader.next(letter));
  assertEquals([verdicts.indexOf("whole"), verdicts.includes("none")], [text.length - 1, false]);
  return reader.calls(text)?.[0]?.given;
}

Deno.test("XmlCall reads values by the types of their schema", () => {
  const cases: readonly (readonly [name: string, value: string, wanted: unknown])[] = [
    ["text", "42", "42"],
    ["text", "null", "null"],
    ["text", "two\n\nlines", "two\n\nlines"],
    ["text", " <b>kept</b> ", " <b>kept</b> "],
    ["text", "</paramete", "</paramete"],
    ["text", "<</parameter", "<</parameter"],
    ["maybe", "null", null],
    ["maybe", "nothing", "nothing"],
    ["count", "42", 42],
    ["count", "many", "many"],
    ["ratio", "0.5", 0.5],
    ["ratio", "None", null],
    ["flag", "true", true],
    ["flag", "False", false],
    ["list", '["a", 1]', ["a", 1]],
    ["list", "['a', \"b\", True]", ["a", "b", true]],
    ["list", "['a', f()]", "['a', f()]"],
    ["table", '{"a": {"b": 1}}', { a: { b: 1 } }],
    ["level", "2", 2],
    ["word", "a", "a"],
    ["loop", "1", "1"],
    ["free", "1", "1"],
    ["unknown", "1", "1"],
    ["__proto__", "1", "1"],
    ["constructor", "1", "1"],
  ];
  for (const [name, value, wanted] of cases) {
    assertEquals(
      JSON.stringify(given([name, value])),
      JSON.stringify(Object.fromEntries([[name, wanted]])),
      name,
    );
  }
  assertEquals(given(["count", "1"], ["text", "x"], ["count", "2"]), { count: 2, text: "x" });
  assertEquals(given(), {});
});

Deno.test("XmlCall ends a value whose closer was left out with what follows", () => {
  const cases: readonly (readonly [text: string, wanted: unknown])[] = [
    ["f><parameter=text>\nabc\n</function>", { text: "abc" }],
    ["f><parameter=text>\nabc\n<parameter=count>\n2\n</function>", { text: "abc", count: 2 }],
    ["f><parameter=text>\na </function> b\n</parameter></function>", { text: "a </function> b" }],
  ];
  for (const [text, wanted] of cases) {
    const reader = new XmlCall(new Map([["f", schema]]));
    const verdicts = [...text].map((letter) => reader.next(letter));
    assertEquals(verdicts.indexOf("whole"), text.length - 1, text);
    assertEquals(reader.calls(text), [{ name: "f", given: wanted as Record<string, unknown> }]);
  }
});

Deno.test("XmlCall is none from the first wrong letter on", () => {
  const wrong = [
    ["g>", 1],
    ["f g>", 1],
    ["f>x", 2],
    ["f><b", 3],
    ["f></parameter>", 4],
    ["f><parameter=text>x</parameter>x", 31],
  ] as const;
  for (const [text, at] of wrong) {
    const reader = new XmlCall(new Map([["f", schema]]));
    assertEquals(text.split("").map((letter) => reader.next(letter)).indexOf("none"), at, text);
  }
});
