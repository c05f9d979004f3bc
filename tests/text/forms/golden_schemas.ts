/** JSON schemas as clients write them, and values that fit. */
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

/** A schema with values that fit it, and others. */
export interface Golden {
  readonly schema: Record<string, unknown>;
  readonly fitting: readonly unknown[];
  readonly others: readonly unknown[];
}

/** What `model_json_schema()` of pydantic 2.14.4 writes. */
const PYDANTIC = {
  "person": {
    "$defs": {
      "Address": {
        "properties": {
          "street": { "maxLength": 200, "title": "Street", "type": "string" },
          "zip": { "pattern": "^\\d{5}(-\\d{4})?$", "title": "Zip", "type": "string" },
          "country": {
            "default": "DE",
            "maxLength": 2,
            "minLength": 2,
            "pattern": "^[A-Z]+$",
            "title": "Country",
            "type": "string",
          },
        },
        "required": ["street", "zip"],
        "title": "Address",
        "type": "object",
      },
      "Color": { "enum": ["red", "blue"], "title": "Color", "type": "string" },
    },
    "properties": {
      "id": { "format": "uuid", "title": "Id", "type": "string" },
      "name": {
        "description": "full name",
        "maxLength": 50,
        "minLength": 1,
        "title": "Name",
        "type": "string",
      },
      "age": { "maximum": 130, "minimum": 0, "title": "Age", "type": "integer" },
      "height": {
        "anyOf": [{ "exclusiveMaximum": 3, "exclusiveMinimum": 0, "type": "number" }, { "type": "null" }],
        "default": null,
        "title": "Height",
      },
      "kind": { "default": "a", "enum": ["a", "b"], "title": "Kind", "type": "string" },
      "color": { "$ref": "#/$defs/Color", "default": "red" },
      "home": { "$ref": "#/$defs/Address" },
      "work": {
        "anyOf": [{ "$ref": "#/$defs/Address" }, { "type": "null" }],
        "default": null,
        "description": "where",
      },
      "born": { "format": "date", "title": "Born", "type": "string" },
      "seen": { "format": "date-time", "title": "Seen", "type": "string" },
      "tags": {
        "items": { "maxLength": 20, "type": "string" },
        "maxItems": 5,
        "title": "Tags",
        "type": "array",
      },
      "pair": {
        "maxItems": 2,
        "minItems": 2,
        "prefixItems": [{ "type": "integer" }, { "type": "string" }],
        "title": "Pair",
        "type": "array",
      },
      "scores": {
        "additionalProperties": { "multipleOf": 5, "type": "integer" },
        "default": {},
        "title": "Scores",
        "type": "object",
      },
    },
    "required": ["id", "name", "age", "home", "born", "seen", "pair"],
    "title": "A person",
    "type": "object",
  },
  "pets": {
    "$defs": {
      "Cat": {
        "properties": {
          "t": { "const": "cat", "default": "t", "title": "T", "type": "string" },
          "lives": { "maximum": 9, "minimum": 1, "title": "Lives", "type": "integer" },
        },
        "required": ["lives"],
        "title": "Cat",
        "type": "object",
      },
      "Dog": {
        "properties": {
          "t": { "const": "dog", "title": "T", "type": "string" },
          "weight": { "maximum": 99.5, "minimum": 0.5, "title": "Weight", "type": "number" },
        },
        "required": ["t", "weight"],
        "title": "Dog",
        "type": "object",
      },
    },
    "properties": {
      "pet": {
        "discriminator": { "mapping": { "cat": "#/$defs/Cat", "dog": "#/$defs/Dog" }, "propertyName": "t" },
        "oneOf": [{ "$ref": "#/$defs/Cat" }, { "$ref": "#/$defs/Dog" }],
        "title": "Pet",
      },
    },
    "required": ["pet"],
    "title": "Pets",
    "type": "object",
  },
  "node": {
    "$defs": {
      "Node": {
        "properties": {
          "value": { "title": "Value", "type": "integer" },
          "children": {
            "default": [],
            "items": { "$ref": "#/$defs/Node" },
            "maxItems": 3,
            "title": "Children",
            "type": "array",
          },
        },
        "required": ["value"],
        "title": "Node",
        "type": "object",
      },
    },
    "$ref": "#/$defs/Node",
  },
  "times": {
    "properties": {
      "t": { "format": "time", "title": "T", "type": "string" },
      "d": { "format": "duration", "title": "D", "type": "string" },
      "p": { "exclusiveMinimum": 0, "title": "P", "type": "integer" },
      "u": { "format": "uri", "minLength": 1, "title": "U", "type": "string" },
    },
    "required": ["t", "d", "p", "u"],
    "title": "Times",
    "type": "object",
  },
  "article": {
    "properties": {
      "title": { "maxLength": 100, "title": "Title", "type": "string" },
      "summary": { "maxLength": 500, "title": "Summary", "type": "string" },
      "body": { "maxLength": 5000, "minLength": 10, "title": "Body", "type": "string" },
      "mail": { "format": "email", "title": "Mail", "type": "string" },
    },
    "required": ["title", "summary", "body", "mail"],
    "title": "Article",
    "type": "object",
  },
};

const HOME = { street: "Am Markt 1", zip: "12345-6789" };
const PERSON = {
  id: "123e4567-e89b-12d3-a456-426614174000",
  name: "Ada Lovelace",
  age: 36,
  height: 1.65,
  kind: "b",
  color: "blue",
  home: { ...HOME, country: "GB" },
  work: null,
  born: "1815-12-10",
  seen: "2024-02-29T10:00:00.123Z",
  tags: ["größe", "b"],
  pair: [1, "x"],
  scores: { a: 15, b: 0 },
};

