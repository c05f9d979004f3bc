/**
 * Schemas that several keywords make together: references with something beside them, `allOf`, `oneOf`.
 *
 * @module
 */
import { isJsonObject, type JsonObject } from "../../model/json_file.ts";
import { resolvePointer, schemaFault as fault } from "./schema_places.ts";

/** A schema as keywords that say what they say by themselves, and choices that hold beside them. */
export interface FlatSchema {
  readonly simple: JsonObject;
  readonly choices: readonly Alternatives[];
}

/** Schemas one of which must fit. */
export interface Alternatives {
  readonly keyword: "anyOf" | "oneOf" | "nullable";
  readonly options: readonly unknown[];
}

/** Keywords that say nothing of which values fit, or are looked up where they stand. */
export const ANNOTATIONS: ReadonlySet<string> = new Set([
  ...[
    "title",
    "description",
    "default",
    "examples",
    "example",
    "$schema",
    "$id",
    "$comment",
    "$anchor",
    "$defs",
  ],
  ...["definitions", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType"],
  ...["contentSchema", "discriminator", "externalDocs", "xml", "id", "$vocabulary"],
]);

/** What references lead into. */
export interface SchemaDocument {
  readonly whole: unknown;
  /** Schemas that may still be put together: the same ones are looked at again wherever they are named. */
  left: number;
}

/** The document of a schema, of which nothing is looked at yet. */
export const documentOf = (whole: unknown): SchemaDocument => ({ whole, left: MAX_LOOKED_AT });

/** Schemas that are looked at in all. */
const MAX_LOOKED_AT = 10_000;
/** References and schemas that hold together. */
const MAX_TOGETHER = 64;
/** Choices whose branches are compared one with another. */
const MAX_COMPARED = 100;
/** Choices within choices that are looked into for types. */
const MAX_LOOK = 4;

/**
 * All that `schema` says of a value itself, references followed. `path` is told in failures. Throws `NodeError` `usage` for
 * what cannot hold together.
 */
export function flattened(schema: JsonObject, document: SchemaDocument, path: string): FlatSchema {
  const { simple, choices } = new Flattening(document, path).of(schema);
  const around = { document, path, type: simple["type"] };
  return {
    simple,
    choices: choices.map(({ keyword, options }) => ({
      keyword,
      options: keyword === "oneOf" ? exclusive(options, around) : options,
    })),
  };
}

class Flattening {
  readonly #document: SchemaDocument;
  readonly #path: string;
  readonly #choices: Alternatives[] = [];
  #simple: JsonObject = {};
  #count = 0;

  constructor(document: SchemaDocument, path: string) {
    this.#document = document;
    this.#path = path;
  }

  of(schema: JsonObject): FlatSchema {
    this.#add(schema);
    return { simple: this.#simple, choices: this.#choices };
  }

  #add(schema: unknown): void {
    const path = this.#path;
    if (schema === true) return;
    if (!isJsonObject(schema)) {
      throw fault(`what stands at ${path} lets nothing through`, "a schema that does");
    }
    if (++this.#count > MAX_TOGETHER) {
      throw fault(
        `more than ${MAX_TOGETHER} schemas hold together at ${path}`,
        "fewer, and none that names itself",
      );
    }
    if (--this.#document.left < 0) {
      throw fault(`it has more than ${MAX_LOOKED_AT} schemas that hold together`, "fewer");
    }
    const { $ref: pointer, allOf, anyOf, oneOf, nullable, ...rest } = schema;
    if (nullable === true) {
      const { nullable: _nullable, ...other } = schema;
      const listed = "const" in other ? [other["const"]] : other["enum"];
      // what may be null besides, in OpenAPI's words; of values that are listed null is one, or none
      if (Array.isArray(listed)) this.#add(other);
      else this.#choices.push({ keyword: "nullable", options: [other, { type: "null" }] });
      return;
    }
    this.#simple = together(this.#simple, rest, path);
    if (pointer !== undefined) this.#add(resolvePointer(this.#document.whole, pointer, path));
    if (allOf !== undefined) listOf(allOf, "allOf", path).forEach((one) => this.#add(one));
    if (anyOf !== undefined) {
      this.#choices.push({ keyword: "anyOf", options: listOf(anyOf, "anyOf", path) });
    }
    if (oneOf !== undefined) {
      this.#choices.push({ keyword: "oneOf", options: listOf(oneOf, "oneOf", path) });
    }
  }
}

function listOf(value: unknown, keyword: string, path: string): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0 && value.length <= 1000) return value;
  throw fault(`"${keyword}" at ${path} is no such list`, "1 to 1000 entries");
}

