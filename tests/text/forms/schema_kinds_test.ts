import { assert, assertEquals, assertThrows } from "@std/assert";
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/2020";
import fc from "fast-check";
import { NodeError } from "../../../src/base/errors.ts";
import { readSchema } from "../../../src/text/forms/json_schema.ts";
import { seededDraw } from "../../../src/text/sample.ts";
import { TEXT_FORMATS } from "../../../src/text/forms/text_formats.ts";
import type { AnswerForm } from "../../../src/text/types.ts";
import { accepts, formModel, walk } from "./form_walk.ts";
import { GOLDEN } from "./golden_schemas.ts";

type Schema = Record<string, unknown>;

const model = formModel();
const form = (schema: Schema): AnswerForm => ({ kind: "schema", schema });
const formats: Record<string, RegExp | true> = Object.fromEntries(
  [...TEXT_FORMATS].map(([name, whole]) => [name, whole === undefined ? true : new RegExp(`^(?:${whole})$`)]),
);
const validatorOf = ({ $schema: _draft, ...schema }: Schema) => {
  const options = {
    strict: false,
    validateFormats: true,
    formats: { ...formats, int32: true as const },
    multipleOfPrecision: 9,
  };
  return (JSON.stringify(schema).includes('"items":[') ? new Ajv(options) : new Ajv2020(options)).compile(
    schema,
  );
};

/** Asserts that the form lets a value through exactly where ajv does. */
async function keeps(schema: Schema, fitting: readonly unknown[], others: readonly unknown[]): Promise<void> {
  const validate = validatorOf(schema);
  for (const value of fitting) {
    assert(validate(value), `ajv: ${JSON.stringify(value)}`);
    assert(await accepts(model, form(schema), JSON.stringify(value)), JSON.stringify([schema, value]));
  }
  for (const value of others) {
    assert(!validate(value), `ajv: ${JSON.stringify(value)}`);
    assert(!await accepts(model, form(schema), JSON.stringify(value)), JSON.stringify([schema, value]));
  }
}

function refuses(schema: Schema, ...words: string[]): void {
  const error = assertThrows(() => readSchema(schema), NodeError);
  assertEquals(error.code, "usage");
  for (const word of words) assert(error.message.includes(word), `${word} in: ${error.message}`);
}

const strings = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('a\n"\\', "größe", "🎉🎉", "\u0001ab", "a".repeat(70)),
);
const limits = fc.tuple(fc.nat({ max: 6 }), fc.nat({ max: 80 })).map(([least, more]) => ({
  least,
  most: least + more,
}));
const numbers = fc.oneof(
  fc.integer({ min: -2000, max: 2000 }),
  fc.integer({ min: -2000, max: 2000 }).map((one) => one / 8),
  fc.integer({ min: -999, max: 999 }).map((one) => one / 100),
);
const PATTERNS: readonly string[] = [
  "^[a-c]+$",
  "b",
  "^a|c$",
  "^\\d{2,4}(-\\d{2})?$",
  '^[^a"]*$',
  "ä?\\\\",
  "^(x|yz)*$",
  "\\S",
];

/** Schemas of the keywords that say something of single values, and values near them. */
const kinds: fc.Arbitrary<{ readonly schema: Schema; readonly value: fc.Arbitrary<unknown> }> = fc.oneof(
  limits.map(({ least, most }) => ({
    schema: { type: "string", minLength: least, maxLength: most },
    value: strings,
  })),
  fc.nat({ max: 40 }).map((least) => ({ schema: { minLength: least, type: "string" }, value: strings })),
  fc.record({ pattern: fc.constantFrom(...PATTERNS), most: fc.constantFrom(undefined, 3, 6) }).map(
    ({ pattern, most }) => ({
      schema: { type: "string", pattern, ...(most !== undefined && { maxLength: most }) },
      value: fc.oneof(fc.stringMatching(new RegExp(pattern, "u")), strings),
    }),
  ),
  fc.record({
    low: fc.option(numbers, { nil: undefined }),
    size: fc.option(fc.nat({ max: 3000 }), { nil: undefined }),
    isWhole: fc.boolean(),
    isOpenLow: fc.boolean(),
    isOpenHigh: fc.boolean(),
  }).map(({ low, size, isWhole, isOpenLow, isOpenHigh }) => ({
    schema: {
      type: isWhole ? "integer" : "number",
      ...(low !== undefined && { [isOpenLow ? "exclusiveMinimum" : "minimum"]: low }),
      ...(size !== undefined &&
        { [isOpenHigh ? "exclusiveMaximum" : "maximum"]: Math.floor(low ?? 0) + size + 2 }),
    },
    value: fc.oneof(numbers, fc.constantFrom(low ?? 0, Math.floor(low ?? 0) + (size ?? 0) + 2)),
  })),
  fc.record({
    step: fc.constantFrom(1, 2, 3, 5, 7, 10, 12, 100, 250),
    low: fc.integer({ min: -300, max: 300 }),
  }).map(
    ({ step, low }) => ({
      schema: { type: "integer", multipleOf: step, minimum: low, maximum: low + 600 },
      value: fc.oneof(
        fc.integer({ min: -400, max: 1000 }),
        fc.integer({ min: -9, max: 9 }).map((one) => one * step),
      ),
    }),
  ),
  fc.constantFrom(...[...TEXT_FORMATS].filter(([, whole]) => whole !== undefined)).map(([format, whole]) => ({
    schema: { type: "string", format },
    value: fc.stringMatching(new RegExp(`^(?:${whole})$`)),
  })),
);

