/**
 * JSON schemas, read into what an answer can be held to.
 *
 * @module
 */
import { isJsonObject, type JsonObject } from "../../model/json_file.ts";
import { type Alternatives, ANNOTATIONS, documentOf, flattened, type SchemaDocument } from "./schema_flat.ts";
import { checkedPointer, escapePointer, resolvePointer, schemaFault as fault } from "./schema_places.ts";
import {
  type KnownTexts,
  noTexts,
  readFitting,
  readNumber,
  readText,
  type ScalarNode,
} from "./schema_scalars.ts";

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
  | ScalarNode
  | {
    readonly kind: "object";
    readonly properties: readonly Property[];
    /** Names that no further property has. */
    readonly taken: readonly string[];
    /** Values of further properties; none may come without it. */
    readonly additional?: SchemaNode;
    /** How many further properties there are, where none is named. */
    readonly count?: { readonly least: number; readonly most?: number };
  }
  | {
    readonly kind: "array";
    /** Items that have places of their own; the others follow. */
    readonly first: readonly SchemaNode[];
    /** Items behind those; none may come without it. */
    readonly items?: SchemaNode;
    readonly least: number;
    readonly most?: number;
  }
  | { readonly kind: "choice"; readonly options: readonly SchemaNode[] }
  /** What `definitions` hold under `pointer`. */
  | { readonly kind: "ref"; readonly pointer: string };

/** A schema that can be kept. */
export interface ReadSchema {
  readonly root: SchemaNode;
  /** By pointer, such as `#/$defs/node`. */
  readonly definitions: ReadonlyMap<string, SchemaNode>;
}