/** The keywords of both, so that what fits the result fits both of them. */
function together(one: JsonObject, other: JsonObject, path: string): JsonObject {
  const all: JsonObject = { ...one };
  for (const [keyword, value] of Object.entries(other)) {
    if (["properties", "additionalProperties", "items", "prefixItems"].includes(keyword)) continue;
    all[keyword] = keyword in one ? joined(keyword, one[keyword], value, path) : value;
  }
  return { ...all, ...propertiesOf(one, other, path), ...itemsOf(one, other) };
}

const isNumber = (value: unknown): value is number => typeof value === "number";

function joined(keyword: string, one: unknown, other: unknown, path: string): unknown {
  if (one === other || JSON.stringify(one) === JSON.stringify(other)) return one;
  switch (keyword) {
    case "minimum":
    case "exclusiveMinimum":
    case "minLength":
    case "minItems":
    case "minProperties":
      if (isNumber(one) && isNumber(other)) return Math.max(one, other);
      break;
    case "maximum":
    case "exclusiveMaximum":
    case "maxLength":
    case "maxItems":
    case "maxProperties":
      if (isNumber(one) && isNumber(other)) return Math.min(one, other);
      break;
    case "type":
      return commonTypes(one, other, path);
    case "required":
      if (Array.isArray(one) && Array.isArray(other)) return [...new Set([...one, ...other])];
      break;
    case "enum":
      if (Array.isArray(one) && Array.isArray(other)) {
        const texts = new Set(other.map((value) => JSON.stringify(value)));
        return one.filter((value) => texts.has(JSON.stringify(value)));
      }
      break;
    case "pattern":
      return [one, other].flat();
    case "multipleOf":
      if (isNumber(one) && isNumber(other) && one % other === 0) return one;
      if (isNumber(one) && isNumber(other) && other % one === 0) return other;
      break;
    case "uniqueItems":
      return one === true || other === true;
    default:
      if (ANNOTATIONS.has(keyword) || keyword.startsWith("x-")) return one;
  }
  throw fault(`two different "${keyword}" hold together at ${path}`, "one of them");
}

function commonTypes(one: unknown, other: unknown, path: string): readonly unknown[] {
  const left = [one].flat(), right = [other].flat();
  const isWithin = (type: unknown, types: readonly unknown[]) =>
    types.includes(type) || (type === "integer" && types.includes("number"));
  const common = [
    ...left.filter((type) => isWithin(type, right)),
    ...right.filter((type) => !left.includes(type) && isWithin(type, left)),
  ];
  if (common.length === 0) {
    throw fault(`"type" at ${path} contradicts the one around it`, "one of its types");
  }
  return common;
}

function propertiesOf(one: JsonObject, other: JsonObject, path: string): JsonObject {
  const has = (schema: JsonObject) => "properties" in schema || "additionalProperties" in schema;
  if (!has(one) || !has(other)) {
    const { properties, additionalProperties } = has(one) ? one : other;
    return {
      ...(properties !== undefined && { properties }),
      ...(additionalProperties !== undefined && { additionalProperties }),
    };
  }
  const left = one["properties"] ?? {}, right = other["properties"] ?? {};
  if (!isJsonObject(left) || !isJsonObject(right)) {
    throw fault(`"properties" at ${path} is none`, "an object of schemas");
  }
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  const says = (schema: JsonObject, properties: JsonObject, name: string) =>
    Object.hasOwn(properties, name) ? properties[name] : schema["additionalProperties"];
  const further = both(one["additionalProperties"], other["additionalProperties"]);
  return {
    properties: Object.fromEntries(
      names.map((name) => [name, both(says(one, left, name), says(other, right, name)) ?? true]),
    ),
    ...(further !== undefined && { additionalProperties: further }),
  };
}

function itemsOf(one: JsonObject, other: JsonObject): JsonObject {
  const left = tupleOf(one), right = tupleOf(other);
  const items = both(left.items, right.items);
  const length = Math.max(left.first.length, right.first.length);
  const first = Array.from(
    { length },
    (_, i) =>
      both(
        i < left.first.length ? left.first[i] : left.items,
        i < right.first.length ? right.first[i] : right.items,
      ),
  );
  return {
    ...(items !== undefined && { items }),
    ...(length > 0 && { prefixItems: first.map((one) => one ?? true) }),
  };
}

/** Items by their places, also as drafts before 2020-12 write them. */
function tupleOf({ items, prefixItems, additionalItems }: JsonObject): {
  readonly first: readonly unknown[];
  readonly items: unknown;
} {
  if (Array.isArray(items)) return { first: items, items: additionalItems };
  return { first: Array.isArray(prefixItems) ? prefixItems : [], items };
}

