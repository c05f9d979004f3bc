/** Tools, and calls of them. */
import fc from "fast-check";
import type { JsonObject } from "../../../src/model/json_file.ts";

const names = fc.constantFrom("a", "ab", "find", "web-search", "x.call", "_9");
const argumentNames = fc.constantFrom("q", "qs", "city", "True", "n_1", "from");
const strings = fc.oneof(
  fc.string(),
  fc.constantFrom("it's", '"', "\\", "\n\t", "größe 🎉", "]", "), f(", "\\n"),
);

/** A schema, and values that fit it. */
interface Kind {
  readonly schema: JsonObject;
  readonly value: fc.Arbitrary<unknown>;
}

const kinds: fc.Arbitrary<Kind> = fc.letrec<{ kind: Kind }>((tie) => ({
  kind: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<Kind>(
      { schema: { type: "string" }, value: strings },
      { schema: { type: "integer" }, value: fc.integer() },
      { schema: { type: "number" }, value: fc.integer().map((whole) => whole / 8) },
      { schema: { type: "boolean" }, value: fc.boolean() },
      { schema: { type: ["null", "string"] }, value: fc.option(strings) },
      {
        schema: { enum: ["q\"'\\", 1.5, null, [true], { "k\n": 1 }] },
        value: fc.constantFrom("q\"'\\", 1.5, null, [true], { "k\n": 1 }),
      },
      { schema: { type: "object" }, value: fc.dictionary(fc.constantFrom("k", "größe", ""), fc.boolean()) },
    ),
    tie("kind").map(({ schema, value }) => ({
      schema: { type: "array", items: schema, maxItems: 3 },
      value: fc.array(value, { maxLength: 3 }),
    })),
    tie("kind").map(({ schema, value }) => ({
      schema: {
        type: "object",
        properties: { "a b": schema, c: { $ref: "#/$defs/one" } },
        required: ["a b"],
      },
      value: value.map((inner) => ({ "a b": inner })),
    })),
  ),
})).kind;

/** A tool, and arguments that fit it. */
const tools = fc.record({
  name: names,
  kinds: fc.dictionary(argumentNames, kinds, { maxKeys: 4 }),
  needed: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
}).map(({ name, kinds, needed }) => {
  const entries = Object.entries(kinds);
  const required = entries.map(([key]) => key).filter((_, i) => needed[i]);
  const parameters = {
    type: "object",
    properties: Object.fromEntries(entries.map(([key, { schema }]) => [key, schema])),
    required,
    additionalProperties: false,
    $defs: { one: { type: "integer" } },
  };
  const given = fc.record(Object.fromEntries(entries.map(([key, { value }]) => [key, value])), {
    requiredKeys: required,
  });
  return { name, parameters, given };
});

/** Tools of different names. */
export const toolLists = fc.uniqueArray(tools, { minLength: 1, maxLength: 3, selector: ({ name }) => name });

/** Tools, and 1 to `most` calls that fit them. */
export const callsOf = (most: number) =>
  toolLists.chain((list) =>
    fc.record({
      list: fc.constant(list),
      calls: fc.array(
        fc.nat().chain((at) => {
          const { name, given } = list[at % list.length]!;
          return fc.record({ name: fc.constant(name), given });
        }),
        { minLength: 1, maxLength: most },
      ),
    })
  );
