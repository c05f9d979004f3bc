/**
 * JSON schemas, read into what an answer can be held to.
 *
 * @module
 */
import { isJsonObject, type JsonObject } from "../model/json_file.ts";
import { NodeError } from "../base/errors.ts";

/** Types of JSON Schema. */
export type JsonType = "null" | "boolean" | "integer" | "number" | "string" | "array" | "object";

/** A property that is named. */
export interface Property {
  readonly name: string;
  readonly value: SchemaNode;
  readonly isRequired: boolean;
}

/** What a schema says of a value. Every value that fits it fits the schema; the reverse need not hold. */
export type SchemaNode =
  | { readonly kind: "any" }
  /** One of some values, as JSON text. */
  | { readonly kind: "literals"; readonly texts: readonly string[] }
  | { readonly kind: "scalar"; readonly type: "null" | "boolean" | "integer" | "number" | "string" }
  | {
    readonly kind: "object";
    readonly properties: readonly Property[];
    /** Names that no further property has. */
    readonly taken: readonly string[];
    /** Values of further properties; none may come without it. */
    readonly additional?: SchemaNode;
  }
  | { readonly kind: "array"; readonly items: SchemaNode; readonly least: number; readonly most?: number }
  | { readonly kind: "choice"; readonly options: readonly SchemaNode[] }
  /** What `definitions` hold under `pointer`. */
  | { readonly kind: "ref"; readonly pointer: string };

/** A schema that can be kept. */
export interface ReadSchema {
  readonly root: SchemaNode;
  /** By pointer, such as `#/$defs/node`. */
  readonly definitions: ReadonlyMap<string, SchemaNode>;
}

/** Keywords that say what a value is. */
export const CONSTRAINTS: ReadonlySet<string> = new Set([
  "type",
  "enum",
  "const",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "minItems",
  "maxItems",
  "anyOf",
  "$ref",
]);
/** Keywords that say nothing of which values fit; `format` is one of them by default (JSON Schema 2020-12, 7.2.1). */
const ANNOTATIONS: ReadonlySet<string> = new Set([
  "title",
  "description",
  "default",
  "examples",
  "$schema",
  "$id",
  "$comment",
  "$anchor",
  "$defs",
  "definitions",
  "deprecated",
  "readOnly",
  "writeOnly",
  "format",
  "contentEncoding",
  "contentMediaType",
]);
const TYPES: readonly JsonType[] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const isType = (value: unknown): value is JsonType => TYPES.some((type) => type === value);

/** Schemas within schemas. */
const MAX_DEPTH = 32;
/** Schemas in all. */
const MAX_SCHEMAS = 2000;
/** Values of an `enum`, or branches of an `anyOf`. */
const MAX_CHOICES = 1000;
/** Items that are counted. */
const MAX_ITEMS = 1000;
/** Characters of the whole, as JSON. */
const MAX_CHARACTERS = 64 * 1024;

/**
 * Reads a schema. Throws `NodeError` `usage` with the keyword that is not supported, or wrong, and where it stands.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(readSchema({ type: "string" }).root, { kind: "scalar", type: "string" });
 * assertThrows(() => readSchema({ type: "string", pattern: "^a" }), Error, '"pattern" at #');
 * ```
 */
export function readSchema(schema: unknown): ReadSchema {
  const size = JSON.stringify(schema)?.length ?? 0;
  if (size > MAX_CHARACTERS) {
    throw fault(`it has ${size} characters`, `at most ${MAX_CHARACTERS}`);
  }
  return new Reader(schema).read();
}

const fault = (what: string, wanted: string) =>
  new NodeError("usage", `Cannot keep the JSON schema: ${what}, wanted ${wanted}`);

/** Where a schema stands, and what it may be. */
interface Place {
  readonly path: string;
  readonly depth: number;
  /** Types that a schema around it leaves. */
  readonly types?: readonly JsonType[] | undefined;
}

class Reader {
  readonly #document: unknown;
  readonly #definitions = new Map<string, SchemaNode>();
  /** Pointers that are named and not read yet. */
  readonly #named: string[] = [];
  readonly #seen = new Set<string>();
  #schemas = 0;

  constructor(document: unknown) {
    this.#document = document;
  }