/** What fits both schemas. */
function both(one: unknown, other: unknown): unknown {
  if (one === undefined || one === true) return other ?? one;
  if (other === undefined || other === true) return one;
  if (one === false || other === false) return false;
  return one === other || JSON.stringify(one) === JSON.stringify(other) ? one : { allOf: [one, other] };
}

/** Where branches stand. */
interface Around {
  readonly document: SchemaDocument;
  readonly path: string;
  /** The type that is said beside them. */
  readonly type: unknown;
}

/** The branches of a `oneOf`, of which no value fits two. */
function exclusive(branches: readonly unknown[], around: Around): readonly unknown[] {
  const { path } = around;
  if (branches.length === 1) return branches;
  if (branches.length > MAX_COMPARED) {
    throw fault(`"oneOf" at ${path} has ${branches.length} entries`, `${MAX_COMPARED}`);
  }
  const views = branches.map((branch) => viewOf(branch, around));
  const needed = branches.map(() => new Set<string>());
  for (const [i, one] of views.entries()) {
    for (const [k, other] of views.entries()) {
      if (k >= i) break;
      if (areApart(one, other)) continue;
      const tag = [...one.tags.keys()].find((name) => areApartAt(one.tags.get(name), other.tags.get(name)));
      if (tag === undefined || !one.isObject || !other.isObject) {
        throw fault(
          `"oneOf" at ${path} has entries ${k} and ${i} that one value may fit`,
          'entries of different types or constants, or "anyOf"',
        );
      }
      needed[i]!.add(tag);
      needed[k]!.add(tag);
    }
  }
  // without the property that tells them apart a value could fit two
  return branches.map((branch, i) =>
    needed[i]!.size === 0 ? branch : { allOf: [branch, { required: [...needed[i]!] }] }
  );
}

/** What tells a branch from others. */
interface View {
  /** Types, integers as numbers; any without it. */
  readonly types: ReadonlySet<string> | undefined;
  /** Values as JSON; any without it. */
  readonly values: ReadonlySet<string> | undefined;
  readonly isObject: boolean;
  /** Values of properties that have few. */
  readonly tags: ReadonlyMap<string, ReadonlySet<string>>;
}

function viewOf(branch: unknown, around: Around, depth = 0): View {
  const { document, path } = around;
  if (depth > MAX_LOOK) return { types: undefined, values: undefined, isObject: false, tags: new Map() };
  const { simple, choices } = flattenedAny(branch, document, path);
  const { type = around.type, properties } = simple;
  const values = valuesOf(simple);
  const stated = [type].flat();
  const own = stated.every((one) => typeof one === "string") ? stated : undefined;
  const branches = choices[0]?.options.map((one) => viewOf(one, { ...around, type }, depth + 1).types);
  const types = own ?? (values && [...values].map((text) => typeName(JSON.parse(text)))) ??
    (branches?.every((one) => one !== undefined) ? branches.flatMap((one) => [...one!]) : undefined);
  const names = types && new Set(types.map((one) => one === "integer" ? "number" : String(one)));
  const tags = new Map<string, ReadonlySet<string>>();
  for (const [name, property] of Object.entries(isJsonObject(properties) ? properties : {})) {
    const values = isJsonObject(property)
      ? valuesOf(flattenedAny(property, document, path).simple)
      : undefined;
    if (values !== undefined) tags.set(name, values);
  }
  return { types: names, values, isObject: names?.size === 1 && names.has("object"), tags };
}

/** The same as {@linkcode flattened}, whatever stands there; entries of a `oneOf` are not compared. */
function flattenedAny(schema: unknown, document: SchemaDocument, path: string): FlatSchema {
  if (schema === true) return { simple: {}, choices: [] };
  if (!isJsonObject(schema)) throw fault(`what stands at ${path} is no schema`, "an object or true");
  return new Flattening(document, path).of(schema);
}

function valuesOf(simple: JsonObject): ReadonlySet<string> | undefined {
  const list = "const" in simple ? [simple["const"]] : simple["enum"];
  return Array.isArray(list) ? new Set(list.map((value) => JSON.stringify(value))) : undefined;
}

const typeName = (value: unknown) => value === null ? "null" : Array.isArray(value) ? "array" : typeof value;

function areApart(one: View, other: View): boolean {
  return areApartAt(one.types, other.types) || areApartAt(one.values, other.values);
}

const areApartAt = (one?: ReadonlySet<string>, other?: ReadonlySet<string>) =>
  one !== undefined && other !== undefined && one.isDisjointFrom(other);