Deno.test("what a form of strings and numbers lets through is what ajv lets through", async () => {
  await fc.assert(
    fc.asyncProperty(
      kinds.chain(({ schema, value }) => fc.record({ schema: fc.constant(schema), value, seed: fc.nat() })),
      async ({ schema, value, seed }) => {
        const validate = validatorOf(schema);
        const isKept = await accepts(model, form(schema), JSON.stringify(value));
        assertEquals(isKept, validate(value), JSON.stringify([schema, value]));
        const { text, isWhole } = await walk(model, form(schema), { draw: seededDraw(seed), soon: 12 });
        // the library lets bytes through that are no letter, and each counts when it is read
        if (isWhole && !text.includes("\ufffd")) {
          assert(validate(JSON.parse(text)), `${text} of ${JSON.stringify(schema)}`);
        }
      },
    ),
    { numRuns: 200 },
  );
});

/** A schema, and values that fit it. */
interface Shape {
  readonly schema: Schema;
  readonly value: fc.Arbitrary<unknown>;
}

const leaves = fc.constantFrom<Shape>(
  {
    schema: { type: "string", minLength: 1, maxLength: 4 },
    value: fc.string({ minLength: 1, maxLength: 4 }),
  },
  { schema: { type: "string", pattern: "^a+b?$" }, value: fc.stringMatching(/^a+b?$/) },
  { schema: { type: "integer", minimum: -3, exclusiveMaximum: 40 }, value: fc.integer({ min: -3, max: 39 }) },
  { schema: { type: "number", minimum: 0.5, maximum: 2.25 }, value: fc.constantFrom(0.5, 1, 1.75, 2.25) },
  { schema: { type: ["null", "boolean"] }, value: fc.constantFrom(null, true, false) },
  { schema: { type: "string", nullable: true, maxLength: 2 }, value: fc.constantFrom(null, "", "ab") },
  {
    schema: { enum: ["a", "bcd", 7, 1.5, null, [1]], minLength: 2, minimum: 2 },
    value: fc.constantFrom("bcd", 7, null, [1]),
  },
  { schema: { const: { a: ["x"] } }, value: fc.constant({ a: ["x"] }) },
  {
    schema: { $ref: "#/$defs/word", maxLength: 3, description: "d" },
    value: fc.string({ minLength: 2, maxLength: 3 }),
  },
  {
    schema: { allOf: [{ $ref: "#/$defs/word" }], default: "abc" },
    value: fc.string({ minLength: 2, maxLength: 5 }),
  },
  {
    schema: { type: "object", maxProperties: 2, additionalProperties: { type: "null" } },
    value: fc.constantFrom({}, { q: null }, { q: null, r: null }),
  },
  {
    schema: { type: "object", minProperties: 1, propertyNames: { type: "string" } },
    value: fc.constant({ q: [] }),
  },
);
const DEFINITIONS = { word: { type: "string", minLength: 2, maxLength: 5 } };