  read(): ReadSchema {
    const root = this.#schema(this.#document, { path: "#", depth: 0 });
    for (let pointer = this.#named.pop(); pointer !== undefined; pointer = this.#named.pop()) {
      const place = { path: pointer, depth: 0 };
      this.#definitions.set(pointer, this.#schema(this.#resolve(pointer), place));
    }
    return { root, definitions: this.#definitions };
  }

  #schema(schema: unknown, place: Place): SchemaNode {
    const { path, depth, types } = place;
    if (++this.#schemas > MAX_SCHEMAS) throw fault(`it has more than ${MAX_SCHEMAS} schemas`, "fewer");
    if (depth > MAX_DEPTH) throw fault(`${path} is nested ${depth} deep`, `at most ${MAX_DEPTH}`);
    if (schema === true) return this.#ofTypes({}, types ?? TYPES, place);
    if (schema === false) throw fault(`false at ${path} lets nothing through`, "a schema that does");
    if (!isJsonObject(schema)) throw fault(`what stands at ${path} is no schema`, "an object or true");
    for (const keyword of Object.keys(schema)) {
      if (CONSTRAINTS.has(keyword) || ANNOTATIONS.has(keyword) || keyword.startsWith("x-")) continue;
      throw fault(
        `the keyword ${JSON.stringify(keyword.slice(0, 100))} at ${path} is not supported`,
        [...CONSTRAINTS].join(", "),
      );
    }
    if ("$ref" in schema) return this.#ref(schema, place);
    if ("anyOf" in schema) return this.#anyOf(schema, place);
    if ("const" in schema) return literals([schema["const"]], schema, "const", place);
    if ("enum" in schema) return literals(listAt(schema, "enum", path), schema, "enum", place);
    return this.#ofTypes(schema, typesOf(schema, place), place);
  }

  #ref(schema: JsonObject, place: Place): SchemaNode {
    const { path } = place;
    refuseBeside(schema, "$ref", [], path);
    const pointer = schema["$ref"];
    if (typeof pointer !== "string" || !/^#(\/|$)/.test(pointer)) {
      throw fault(
        `the keyword "$ref" at ${path} is ${JSON.stringify(pointer)?.slice(0, 100)}`,
        "a place in the same schema, such as #/$defs/name",
      );
    }
    if (place.types !== undefined) throw fault(`"type" stands around "$ref" at ${path}`, "one of them");
    if (!this.#seen.has(pointer)) {
      this.#seen.add(pointer);
      this.#named.push(pointer);
    }
    return { kind: "ref", pointer };
  }

  #resolve(pointer: string): unknown {
    let at = this.#document;
    for (const part of pointer.split("/").slice(1)) {
      const key = unescapePointer(part);
      const isThere = typeof at === "object" && at !== null && Object.hasOwn(at, key);
      if (!isThere) throw fault(`"$ref" names ${pointer.slice(0, 200)}, which is not there`, "one that is");
      at = (at as JsonObject)[key];
    }
    return at;
  }

  #anyOf(schema: JsonObject, place: Place): SchemaNode {
    const { path, depth } = place;
    refuseBeside(schema, "anyOf", ["type"], path);
    const branches = listAt(schema, "anyOf", path);
    const types = "type" in schema || place.types ? typesOf(schema, place) : undefined;
    const options = branches.map((branch, i) =>
      this.#schema(branch, { path: `${path}/anyOf/${i}`, depth: depth + 1, types })
    );
    return { kind: "choice", options };
  }

  #ofTypes(schema: JsonObject, types: readonly JsonType[], place: Place): SchemaNode {
    if (types.length === TYPES.length) return { kind: "any" };
    const wanted = types.filter((type) => type !== "integer" || !types.includes("number"));
    const options = wanted.map((type): SchemaNode => {
      if (type === "object") return this.#object(schema, place);
      if (type === "array") return this.#array(schema, place);
      return { kind: "scalar", type };
    });
    return options.length === 1 ? options[0]! : { kind: "choice", options };
  }

  #object(schema: JsonObject, { path, depth }: Place): SchemaNode {
    const { properties = {}, required = [], additionalProperties } = schema;
    if (!isJsonObject(properties)) throw fault(`"properties" at ${path} is none`, "an object of schemas");
    if (!Array.isArray(required) || !required.every((name) => typeof name === "string")) {
      throw fault(`"required" at ${path} is none`, "a list of names");
    }
    const needed = new Set<string>(required);
    const named: Property[] = [];
    for (const [name, value] of Object.entries(properties)) {
      if (value === false && !needed.has(name)) continue;
      const at = `${path}/properties/${escapePointer(name)}`;
      named.push({
        name,
        value: this.#schema(value, { path: at, depth: depth + 1 }),
        isRequired: needed.has(name),
      });
    }
    // what lists its properties and says nothing of others is held to the list: a model would not end otherwise
    const isOpen = additionalProperties ?? Object.keys(properties).length === 0;
    const further = `${path}/additionalProperties`;
    const additional = isOpen === false
      ? undefined
      : this.#schema(isOpen, { path: further, depth: depth + 1 });
    for (const name of needed) {
      if (Object.hasOwn(properties, name)) continue;
      if (additionalProperties === false) {
        throw fault(
          `"required" at ${path} names ${JSON.stringify(name)}, which may not come`,
          "one that may",
        );
      }
      named.push({ name, value: additional ?? { kind: "any" }, isRequired: true });
    }
    const taken = [...new Set([...Object.keys(properties), ...needed])];
    return { kind: "object", properties: named, taken, ...(additional && { additional }) };
  }

  #array(schema: JsonObject, { path, depth }: Place): SchemaNode {
    const least = countAt(schema, "minItems", path) ?? 0;
    const most = countAt(schema, "maxItems", path);
    if (most !== undefined && most < least) {
      throw fault(`"maxItems" at ${path} is ${most}, below "minItems"`, `${least} or more`);
    }
    const { items = true } = schema;
    if (items === false && least === 0) return { kind: "array", items: { kind: "any" }, least, most: 0 };
    const node = this.#schema(items, { path: `${path}/items`, depth: depth + 1 });
    return { kind: "array", items: node, least, ...(most === undefined ? {} : { most }) };
  }
}

