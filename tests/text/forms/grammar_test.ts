import { assert, assertEquals, assertRejects } from "@std/assert";
import { Ajv } from "ajv";
import fc from "fast-check";
import { NodeError } from "../../../src/base/errors.ts";
import { openModel } from "../../../src/model/open_model.ts";
import { seededDraw } from "../../../src/text/sample.ts";
import { grammarOf } from "../../../src/text/forms/grammar.ts";
import type { AnswerForm } from "../../../src/text/types.ts";
import { saidByBundle, sourceFile } from "../../support/bundled.ts";
import { accepts, formModel, walk } from "./form_walk.ts";

const never = new AbortController().signal;
const model = formModel();
const schemaForm = (schema: Record<string, unknown> | boolean): AnswerForm => ({ kind: "schema", schema });
const gbnf = (grammar: string): AnswerForm => ({ kind: "grammar", grammar });
const regex = (pattern: string): AnswerForm => ({ kind: "regex", pattern });

async function refuses(form: AnswerForm, ...words: string[]): Promise<void> {
  const error = await assertRejects(() => model.forms.constrain(form, never), NodeError);
  assertEquals(error.code, "usage", error.message);
  for (const word of words) assert(error.message.includes(word), `${word} in: ${error.message}`);
}

/** Schemas of all keywords, nested. */
const schemas: fc.Arbitrary<Record<string, unknown>> =
  fc.letrec<{ schema: Record<string, unknown> }>((tie) => ({
    schema: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom<Record<string, unknown>>(
        { type: "string" },
        { type: "integer" },
        { type: "number" },
        { type: "boolean" },
        { type: ["null", "string"] },
        { const: 'a"b\\c' },
        { enum: ["ä", 1, null, [true], { x: 1 }] },
        { type: "object" },
        { type: "object", additionalProperties: { type: "integer" } },
      ),
      fc.record({
        type: fc.constant("array"),
        items: tie("schema"),
        minItems: fc.integer({ min: 0, max: 2 }),
        maxItems: fc.integer({ min: 2, max: 4 }),
      }, { requiredKeys: ["type"] }),
      fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
      fc.record({
        names: fc.uniqueArray(fc.constantFrom("a", "ab", "b", "größe", 'q"', "x\n", "", "__proto"), {
          maxLength: 4,
        }),
        schemas: fc.array(tie("schema"), { minLength: 4, maxLength: 4 }),
        needed: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        more: fc.constantFrom(undefined, false, true, { type: "null" }),
      }).map(({ names, schemas, needed, more }) => ({
        type: "object",
        properties: Object.fromEntries(names.map((name, i) => [name, schemas[i]])),
        required: names.filter((_, i) => needed[i]),
        ...(more === undefined ? {} : { additionalProperties: more }),
      })),
    ),
  })).schema;

Deno.test("a text that only the mask of a schema chose is JSON that fits the schema", async () => {
  await fc.assert(
    fc.asyncProperty(schemas, fc.nat(), async (schema, seed) => {
      const { text, isWhole } = await walk(model, schemaForm(schema), { draw: seededDraw(seed) });
      if (!isWhole) return;
      const ajv = new Ajv({ strict: false });
      assert(ajv.validate(schema, JSON.parse(text)), `${text}: ${ajv.errorsText()}`);
    }),
    { numRuns: 150 },
  );
});

Deno.test("a recursive schema makes trees that end", async () => {
  const node = {
    type: "object",
    properties: { v: { type: "integer" }, kids: {} as unknown },
    required: ["v"],
  };
  node.properties.kids = { type: "array", items: { $ref: "#/$defs/node" }, maxItems: 2 };
  const schema = { $ref: "#/$defs/node", $defs: { node } };
  const validate = new Ajv({ strict: false }).compile(schema);
  for (let seed = 0; seed < 20; seed++) {
    const { text, isWhole } = await walk(model, schemaForm(schema), { draw: seededDraw(seed), soon: 60 });
    assert(isWhole && validate(JSON.parse(text)), text);
  }
});

