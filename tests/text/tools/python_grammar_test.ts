import { assert, assertEquals } from "@std/assert";
import { Ajv } from "ajv";
import fc from "fast-check";
import type { JsonObject } from "../../../src/model/json_file.ts";
import { canBePython } from "../../../src/text/tools/python_grammar.ts";
import { seededDraw } from "../../../src/text/sample.ts";
import { ToolParser } from "../../../src/text/tools/tool_parser.ts";
import type { AnswerForm } from "../../../src/text/types.ts";
import { fakeWorld } from "../../support/world.ts";
import { accepts, formModel, walk } from "../forms/form_walk.ts";
import { callsOf, toolLists } from "./tool_arbitrary.ts";

const model = formModel();
const formOf = (tools: readonly { readonly name: string; readonly parameters: JsonObject }[], most = 3) => {
  const plain = tools.map(({ name, parameters }) => ({ name, parameters }));
  assert(canBePython(plain));
  return { kind: "python_calls", tools: plain, most } satisfies AnswerForm;
};

/** What the reader of answers makes of a text, all of which has to be calls. */
function read(text: string, tools: AnswerForm & { readonly kind: "python_calls" }) {
  const offered = new Map(tools.tools.map(({ name, parameters }) => [name, parameters]));
  const parser = new ToolParser(fakeWorld(), { tools: offered, most: 64 });
  const { text: told, calls } = parser.push(text);
  assertEquals([told, parser.finish()], ["", { text: "", calls: [] }], text);
  return calls.map(({ name, arguments: given }) => ({ name, given: JSON.parse(given) }));
}

/** As Python's `repr` writes it, in one of its two kinds of quotes. */
function literal(value: unknown, quote: string): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return `${value}`;
  if (Array.isArray(value)) return `[${value.map((one) => literal(one, quote)).join(", ")}]`;
  if (typeof value === "object") {
    return `{${
      Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${literal(one, quote)}`).join(", ")
    }}`;
  }
  const escaped = `${value}`.replace(/[\\\n\t\r\b\f]|['"]/g, (letter) => {
    if (letter === "'" || letter === '"') return letter === quote ? `\\${letter}` : letter;
    return letter === "\\" ? "\\\\" : JSON.stringify(letter).slice(1, -1);
  });
  return `${quote}${escaped}${quote}`;
}

Deno.test("whatever the grammar of Python's calls lets through is read back as calls that fit", async () => {
  await fc.assert(
    fc.asyncProperty(toolLists, fc.nat(), async (list, seed) => {
      const form = formOf(list);
      const { text, isWhole } = await walk(model, form, { draw: seededDraw(seed), soon: 60 });
      if (!isWhole) return;
      const calls = read(text, form);
      assert(calls.length >= 1 && calls.length <= 3, text);
      for (const { name, given } of calls) {
        const { parameters } = list.find((tool) => tool.name === name)!;
        const ajv = new Ajv({ strict: false });
        // references of parts of a schema point into the whole
        assert(ajv.validate(parameters, given), `${text}: ${ajv.errorsText()}`);
      }
    }),
    { numRuns: 150 },
  );
});

Deno.test("the grammar of Python's calls lets known calls through, and they are read back as they are", async () => {
  const cases = fc.tuple(callsOf(3), fc.constantFrom("'", '"')).map(([some, quote]) => ({ ...some, quote }));
  await fc.assert(
    fc.asyncProperty(cases, async ({ list, quote, calls }) => {
      const form = formOf(list);
      const written = calls.map(({ name, given }) => {
        const { properties } = list.find((tool) => tool.name === name)!.parameters;
        const known = Object.keys(properties).filter((key) => Object.hasOwn(given, key));
        return `${name}(${known.map((key) => `${key}=${literal(given[key], quote)}`).join(", ")})`;
      });
      const text = `[${written.join(", ")}]`;
      assertEquals(read(text, form), JSON.parse(JSON.stringify(calls)), text);
      // other control letters cannot be written without a code, and no value is lost by that
      // deno-lint-ignore no-control-regex
      if (!/[\x00-\x1f]/.test(text)) assert(await accepts(model, form, text), text);
    }),
    { numRuns: 200 },
  );
});

Deno.test("tools whose arguments may have any name, or one that is none, are no Python", () => {
  const can = (parameters: JsonObject, name = "f") => canBePython([{ name, parameters }]);
  assert(can({ type: "object", properties: {}, additionalProperties: false }));
  assert(can({ properties: { a: { type: "object" } }, additionalProperties: true }));
  assert(can({ $ref: "#/$defs/a", $defs: { a: { properties: { b: {} } } } }));
  assert(!can({ type: "object" }));
  assert(!can({ properties: { "a b": {} } }));
  assert(!can({ properties: { a: {} } }, "1f"));
  assert(!can({ $ref: "#" }));
});