/** Schemas within schemas. */
const shapes: fc.Arbitrary<Shape> = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaves,
    fc.tuple(tie("shape"), tie("shape"), fc.nat({ max: 2 })).map(([one, rest, least]) => ({
      schema: { type: "array", prefixItems: [one.schema], items: rest.schema, minItems: least, maxItems: 3 },
      value: fc.tuple(one.value, fc.array(rest.value, { minLength: Math.max(0, least - 1), maxLength: 2 }))
        .map(
          ([first, others]) => [first, ...others],
        ),
    })),
    fc.tuple(tie("shape"), tie("shape")).map(([one, other]) => ({
      schema: {
        allOf: [
          { type: "object", properties: { a: one.schema, b: true }, required: ["a"] },
          { properties: { b: other.schema, c: { type: "integer" } } },
          { properties: { c: { maximum: 9 } } },
        ],
      },
      value: fc.record({ a: one.value, b: other.value, c: fc.integer({ min: -9, max: 9 }) }, {
        requiredKeys: ["a"],
      }),
    })),
    fc.tuple(tie("shape"), tie("shape")).map(([one, other]) => ({
      schema: {
        type: "object",
        oneOf: [
          { properties: { t: { const: "x" }, v: one.schema }, required: ["v"] },
          { properties: { t: { enum: ["y", "z"] }, v: other.schema }, required: ["t", "v"] },
        ],
      },
      value: fc.oneof(
        fc.record({ t: fc.constant("x"), v: one.value }),
        fc.record({ t: fc.constantFrom("y", "z"), v: other.value }),
      ),
    })),
    tie("shape").map(({ schema, value }) => ({
      schema: { anyOf: [{ type: "array", items: schema }, { type: "integer", minimum: 0 }], title: "t" },
      value: fc.oneof(fc.array(value, { maxLength: 2 }), fc.nat()),
    })),
  ),
})).shape;

Deno.test("what a form of nested schemas lets through fits them, and values that fit are let through", async () => {
  await fc.assert(
    fc.asyncProperty(
      shapes.chain(({ schema, value }) => fc.record({ schema: fc.constant(schema), value, seed: fc.nat() })),
      async ({ schema: inner, value, seed }) => {
        const schema = { ...inner, $defs: DEFINITIONS };
        const validate = validatorOf(schema);
        assert(validate(value), JSON.stringify([schema, value, validate.errors]));
        assert(await accepts(model, form(schema), JSON.stringify(value)), JSON.stringify([schema, value]));
        const { text, isWhole } = await walk(model, form(schema), { draw: seededDraw(seed), soon: 20 });
        if (!isWhole || text.includes("\ufffd")) return;
        assert(validate(JSON.parse(text)), `${text} of ${JSON.stringify(schema)}`);
      },
    ),
    { numRuns: 120 },
  );
});

for (const [name, { schema, fitting, others }] of Object.entries(GOLDEN)) {
  Deno.test(`a schema of ${name} is kept`, () => keeps(schema, fitting, others));
}

Deno.test("formats are those of their standards", async () => {
  const examples: Readonly<Record<string, readonly [fitting: readonly string[], others: readonly string[]]>> =
    {
      date: [["2024-02-29", "2000-02-29", "0004-02-29", "1999-12-31"], [
        "1900-02-29",
        "2023-04-31",
        "0000-01-01",
        "2024-1-1",
      ]],
      time: [["00:00:00Z", "23:59:59.123456+02:00"], ["24:00:00Z", "10:00:00", "10:60:00Z", "10:00Z"]],
      "date-time": [["2024-02-29T10:00:00Z", "1999-12-31T23:59:59.5-08:00"], [
        "2024-02-29 10:00:00Z",
        "2024-02-29T10:00:00",
      ]],
      duration: [["P1Y2M3DT4H5M6S", "PT5M", "P3W", "P1DT12H"], ["P", "PT", "P1DT", "P1H", "1D", "P1WT1H"]],
      email: [["a.b+c@example.co.uk", "x@y-z.org"], ["a@b", "a..b@c.de", ".a@b.de", "a@-b.de", "a b@c.de"]],
      hostname: [["a", "a-b.example.org"], ["-a", "a-", "a..b", "a_b", ""]],
      ipv4: [["0.0.0.0", "255.249.199.99"], ["256.0.0.0", "01.0.0.0", "1.2.3"]],
      ipv6: [["::", "::1", "1::", "2001:db8::ff00:42:8329", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::"], [
        "1:2:3:4:5:6:7",
        ":::",
        "1::2::3",
        "1:2:3:4:5:6:7:8:9",
        "12345::",
      ]],
      uuid: [["123e4567-e89b-12d3-a456-426614174000"], [
        "123e4567e89b12d3a456426614174000",
        "123e4567-e89b-12d3-a456-42661417400g",
      ]],
      uri: [["https://example.org:8080/a/b?c=d#e", "mailto:a@b.cd", "urn:isbn:1", "http://a/%20"], [
        "a",
        "/a",
        "http://a b",
        "http://a/%2",
        "http://a#b#c",
      ]],
    };
  for (const [format, [fitting, others]] of Object.entries(examples)) {
    for (const text of fitting) {
      assert(await accepts(model, form({ type: "string", format }), JSON.stringify(text)), text);
    }
    for (const text of others) {
      assert(!await accepts(model, form({ type: "string", format }), JSON.stringify(text)), text);
    }
  }
});