Deno.test("a schema lets through what fits it, spaces as usual printers set them, and nothing else", async () => {
  const form = schemaForm({
    type: "object",
    properties: {
      a: { type: "string" },
      b: { type: "number" },
      c: { type: "array", items: { type: "null" } },
    },
    required: ["b"],
  });
  const fitting = [
    '{"b":1}',
    '{ "a": "ä\\n\\u00e4", "b": -0.5e+10, "c": [null, null] }',
    JSON.stringify({ a: "x", b: 2, c: [] }, null, 2),
    JSON.stringify({ b: 2, c: [null] }, null, "\t"),
  ];
  for (const text of fitting) assert(await accepts(model, form, text), text);
  const other = [
    "{}",
    '{"b":1',
    '{"b":01}',
    '{"b":1,"a":""}',
    '{"b":1,"d":1}',
    '{"b":1}\n',
    '{"b":1,}',
    '"b"',
  ];
  for (const text of other) assert(!await accepts(model, form, text), text);
});

Deno.test("further properties have other names than those listed, however they are spelt", async () => {
  const form = schemaForm({
    properties: { ab: { type: "null" } },
    additionalProperties: { type: "integer" },
  });
  for (const text of ['{"ab":null,"a":1,"abc":2,"":3,"äb":4}', '{"b":1}', "{}"]) {
    assert(await accepts(model, form, text), text);
  }
  for (const text of ['{"ab":1}', '{"ab":null,"ab":1}', '{"\\u0061b":1}']) {
    assert(!await accepts(model, form, text), text);
  }
});

Deno.test("names that are many leave further names fewer beginnings, and never one of their own", async () => {
  const names = Array.from({ length: 60 }, (_, i) => `name${i}`);
  const form = schemaForm({
    properties: Object.fromEntries(names.map((name) => [name, { type: "null" }])),
    additionalProperties: { type: "integer" },
  });
  for (const text of ['{"name7":null,"other":1}', '{"nam":1,"nase":2}', '{"name":1,"namet":2,"":3}']) {
    assert(await accepts(model, form, text), text);
  }
  for (const name of names) {
    assert(!await accepts(model, form, `{"name0":null,"${name}":1}`), name);
    if (name !== "name0") assert(await accepts(model, form, `{"name0":null,"${name}":null}`), name);
  }
});

Deno.test("an object of many long names has few rules for further ones", () => {
  const long = (i: number) => `${String.fromCharCode(97 + i % 26)}${"x".repeat(i)}`;
  const object = { properties: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [long(i), true])) };
  const rulesOf = (schema: Record<string, unknown>) => grammarOf({ kind: "schema", schema }).rules.size;
  const closed = rulesOf({ ...object, additionalProperties: false });
  assert(rulesOf({ ...object, additionalProperties: true }) - closed < 40);
});

Deno.test("the form json is any object, and only an object", async () => {
  for (const text of ["{}", '{"a": [1, {"b": null}], "c": "d"}']) {
    assert(await accepts(model, { kind: "json" }, text), text);
  }
  for (const text of ["[]", "1", '{"a"}', "", "{} "]) {
    assert(!await accepts(model, { kind: "json" }, text), text);
  }
  for (let seed = 0; seed < 10; seed++) {
    const { text, isWhole } = await walk(model, { kind: "json" }, { draw: seededDraw(seed) });
    assert(isWhole && typeof JSON.parse(text) === "object", text);
  }
});

Deno.test("a schema may stand between two texts", async () => {
  const form: AnswerForm = { kind: "schema", schema: { const: 1 }, before: "<a>\n", after: "</a>" };
  assert(await accepts(model, form, "<a>\n1</a>"));
  assert(!await accepts(model, form, "1"));
});

Deno.test("a form is done when nothing but the end may come, and the end may come only then", async () => {
  using constraint = await model.forms.constrain(regex("ab?"), never);
  const scores = () => {
    const row = new Float32Array(model.size);
    constraint.mask(row);
    return Array.from(row.keys()).filter((id) => row[id] === 0);
  };
  const [a, b, end] = [
    model.tokenizer.idOf("a")!,
    model.tokenizer.idOf("b")!,
    [...model.tokenizer.endIds][0]!,
  ];
  assertEquals([constraint.done, scores()], [false, [a]]);
  await constraint.accept(a);
  assertEquals([constraint.done, scores()], [false, [end, b].sort((x, y) => x - y)]);
  await constraint.accept(b);
  assertEquals([constraint.done, scores()], [true, [end]]);
  await constraint.accept(end);
  assertEquals([constraint.done, scores()], [true, [end]]);
});

Deno.test("a mask leaves control tokens and padding of the vocabulary out", async () => {
  using constraint = await model.forms.constrain(gbnf("root ::= .*"), never);
  const scores = new Float32Array(model.size + 50);
  constraint.mask(scores);
  assertEquals([0, 1, model.size, model.size + 49].map((id) => scores[id]), Array(4).fill(-Infinity));
  assertEquals(scores[model.tokenizer.idOf("a")!], 0);
});

