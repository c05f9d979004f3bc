import { assert, assertEquals } from "@std/assert";
import { Ajv } from "ajv";
import fc from "fast-check";
import type { JsonObject } from "../../../src/model/json_file.ts";
import { seededDraw } from "../../../src/text/sample.ts";
import { canBeTags } from "../../../src/text/tools/tag_grammar.ts";
import { ToolParser } from "../../../src/text/tools/tool_parser.ts";
import type { AnswerForm } from "../../../src/text/types.ts";
import { fakeWorld } from "../../support/world.ts";
import { accepts, formModel, walk } from "../forms/form_walk.ts";
import { callsOf, toolLists } from "./tool_arbitrary.ts";

const model = formModel();
const ENDING = "\n</parameter>\n";
type TagForm = AnswerForm & { readonly kind: "tag_calls" };

function formOf(tools: readonly { readonly name: string; readonly parameters: JsonObject }[]): TagForm {
  const offered = tools.map(({ name, parameters }) => ({ name, parameters, offered: parameters }));
  assert(canBeTags(offered));
  return { kind: "tag_calls", tools: offered, hasMarks: true };
}

/** What the reader of answers makes of a text, all of which has to be one call. */
function read(text: string, { tools }: TagForm) {
  const offered = new Map(tools.map(({ name, offered }) => [name, offered]));
  const parser = new ToolParser(fakeWorld(), { tools: offered, most: 64 });
  const { text: told, calls } = parser.push(text);
  assertEquals([told, parser.finish()], ["", { text: "", calls: [] }], text);
  assertEquals(calls.length, 1, text);
  return { name: calls[0]!.name, given: JSON.parse(calls[0]!.arguments) };
}

/** A call as the model's template writes it; `<` within JSON as an escape. */
function written({ name, given }: { readonly name: string; readonly given: JsonObject }, keys: string[]) {
  const parameters = keys.filter((key) => Object.hasOwn(given, key)).map((key) => {
    const value = given[key];
    const text = typeof value === "string" ? value : JSON.stringify(value).replaceAll("<", "\\u003c");
    return `<parameter=${key}>\n${text}\n</parameter>\n`;
  });
  return `<tool_call>\n<function=${name}>\n${parameters.join("")}</function>\n</tool_call>`;
}

Deno.test("whatever the grammar of tags lets through is read back as a call that fits", async () => {
  await fc.assert(
    fc.asyncProperty(toolLists, fc.nat(), async (list, seed) => {
      const form = formOf(list);
      const { text, isWhole } = await walk(model, form, { draw: seededDraw(seed), soon: 60, ending: ENDING });
      assert(isWhole, text);
      const { name, given } = read(text, form);
      const { parameters } = list.find((tool) => tool.name === name)!;
      const ajv = new Ajv({ strict: false });
      assert(ajv.validate(parameters, given), `${text}: ${ajv.errorsText()}`);
    }),
    { numRuns: 150 },
  );
});

Deno.test("the grammar of tags lets known calls through, and they are read back as they are", async () => {
  await fc.assert(
    fc.asyncProperty(callsOf(1), async ({ list, calls: [call] }) => {
      const form = formOf(list);
      const { properties } = list.find(({ name }) => name === call!.name)!.parameters;
      // a value that may be text is read as text
      fc.pre(
        Object.entries(call!.given).every(([key, value]) =>
          properties[key]!["enum"] === undefined || typeof value === "string"
        ),
      );
      const text = written(call!, Object.keys(properties));
      assertEquals(read(text, form), JSON.parse(JSON.stringify(call)), text);
      if (!text.includes("\0")) assert(await accepts(model, form, text), text);
    }),
    { numRuns: 200 },
  );
});

Deno.test("a text between tags is anything but what ends it", async () => {
  const parameters = { type: "object", properties: { code: { type: "string" } }, required: ["code"] };
  const form = formOf([{ name: "write", parameters }]);
  const call = (code: string) => written({ name: "write", given: { code } }, ["code"]);
  const texts = [
    "",
    "\n",
    "\n\na\n",
    "<p>\n  a < b</p>\n</div>",
    "</parag>",
    "<<</</p>\n<\n</\n</f",
    " <parameter=x> </function>",
  ];
  for (const text of texts) {
    assert(await accepts(model, form, call(text)), text);
    assertEquals(read(call(text), form).given, { code: text });
  }
  for (
    const text of [
      "</parameter>",
      "a\n</parameter>\n",
      "<parameter=x>",
      "\n<parameter=x>",
      "</function>",
      "<</param",
    ]
  ) {
    assert(!await accepts(model, form, call(text)), text);
  }
});

Deno.test("arguments that could not be told apart between tags are no tags", () => {
  const can = (parameters: JsonObject, name = "f") => canBeTags([{ name, parameters, offered: parameters }]);
  const one = (schema: JsonObject) => can({ type: "object", properties: { a: schema } });
  assert(one({ type: "string" }) && one({ enum: ["a", 1] }) && one({ type: ["null", "string"] }) && one({}));
  assert(!one({ enum: ["<", "a<b"] }));
  assert(!can({ type: "object" }));
  assert(!can({ properties: { "a b": {} } }) && !can({ properties: { "a>": {} } }));
  assert(!can({ properties: { a: {} } }, "a b"));
});