/** Keywords that are about values of one type alone. */
const KEYWORDS_OF = {
  object: [
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "propertyNames",
  ],
  array: ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"],
  string: ["minLength", "maxLength", "pattern", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
} as const satisfies Partial<Record<JsonType, readonly string[]>>;
/** Keywords that say what a value is. */
const CONSTRAINTS: ReadonlySet<string> = new Set([
  ...["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "nullable"],
  ...KEYWORDS_OF.object,
  ...[...KEYWORDS_OF.array, "additionalItems"],
  ...KEYWORDS_OF.string,
  ...KEYWORDS_OF.number,
]);
/** Of them, those that a list of values is not held to. */
const NOT_BESIDE_VALUES = [...KEYWORDS_OF.object, ...KEYWORDS_OF.array];
const TYPES: readonly JsonType[] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const isType = (value: unknown): value is JsonType => TYPES.some((type) => type === value);

/** Schemas within schemas. */
const MAX_DEPTH = 32;
/** Schemas in all. */
const MAX_SCHEMAS = 2000;
/** Values of an `enum`. */
const MAX_CHOICES = 1000;
/** Items, or properties, that are counted. */
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
 * assertThrows(() => readSchema({ type: "array", contains: {} }), Error, '"contains" at #');
 * ```
 */
export function readSchema(schema: unknown): ReadSchema {
  const size = JSON.stringify(schema)?.length ?? 0;
  if (size > MAX_CHARACTERS) {
    throw fault(`it has ${size} characters`, `at most ${MAX_CHARACTERS}`);
  }
  return new Reader(schema).read();
}

/** Where a schema stands. */
interface Place {
  readonly path: string;
  readonly depth: number;
}

class Reader {
  readonly #document: SchemaDocument;
  readonly #definitions = new Map<string, SchemaNode>();
  /** Pointers that are named and not read yet. */
  readonly #named: string[] = [];
  readonly #seen = new Set<string>();
  readonly #texts = noTexts();
  #schemas = 0;

  constructor(document: unknown) {
    this.#document = documentOf(document);
  }

  read(): ReadSchema {
    const root = this.#schema(this.#document.whole, { path: "#", depth: 0 });
    for (let pointer = this.#named.pop(); pointer !== undefined; pointer = this.#named.pop()) {
      const place = { path: pointer, depth: 0 };
      this.#definitions.set(
        pointer,
        this.#schema(resolvePointer(this.#document.whole, pointer, pointer), place),
      );
    }
    return { root, definitions: this.#definitions };
  }

  #schema(schema: unknown, place: Place): SchemaNode {
    const { path, depth } = place;
    if (++this.#schemas > MAX_SCHEMAS) throw fault(`it has more than ${MAX_SCHEMAS} schemas`, "fewer");
    if (depth > MAX_DEPTH) throw fault(`${path} is nested ${depth} deep`, `at most ${MAX_DEPTH}`);
    if (schema === true) return { kind: "any" };
    if (schema === false) throw fault(`false at ${path} lets nothing through`, "a schema that does");
    if (!isJsonObject(schema)) throw fault(`what stands at ${path} is no schema`, "an object or true");
    checkKeywords(schema, path);
    if ("$ref" in schema && says(schema).length === 1) return this.#ref(schema, place);
    const { simple, choices: [choice, ...others] } = flattened(schema, this.#document, path);
    checkKeywords(simple, path);
    return choice === undefined
      ? this.#simple(simple, place)
      : this.#choice(simple, [choice, ...others], place);
  }

  #ref(schema: JsonObject, { path }: Place): SchemaNode {
    const pointer = checkedPointer(schema["$ref"], path);
    if (!this.#seen.has(pointer)) {
      this.#seen.add(pointer);
      this.#named.push(pointer);
    }
    return { kind: "ref", pointer };
  }

  /** Each branch together with all that holds beside it. */
  #choice(
    simple: JsonObject,
    [choice, ...others]: readonly [Alternatives, ...Alternatives[]],
    { path, depth }: Place,
  ): SchemaNode {
    const beside = [
      ...says(simple).length === 0 ? [] : [Object.fromEntries(says(simple))],
      ...others.map(({ options }) => ({ anyOf: options })),
    ];
    const options = choice.options.map((branch, i) => {
      const at = choice.keyword === "nullable" ? path : `${path}/${choice.keyword}/${i}`;
      const whole = beside.length === 0 ? branch : { allOf: [...beside, branch] };
      return this.#schema(whole, { path: at, depth: depth + 1 });
    });
    return { kind: "choice", options };
  }

  #simple(schema: JsonObject, place: Place): SchemaNode {
    const { path } = place;
    if ("const" in schema || "enum" in schema) return literals(schema, path, this.#texts);
    const types = typesOf(schema, path);
    if (types.length === TYPES.length) return { kind: "any" };
    const wanted = types.filter((type) => type !== "integer" || !types.includes("number"));
    const options = wanted.map((type): SchemaNode => {
      if (type === "object") return this.#object(schema, place);
      if (type === "array") return this.#array(schema, place);
      if (type === "string") return readText(schema, path, this.#texts);
      if (type === "integer" || type === "number") return readNumber(schema, type, path);
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
    checkNames(schema, path);
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
    const count = propertyCount(schema, { named, isOpen: additional !== undefined, path });
    return {
      kind: "object",
      properties: named,
      taken,
      ...(additional && { additional }),
      ...(count && { count }),
    };
  }

  #array(schema: JsonObject, { path, depth }: Place): SchemaNode {
    const least = countAt(schema, "minItems", path) ?? 0;
    const stated = countAt(schema, "maxItems", path);
    if (stated !== undefined && stated < least) {
      throw fault(`"maxItems" at ${path} is ${stated}, below "minItems"`, `${least} or more`);
    }
    const { prefixItems = [], items = (prefixItems as unknown[]).length === 0 } = schema;
    if (!Array.isArray(prefixItems)) throw fault(`"prefixItems" at ${path} is no list`, "a list of schemas");
    const impossible = prefixItems.indexOf(false);
    const listed = impossible < 0 ? prefixItems : prefixItems.slice(0, impossible);
    const isOpen = items !== false && impossible < 0;
    const limit = isOpen ? stated : Math.min(stated ?? MAX_ITEMS, listed.length);
    if (limit !== undefined && limit < least) {
      throw fault(`"minItems" at ${path} is ${least}, where ${limit} items may come`, `at most ${limit}`);
    }
    checkUnique(schema, limit, path);
    const first = listed.slice(0, limit).map((item, i) =>
      this.#schema(item, { path: `${path}/prefixItems/${i}`, depth: depth + 1 })
    );
    const more = isOpen && (limit === undefined || limit > first.length)
      ? this.#schema(items, { path: `${path}/items`, depth: depth + 1 })
      : undefined;
    return {
      kind: "array",
      first,
      ...(more && { items: more }),
      least,
      ...(limit === undefined ? {} : { most: limit }),
    };
  }
}

/** Keywords of a schema that say which values fit, with their values. */
const says = (schema: JsonObject) => Object.entries(schema).filter(([keyword]) => CONSTRAINTS.has(keyword));

function checkKeywords(schema: JsonObject, path: string): void {
  for (const keyword of Object.keys(schema)) {
    if (CONSTRAINTS.has(keyword) || ANNOTATIONS.has(keyword) || keyword.startsWith("x-")) continue;
    throw fault(
      `the keyword ${JSON.stringify(keyword.slice(0, 100))} at ${path} is not supported`,
      [...CONSTRAINTS].join(", "),
    );
  }
}

/** Types that `schema` allows. */
function typesOf(schema: JsonObject, path: string): readonly JsonType[] {
  const stated = schema["type"];
  const list = Array.isArray(stated) ? stated : stated === undefined ? impliedTypes(schema) : [stated];
  const wrong = list.find((type) => !isType(type));
  if (wrong !== undefined || list.length === 0) {
    throw fault(`"type" at ${path} is ${JSON.stringify(stated)?.slice(0, 100)}`, TYPES.join(", "));
  }
  return TYPES.filter((type) => list.includes(type) || (type === "integer" && list.includes("number")));
}

/** What keywords are about, where no type is stated. */
function impliedTypes(schema: JsonObject): readonly JsonType[] {
  const has = (...keywords: readonly string[]) => keywords.some((keyword) => keyword in schema);
  const types: JsonType[] = [];
  if (has(...KEYWORDS_OF.object)) types.push("object");
  if (has(...KEYWORDS_OF.array, "additionalItems")) types.push("array");
  if (has(...KEYWORDS_OF.string)) types.push("string");
  if (has(...KEYWORDS_OF.number)) types.push("number");
  return types.length === 0 ? TYPES : types;
}

/** The values that are listed, those of them that fit what is said beside. */
function literals(schema: JsonObject, path: string, texts: KnownTexts): SchemaNode {
  const keyword = "const" in schema ? "const" : "enum";
  const beside = NOT_BESIDE_VALUES.find((other) => other in schema);
  if (beside !== undefined) {
    throw fault(
      `the keyword "${beside}" beside "${keyword}" at ${path} is not supported`,
      `"${keyword}" by itself`,
    );
  }
  const { const: one, enum: list = [one], ...others } = schema;
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_CHOICES) {
    throw fault(`"enum" at ${path} is no such list`, `1 to ${MAX_CHOICES} entries`);
  }
  const values = "const" in schema ? list.filter((value) => isSame(value, one)) : list;
  const types = "type" in others ? typesOf(others, path) : TYPES;
  const isText = readFitting(others, path, texts);
  const fitting = values.filter((value) => types.includes(typeOf(value)) && isText(value));
  if (fitting.length === 0) throw fault(`"${keyword}" at ${path} has no value of its type`, "one");
  return { kind: "literals", texts: [...new Set(fitting.map((value) => JSON.stringify(value)))] };
}

const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

function typeOf(value: unknown): JsonType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value === "string" ? "string" : typeof value === "boolean" ? "boolean" : "object";
}

function countAt(schema: JsonObject, keyword: string, path: string): number | undefined {
  const count = schema[keyword];
  if (count === undefined) return undefined;
  if (typeof count === "number" && Number.isInteger(count) && count >= 0 && count <= MAX_ITEMS) return count;
  throw fault(`"${keyword}" at ${path} is ${JSON.stringify(count)?.slice(0, 100)}`, `0 to ${MAX_ITEMS}`);
}

/** Names are texts, and that is all that can be said of them. */
function checkNames({ propertyNames }: JsonObject, path: string): void {
  if (propertyNames === undefined || propertyNames === true) return;
  const isAnyText = isJsonObject(propertyNames) &&
    says(propertyNames).every(([keyword, value]) => keyword === "type" && value === "string");
  if (isAnyText && Object.keys(propertyNames).every((one) => one === "type" || ANNOTATIONS.has(one))) return;
  throw fault(`"propertyNames" at ${path} is not supported`, 'none, or {"type": "string"}');
}

/** How many properties come, where that is not clear by itself. */
function propertyCount(
  schema: JsonObject,
  of: { readonly named: readonly Property[]; readonly isOpen: boolean; readonly path: string },
): { readonly least: number; readonly most?: number } | undefined {
  const { named, isOpen, path } = of;
  const least = countAt(schema, "minProperties", path) ?? 0;
  const most = countAt(schema, "maxProperties", path);
  const isKept = named.filter(({ isRequired }) => isRequired).length >= least &&
    (most === undefined || (!isOpen && named.length <= most));
  if (isKept) return undefined;
  // the same name may come twice, and is one property then
  if (named.length > 0 || !isOpen || least > 1 || (most !== undefined && most < least)) {
    const keyword = least > 0 ? "minProperties" : "maxProperties";
    throw fault(
      `"${keyword}" at ${path} is not supported there`,
      "1 at least, or any at most, where no property is named",
    );
  }
  return { least, ...(most === undefined ? {} : { most }) };
}

function checkUnique({ uniqueItems }: JsonObject, most: number | undefined, path: string): void {
  if (uniqueItems !== true || (most !== undefined && most <= 1)) return;
  throw fault(`"uniqueItems" at ${path} is not supported`, "a list whose items may be alike");
}