Deno.test("a grammar of llama.cpp's dialect is kept", async () => {
  const grammar = `
# a list of words
root ::= (item-a | "no" "thing")
  | ws # or a space
item-a ::= "- " [a-zäé]+ ("\\n- " [^\\x00-\\x1f"-]{2,3})? "\\u20ac"*
ws ::= [ \\t]
`;
  for (const text of ["nothing", "\t", "- wä", "- w\n- öö", "- w\n- abc€€"]) {
    assert(await accepts(model, gbnf(grammar), text), text);
  }
  for (const text of ["no", "- W", "- w\n- a", "- w\n- abcd", "- w\n", "  "]) {
    assert(!await accepts(model, gbnf(grammar), text), text);
  }
});

Deno.test("a grammar with a mistake names it", async () => {
  await refuses(gbnf(""), '"root"');
  await refuses(gbnf("a ::= b"), '"root"');
  await refuses(gbnf("root ::= other"), '"other"');
  await refuses(gbnf('root ::= "a'), "ends too early");
  await refuses(gbnf('root ::= ("a"'), "not closed");
  await refuses(gbnf('root ::= "a")'), "character 13");
  await refuses(gbnf('root := "a"'), "::=");
  await refuses(gbnf('root ::= root "a" | "b"'), '"root" begins with itself');
  await refuses(gbnf('root ::= x "a"\nx ::= "" y\ny ::= [ ]* x?'), "begins with itself");
  await refuses(gbnf('root ::= "a" root'), "never ends");
  await refuses(gbnf('root ::= "a"\nroot ::= "b"'), "two rules");
  await refuses(gbnf("root ::= [z-a]"), "backward");
  await refuses(gbnf('root ::= "a"{3,2}'), "3 to 2");
  await refuses(gbnf("root ::= [\\u4e00-\\u9fff]"), "beyond ASCII");
  await refuses(gbnf('root ::= "\\ud800"'), "no letter");
  await refuses(gbnf('root ::= "a\\x00"'), "the letter 0");
  await refuses(gbnf("root ::= \u{1F600}"), "is nothing");
});

Deno.test("grammars that would cost too much are refused before they are compiled", async () => {
  await refuses(gbnf(`root ::= ${"(".repeat(300)}"a"${")".repeat(300)}`), "deep");
  await refuses(gbnf('root ::= "a"{1000000}'), "1000000");
  await refuses(gbnf(`root ::= ${"[a-z]? ".repeat(500)}`), "left out");
  await refuses(gbnf(`root ::= "${"a".repeat(70_000)}"`), "characters");
  await refuses(gbnf(`root ::= "${"a".repeat(30_000)}"`), "letters and repetitions");
  await refuses(regex(`${"(".repeat(5000)}a${")".repeat(5000)}`), "deep");
  await refuses(schemaForm({ type: "array", minItems: 1e9 }), '"minItems"');
  await refuses(schemaForm({ properties: { a: { $ref: "#" } }, required: ["a"] }), "never ends");
  await refuses(schemaForm({ anyOf: [{ $ref: "#" }, { type: "null" }] }), "begins with itself");
});

Deno.test("a regular expression is matched by the whole answer", async () => {
  const patterns = [
    "a|bc",
    "^[A-Z][a-z]{1,3}$",
    "(?:\\d{2}-)+\\w",
    "x\\.y?z*",
    '[^\\s"]+',
    "(?<n>a*?)b",
    "ä[äöü]?",
    "\\u0041",
  ];
  const texts = [
    "a",
    "bc",
    "abc",
    "Abc",
    "Abcde",
    "12-34-x",
    "12-",
    "x.z",
    "xyz",
    "ä",
    "äö",
    "b",
    "aab",
    "A",
    '"',
    " ",
  ];
  for (const pattern of patterns) {
    const whole = new RegExp(`^(?:${pattern})$`, "u");
    for (const text of texts) {
      assertEquals(await accepts(model, regex(pattern), text), whole.test(text), `${pattern} ${text}`);
    }
    for (let seed = 0; seed < 5; seed++) {
      const { text, isWhole } = await walk(model, regex(pattern), { draw: seededDraw(seed), soon: 8 });
      assert(isWhole && whole.test(text), `${pattern}: ${text}`);
    }
  }
});

