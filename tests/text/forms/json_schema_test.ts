import { assert, assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { readSchema } from "../../../src/text/forms/json_schema.ts";

function refuses(schema: unknown, ...words: string[]): void {
  const error = assertThrows(() => readSchema(schema), NodeError);
  assertEquals(error.code, "usage");
  for (const word of words) assert(error.message.includes(word), `${word} in: ${error.message}`);
}

Deno.test("readSchema names the keyword that is not supported, and its place", () => {
  const unsupported = ["not", "if", "contains", "patternProperties", "dependentRequired", "unevaluatedItems"];
  for (const keyword of unsupported) refuses({ [keyword]: 1 }, `"${keyword}"`, "at #");
  const deep = { properties: { "a/b": { items: { anyOf: [{ type: "string" }, { contains: {} }] } } } };
  refuses(deep, '"contains"', "#/properties/a~1b/items/anyOf/1");
  const inDefinition = { $ref: "#/$defs/a", $defs: { a: { items: { not: {} } } } };
  refuses(inDefinition, '"not"', "#/$defs/a/items");
});

Deno.test("readSchema takes annotations for what they are", () => {
  const notes = {
    title: "t",
    description: "d",
    default: 1,
    examples: [1],
    $comment: "c",
    format: "password",
    discriminator: { propertyName: "p" },
    "x-a": 1,
  };
  assertEquals(readSchema({ ...notes, type: "string", $schema: "s", $id: "i" }).root, {
    kind: "scalar",
    type: "string",
  });
});

Deno.test("readSchema holds enum and const to the type beside them", () => {
  const { root } = readSchema({ type: ["integer", "null"], enum: ["a", 1, 1.5, null] });
  assertEquals(root, { kind: "literals", texts: ["1", "null"] });
  assertEquals(readSchema({ const: { a: [1] } }).root, { kind: "literals", texts: ['{"a":[1]}'] });
  refuses({ type: "string", enum: [1] }, '"enum"');
});

Deno.test("readSchema passes the type around anyOf on to its branches", () => {
  const { root } = readSchema({ type: ["number", "null"], anyOf: [{ type: ["string", "integer"] }, {}] });
  assertEquals(root, {
    kind: "choice",
    options: [
      { kind: "scalar", type: "integer" },
      { kind: "choice", options: [{ kind: "scalar", type: "null" }, { kind: "scalar", type: "number" }] },
    ],
  });
  refuses({ type: "string", anyOf: [{ type: "null" }] }, "#/anyOf/0");
});

Deno.test("readSchema refuses keywords that only together say what is meant", () => {
  refuses({ $ref: "#", type: "object" }, "none that names itself");
  refuses({ allOf: [{ format: "date" }, { format: "time" }] }, 'two different "format"', "at #");
  refuses({ oneOf: [{ type: "string" }, { maxLength: 3 }] }, '"oneOf" at #');
  refuses({ enum: [{}], required: ["a"] }, '"required" beside "enum"');
});

Deno.test("readSchema closes objects that list their properties, and leaves others open", () => {
  const closed = readSchema({ properties: { a: { type: "null" } } }).root;
  assert(closed.kind === "object" && closed.additional === undefined);
  for (const schema of [{ type: "object" }, { properties: { a: true }, additionalProperties: true }]) {
    const open = readSchema(schema).root;
    assert(open.kind === "object" && open.additional?.kind === "any");
  }
  const typed = readSchema({ additionalProperties: { type: "string" }, required: ["a"] }).root;
  assert(typed.kind === "object");
  assertEquals(typed.properties, [{
    name: "a",
    value: { kind: "scalar", type: "string" },
    isRequired: true,
  }]);
  refuses({ additionalProperties: false, required: ["a"] }, '"a"');
});

Deno.test("readSchema follows references by pointer, recursive ones too", () => {
  const tree = {
    $ref: "#/definitions/a~1b%20c",
    definitions: { "a/b c": { type: "array", items: { $ref: "#/definitions/a~1b%20c" } } },
  };
  const { root, definitions } = readSchema(tree);
  assertEquals(root, { kind: "ref", pointer: "#/definitions/a~1b%20c" });
  assertEquals([...definitions.keys()], ["#/definitions/a~1b%20c"]);
  assertEquals(readSchema({ properties: { next: { $ref: "#" } } }).definitions.has("#"), true);
  refuses({ $ref: "#/$defs/none" }, "#/$defs/none");
  refuses({ $ref: "https://example.org/schema" }, '"$ref"');
  refuses({ $ref: "#/toString" }, "#/toString");
});

Deno.test("readSchema refuses what is no schema, or too large", () => {
  for (const schema of [null, 1, "a", [], undefined]) refuses(schema, "at #");
  refuses(false, "false at #");
  refuses({ type: "text" }, '"type" at #');
  refuses({ type: [] }, '"type" at #');
  refuses({ properties: [] }, '"properties"');
  refuses({ required: [1] }, '"required"');
  refuses({ enum: [] }, '"enum"');
  refuses({ anyOf: {} }, '"anyOf"');
  refuses({ items: [{}, 1] }, "#/prefixItems/1");
  for (const minItems of [-1, 1.5, "1", 100_000]) refuses({ minItems }, '"minItems"');
  refuses({ minItems: 3, maxItems: 2 }, '"maxItems"');
  let deep: unknown = {};
  for (let i = 0; i < 40; i++) deep = { items: deep };
  refuses(deep, "deep");
  refuses({ description: "x".repeat(70_000) }, "70018 characters");
  const many = Object.fromEntries(Array.from({ length: 2100 }, (_, i) => [`p${i}`, {}]));
  refuses({ properties: many }, "schemas");
});