const user = z.object({
  id: z.uuid(),
  mail: z.email(),
  name: z.string().min(1).max(50),
  age: z.int().min(0).max(130),
  height: z.number().positive().lt(3).nullable(),
  kind: z.enum(["a", "b"]),
  tag: z.literal("x"),
  list: z.array(z.string().regex(/^\d{3}$/)).min(1).max(3),
  pair: z.tuple([z.string(), z.number()]),
  day: z.iso.date(),
  at: z.iso.datetime(),
  step: z.number().multipleOf(5),
  address: z.ipv4(),
  pet: z.discriminatedUnion("t", [
    z.object({ t: z.literal("cat"), lives: z.int() }),
    z.object({ t: z.literal("dog"), name: z.string() }),
  ]),
});
const USER = {
  id: "123e4567-e89b-42d3-a456-426614174000",
  mail: "ada@example.org",
  name: "Ada",
  age: 36,
  height: null,
  kind: "a",
  tag: "x",
  list: ["123"],
  pair: ["x", -1.5],
  day: "2024-02-29",
  at: "2024-02-29T10:00:00Z",
  step: 15,
  address: "127.0.0.1",
  pet: { t: "dog", name: "Rex" },
};
const wrongUsers = [
  { ...USER, mail: "ada" },
  { ...USER, name: "" },
  { ...USER, name: "a".repeat(51) },
  { ...USER, age: 131 },
  { ...USER, height: 3 },
  { ...USER, list: ["12"] },
  { ...USER, day: "2023-02-29" },
  { ...USER, step: 16 },
  { ...USER, address: "127.0.0.256" },
  { ...USER, pet: { t: "cat", name: "Rex" } },
];
/** OpenAI's strict form has no tuples. */
const withoutPair = ({ pair: _pair, ...others }: typeof USER | (typeof wrongUsers)[number]) => others;
const responseFormat = zodResponseFormat(user.omit({ pair: true }), "user").json_schema.schema!;

/** By who wrote the schema. */
export const GOLDEN: Readonly<Record<string, Golden>> = {
  "pydantic, a model of most types": {
    schema: PYDANTIC.person,
    fitting: [PERSON, {
      id: PERSON.id,
      name: "🎉".repeat(50),
      age: 0,
      home: HOME,
      born: "2000-01-01",
      seen: "2000-01-01T00:00:00+01:00",
      pair: [-1, ""],
    }],
    others: [
      { ...PERSON, id: "1" },
      { ...PERSON, name: "a".repeat(51) },
      { ...PERSON, name: "" },
      { ...PERSON, age: -1 },
      { ...PERSON, height: 0 },
      { ...PERSON, home: { ...HOME, zip: "1234" } },
      { ...PERSON, home: { ...HOME, country: "gb" } },
      { ...PERSON, born: "1900-02-29" },
      { ...PERSON, tags: ["a".repeat(21)] },
      { ...PERSON, tags: ["", "", "", "", "", ""] },
      { ...PERSON, pair: [1] },
      { ...PERSON, pair: [1, "x", 2] },
      { ...PERSON, scores: { a: 7 } },
    ],
  },
  "pydantic, a union by a tag": {
    schema: PYDANTIC.pets,
    fitting: [{ pet: { t: "cat", lives: 9 } }, { pet: { t: "dog", weight: 99.5 } }],
    others: [{ pet: { t: "cat", lives: 10 } }, { pet: { t: "dog", weight: 0.49 } }, {
      pet: { t: "dog", lives: 9 },
    }],
  },
  "pydantic, a tree": {
    schema: PYDANTIC.node,
    fitting: [{ value: 1, children: [{ value: 2 }, { value: 3, children: [] }] }],
    others: [{ value: 1, children: Array(4).fill({ value: 2 }) }],
  },
  "pydantic, times": {
    schema: PYDANTIC.times,
    fitting: [{ t: "10:00:00Z", d: "P1DT2H", p: 1, u: "https://example.org/a?b=c#d" }],
    others: [
      { t: "24:00:00Z", d: "P1D", p: 1, u: "a:b" },
      { t: "10:00:00Z", d: "P", p: 1, u: "a:b" },
      { t: "10:00:00Z", d: "P1D", p: 0, u: "a:b" },
      { t: "10:00:00Z", d: "P1D", p: 1, u: "a b" },
    ],
  },
  "pydantic, long texts": {
    schema: PYDANTIC.article,
    fitting: [{
      title: "a".repeat(100),
      summary: "\n".repeat(500),
      body: "ä".repeat(5000),
      mail: "a.b@c-d.example",
    }],
    others: [
      { title: "a".repeat(101), summary: "", body: "a".repeat(10), mail: "a@b.cd" },
      { title: "", summary: "\n".repeat(501), body: "a".repeat(10), mail: "a@b.cd" },
      { title: "", summary: "", body: "a".repeat(9), mail: "a@b.cd" },
    ],
  },
  "zod": { schema: z.toJSONSchema(user), fitting: [USER], others: wrongUsers },
  "OpenAI's client with zod": {
    schema: responseFormat,
    fitting: [withoutPair(USER)],
    others: wrongUsers.map(withoutPair),
  },
};