Deno.test("a regular expression that cannot be kept names why", async () => {
  for (const pattern of ["(?=a)b", "(?<!a)b", "(?i)a"]) await refuses(regex(pattern), "not supported");
  for (const pattern of ["\\bfoo", "\\p{L}", "(a)\\1", "\\cA"]) {
    await refuses(regex(pattern), "not supported");
  }
  for (const pattern of ["(", "a)", "[a", "a{2,1}", "*a", "a**", "[z-a]", "a^b", "[]", "\\u{110000}"]) {
    await refuses(regex(pattern));
  }
});

Deno.test("whatever is given as grammar, expression or schema is kept or refused as a mistake", async () => {
  const symbols = [
    "root",
    " ::= ",
    '"a"',
    "[a-c]",
    "|",
    "(",
    ")",
    "*",
    "?",
    "{2}",
    "\n",
    "x",
    ".",
    "\\",
    "ä",
    "^",
    "$",
    '"',
  ];
  const scraps = fc.array(fc.constantFrom(...symbols), { maxLength: 15 }).map((some) => some.join(""));
  await fc.assert(
    fc.asyncProperty(scraps, fc.constantFrom("grammar", "regex"), fc.nat(), async (scrap, kind, seed) => {
      const form = kind === "regex" ? regex(scrap) : gbnf(`root ::= ${scrap}`);
      try {
        await walk(model, form, { draw: seededDraw(seed), most: 30 });
      } catch (error) {
        assert(error instanceof NodeError && error.code === "usage", String(error));
      }
    }),
    { numRuns: 400 },
  );
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (schema) => {
      try {
        (await model.forms.constrain(schemaForm(schema as Record<string, unknown>), never))[Symbol.dispose]();
      } catch (error) {
        assert(error instanceof NodeError && error.code === "usage", String(error));
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("forms that are compiled no more still keep the answers that began with them", async () => {
  const own = formModel();
  using first = await own.forms.constrain(regex("first[a-z]+"), never);
  for (let i = 0; i < 40; i++) (await own.forms.constrain(regex(`n${i}`), never))[Symbol.dispose]();
  for (const id of own.tokenizer.encode("firsta", { special: false })) await first.accept(id);
  const scores = new Float32Array(own.size);
  first.mask(scores);
  assertEquals(scores[own.tokenizer.idOf("b")!], 0);
  assertEquals(scores[own.tokenizer.idOf("B")!], -Infinity);
});

Deno.test("the library's need for a page's address is nobody else's", async () => {
  await model.forms.constrain({ kind: "json" }, never);
  assertEquals(globalThis.location?.href, undefined);
});

Deno.test("the library loads from a bundle, as the program ships it", async () => {
  const said = await saidByBundle(
    `import { openXGrammar } from ${sourceFile("src/text/forms/xgrammar.ts")};\n` +
      `console.log(typeof (await openXGrammar()).GrammarMatcher.createGrammarMatcher, globalThis.location);\n`,
  );
  assertEquals(said, "function undefined\n");
});

const PATH = Deno.env.get("KWAAI_SMOLLM2");
Deno.test({
  name: `SmolLM2's tokens keep schemas, regular expressions and grammars${
    PATH === undefined ? " (left out: KWAAI_SMOLLM2 names no SmolLM2-135M GGUF file)" : ""
  }`,
  ignore: PATH === undefined,
  fn: async () => {
    await using source = await openModel(PATH!, never);
    const files = (await source.tokenizer(never))!;
    const real = formModel(files, source.architecture.vocabularySize);
    const schema = {
      type: "object",
      properties: { city: { type: "string" }, people: { type: "integer" }, kind: { enum: ["town", "city"] } },
      required: ["city", "kind"],
      additionalProperties: false,
    };
    const ajv = new Ajv({ strict: false });
    for (let seed = 0; seed < 5; seed++) {
      const draw = seededDraw(seed);
      const { text, isWhole } = await walk(real, schemaForm(schema), { draw, soon: 12 });
      assert(isWhole && ajv.validate(schema, JSON.parse(text)), text);
    }
    assert(await accepts(real, schemaForm(schema), '{"city": "Zürich 🎉", "kind": "city"}'));
    assert(await accepts(real, regex("\\d{4}-\\d{2}-\\d{2}"), "2026-02-28"));
    assert(!await accepts(real, gbnf('root ::= "yes" | "no"'), "maybe"));
  },
});