Deno.test("letters are counted as code points, however they are written", async () => {
  const two = form({ type: "string", minLength: 2, maxLength: 2 });
  for (const text of ['"\\u00e4a"', '"\\ud83d\\ude00\\n"', '"🎉🎉"', '"\\/\\""']) {
    assert(await accepts(model, two, text), text);
  }
  for (const text of ['"\\u00e4"', '"\\ud83d\\ude00"', '"abc"', '"\\ud83da"', '"\\u00e4\\u00e4\\u00e4"']) {
    assert(!await accepts(model, two, text), text);
  }
  const long = form({ type: "string", minLength: 100, maxLength: 1000 });
  for (const count of [100, 128, 129, 999, 1000]) {
    assert(await accepts(model, long, `"${"ä".repeat(count)}"`), String(count));
  }
  for (const count of [99, 1001]) {
    assert(!await accepts(model, long, `"${"ä".repeat(count)}"`), String(count));
  }
});

Deno.test("patterns are found anywhere unless anchored, and their letters stand as JSON writes them", async () => {
  await keeps({ type: "string", pattern: "b+" }, ["b", "abbc", '"b\n'], ["", "ac"]);
  await keeps({ type: "string", pattern: '^["\\\\\\n]+$' }, ['"\\\n'], ["", "n", 'a"']);
  await keeps({ type: "string", pattern: "^a|b$", maxLength: 3 }, ["ax", "xxb", "b"], ["xa", "axxx", "bx"]);
  await keeps({ allOf: [{ type: "string", pattern: "a" }, { pattern: "b" }] }, ["ab", "b\u0001a"], [
    "a",
    "bb",
  ]);
  await keeps({ enum: ["a", "ab", "abc"], pattern: "b", maxLength: 2 }, ["ab"], ["a", "abc"]);
});

Deno.test("numbers are held to their bounds digit by digit", async () => {
  await keeps({ type: "integer", minimum: -12, maximum: 105 }, [-12, -9, 0, 99, 105], [-13, -20, 106, 200]);
  await keeps({ type: "integer", minimum: 0, maximum: 2 ** 53 - 1 }, [0, 2 ** 53 - 1], [-1, 2 ** 53]);
  await keeps({ type: "number", exclusiveMinimum: 0, maximum: 1 }, [0.001, 1, 0.999999], [0, 1.001, -0.5]);
  await keeps({ type: "number", minimum: -1.25, exclusiveMaximum: 10.5 }, [-1.25, -1, 0, 10.49], [
    -1.26,
    10.5,
    11,
  ]);
  await keeps({ type: "integer", multipleOf: 7 }, [0, 7, -70, 700007], [1, 8, 71]);
  await keeps({ type: "number", multipleOf: 1000, minimum: 1 }, [1000, 12000], [0, 500, 1001]);
  await keeps({ type: "integer", format: "int32" }, [-(2 ** 31), 5], []);
  assert(!await accepts(model, form({ type: "integer", format: "int32" }), String(2 ** 31)));
});

Deno.test("items have the schemas of their places", async () => {
  const tuple = {
    type: "array",
    prefixItems: [{ type: "string" }, { type: "null" }],
    items: { type: "integer" },
  };
  await keeps({ ...tuple, minItems: 1 }, [["a"], ["a", null], ["a", null, 1, 2]], [[], [1], ["a", 1], [
    "a",
    null,
    "b",
  ]]);
  await keeps({ ...tuple, items: false, minItems: 2 }, [["a", null]], [["a"], ["a", null, 1]]);
  const old = { type: "array", items: [{ type: "string" }, { type: "null" }], additionalItems: false };
  await keeps(old, [[], ["a"], ["a", null]], [[1], ["a", null, 1]]);
});