/** Types that `schema` allows, of those left to it. */
function typesOf(schema: JsonObject, { path, types: left = TYPES }: Place): readonly JsonType[] {
  const stated = schema["type"];
  const list = Array.isArray(stated) ? stated : stated === undefined ? impliedTypes(schema) : [stated];
  const wrong = list.find((type) => !isType(type));
  if (wrong !== undefined || list.length === 0) {
    throw fault(`"type" at ${path} is ${JSON.stringify(stated)?.slice(0, 100)}`, TYPES.join(", "));
  }
  const types = TYPES.filter((type) =>
    (list.includes(type) || (type === "integer" && list.includes("number"))) &&
    (left.includes(type) || (type === "integer" && left.includes("number")))
  );
  if (types.length === 0) throw fault(`"type" at ${path} contradicts the one around it`, "one of its types");
  return types;
}

/** What keywords are about, where no type is stated. */
function impliedTypes(schema: JsonObject): readonly JsonType[] {
  const has = (...keywords: string[]) => keywords.some((keyword) => keyword in schema);
  const types: JsonType[] = [];
  if (has("properties", "required", "additionalProperties")) types.push("object");
  if (has("items", "minItems", "maxItems")) types.push("array");
  return types.length === 0 ? TYPES : types;
}

function literals(
  values: readonly unknown[],
  schema: JsonObject,
  keyword: "const" | "enum",
  place: Place,
): SchemaNode {
  refuseBeside(schema, keyword, ["type"], place.path);
  const types = typesOf(schema, place);
  const fitting = values.filter((value) => types.includes(typeOf(value)));
  if (fitting.length === 0) throw fault(`"${keyword}" at ${place.path} has no value of its type`, "one");
  return { kind: "literals", texts: [...new Set(fitting.map((value) => JSON.stringify(value)))] };
}

function typeOf(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value === "string" ? "string" : typeof value === "boolean" ? "boolean" : "object";
}

/** Keywords that together say more than can be kept. */
function refuseBeside(schema: JsonObject, keyword: string, allowed: readonly string[], path: string): void {
  const beside = Object.keys(schema).find((other) =>
    other !== keyword && CONSTRAINTS.has(other) && !allowed.includes(other)
  );
  if (beside === undefined) return;
  throw fault(
    `the keyword "${beside}" beside "${keyword}" at ${path} is not supported`,
    `"${keyword}" by itself`,
  );
}

function listAt(schema: JsonObject, keyword: string, path: string): readonly unknown[] {
  const list = schema[keyword];
  if (Array.isArray(list) && list.length > 0 && list.length <= MAX_CHOICES) return list;
  throw fault(`"${keyword}" at ${path} is no such list`, `1 to ${MAX_CHOICES} entries`);
}

function countAt(schema: JsonObject, keyword: string, path: string): number | undefined {
  const count = schema[keyword];
  if (count === undefined) return undefined;
  if (typeof count === "number" && Number.isInteger(count) && count >= 0 && count <= MAX_ITEMS) return count;
  throw fault(`"${keyword}" at ${path} is ${JSON.stringify(count)?.slice(0, 100)}`, `0 to ${MAX_ITEMS}`);
}

const escapePointer = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1");
function unescapePointer(part: string): string {
  const plain = part.replaceAll("~1", "/").replaceAll("~0", "~");
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}