Deno.test("schemas that name themselves are put together, or refused", async () => {
  const chain = { oneOf: [{ type: "null" }, { type: "object", properties: { n: { $ref: "#/$defs/n" } } }] };
  await keeps({ $defs: { n: chain }, $ref: "#/$defs/n" }, [null, {}, { n: { n: null } }], [1, { n: 1 }]);
  const itself = { oneOf: [{ $ref: "#/$defs/a" }, { $ref: "#/$defs/a" }] };
  refuses({ $defs: { a: itself }, $ref: "#/$defs/a", type: "string" }, '"oneOf"');
  const many = { anyOf: Array.from({ length: 8 }, () => ({ $ref: "#/$defs/a" })) };
  refuses(
    { $defs: { a: many }, oneOf: [{ $ref: "#/$defs/a" }, { $ref: "#/$defs/a" }] },
    "schemas that hold together",
  );
});

Deno.test("what cannot be kept is refused, with its place", () => {
  const within = (schema: Schema) => ({ type: "object", properties: { a: schema } });
  const refused: readonly (readonly [schema: Schema, word: string])[] = [
    [{ type: "string", pattern: "(?=a)b" }, '"pattern"'],
    [{ type: "string", pattern: "^(a{100}){50}$" }, '"pattern"'],
    [{ type: "string", pattern: "^a$", minLength: 2 }, '"pattern"'],
    [{ type: "string", format: "regex" }, '"format"'],
    [{ type: "string", minLength: 3, maxLength: 2 }, '"maxLength"'],
    [{ type: "string", maxLength: -1 }, '"maxLength"'],
    [{ type: "string", maxLength: 1e9 }, '"maxLength"'],
    [{ type: "number", minimum: 1e-7 }, '"minimum"'],
    [{ type: "integer", maximum: 2 ** 60 }, '"maximum"'],
    [{ type: "integer", minimum: 3, maximum: 2 }, "no number fits"],
    [{ type: "number", multipleOf: 0.1 }, '"multipleOf"'],
    [{ type: "integer", multipleOf: 49 }, '"multipleOf"'],
    [{ type: "array", uniqueItems: true }, '"uniqueItems"'],
    [{ type: "object", minProperties: 2 }, '"minProperties"'],
    [{ type: "object", propertyNames: { pattern: "^a" } }, '"propertyNames"'],
    [{ oneOf: [{ type: "integer" }, { type: "number" }] }, '"oneOf"'],
    [{ not: {} }, '"not"'],
  ];
  for (const [schema, word] of refused) refuses(within(schema), word, "#/properties/a");
});

const KEYWORDS = [
  ...["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "nullable", "properties", "required"],
  ...["additionalProperties", "minProperties", "maxProperties", "propertyNames", "items", "prefixItems"],
  ...[
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
    "pattern",
    "format",
  ],
  ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
];

/** Whether ajv lets a value through; `undefined` where it does not take the schema. */
function judgement(schema: Schema, value: unknown): boolean | undefined {
  try {
    return validatorOf(schema)(value);
  } catch {
    return undefined;
  }
}

Deno.test("whatever stands behind the keywords, a schema is kept or refused as a mistake", async () => {
  const { schema: scraps } = fc.letrec<{ schema: unknown; value: unknown }>((tie) => ({
    schema: fc.dictionary(fc.constantFrom(...KEYWORDS), tie("value"), { maxKeys: 4 }),
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom<unknown>(
        0,
        1,
        -1,
        2.5,
        3,
        true,
        false,
        null,
        "string",
        "integer",
        "date",
        "a+",
        "#",
        "#/items",
      ),
      fc.constantFrom<unknown>("object", "array", "#/anyOf/0", ["a"], ["string", "null"], 1e300, "(", {}),
      tie("schema"),
      fc.array(tie("schema"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b"), tie("schema"), { maxKeys: 2 }),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(scraps.map((one) => JSON.parse(JSON.stringify(one))), fc.nat(), async (schema, seed) => {
      try {
        const some: Schema = schema;
        const { text, isWhole } = await walk(model, form(some), {
          draw: seededDraw(seed),
          soon: 3,
          most: 200,
        });
        if (!isWhole || text.includes("\ufffd")) return;
        assert(judgement(some, JSON.parse(text)) !== false, `${text} of ${JSON.stringify(schema)}`);
      } catch (error) {
        assert(error instanceof NodeError && error.code === "usage", String(error));
      }
    }),
    { numRuns: 1500 },
  );
});
