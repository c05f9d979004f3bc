/**
 * Schemas of tools' arguments, as far as they can be kept.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { isJsonObject, type JsonObject } from "../../model/json_file.ts";
import { grammarOf } from "../forms/grammar.ts";
import type { ToolDefinition } from "../types.ts";

/** Keywords that are always kept; what a tool's schema says beyond is for the model to read. */
const KEPT: ReadonlySet<string> = new Set([
  ...["type", "enum", "const", "properties", "required", "additionalProperties"],
  ...["items", "minItems", "maxItems", "anyOf", "$ref"],
]);
/** Keywords that hold a schema, a list of schemas, or schemas by name. */
const HOLDS_ONE: ReadonlySet<string> = new Set([
  ...["items", "additionalItems", "additionalProperties", "contains", "not", "if", "then", "else"],
  ...["propertyNames", "unevaluatedItems", "unevaluatedProperties"],
]);
const HOLDS_LIST: ReadonlySet<string> = new Set(["anyOf", "oneOf", "allOf", "prefixItems", "items"]);
const HOLDS_NAMED: ReadonlySet<string> = new Set([
  ...["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"],
]);
/** Schemas within schemas; what lies deeper says nothing, or is not kept exactly. */
const MAX_DEPTH = 24;
const NO_ARGUMENTS: JsonObject = { type: "object", properties: {}, additionalProperties: false };

/** A tool's arguments and where their schema stands in a larger one, such as `#/anyOf/0`. */
interface Placed {
  readonly tool: ToolDefinition;
  readonly place: string;
}

/**
 * A schema of the tool's arguments whose references are right where it stands. All it says is kept where the tool is
 * `strict` and that can be; else it lets at least through what the tool's own does, in few keywords that are quickly
 * prepared. What cannot be kept at all is any object.
 */
export function argumentSchema({ tool, place }: Placed): JsonObject {
  return exactSchema({ tool, place }) ?? looseSchema({ tool, place });
}

/** All that the tool's schema says; `undefined` where it is not strict, or cannot be kept. */
export function exactSchema({ tool: { parameters, strict }, place }: Placed): JsonObject | undefined {
  if (strict !== true || parameters === undefined || !isOfObjects(parameters)) return undefined;
  const isKept = canBeKept(() => placedSchema(parameters, "#", 0));
  return isKept ? placedSchema(parameters, place, 0) as JsonObject : undefined;
}

/** What of the tool's schema is quickly prepared. */
export function looseSchema({ tool: { parameters }, place }: Placed): JsonObject {
  if (parameters === undefined) return NO_ARGUMENTS;
  const { properties } = parameters;
  if (parameters["type"] === "object" && isJsonObject(properties) && Object.keys(properties).length === 0) {
    return NO_ARGUMENTS;
  }
  const isKept = isOfObjects(parameters) && canBeKept(() => loosened(parameters, "#", 0));
  return isKept ? loosened(parameters, place, 0) as JsonObject : { type: "object" };
}

const isOfObjects = (schema: JsonObject): boolean =>
  schema["type"] === "object" || "properties" in schema || "$ref" in schema;

function canBeKept(schema: () => unknown): boolean {
  try {
    grammarOf({ kind: "schema", schema: schema() as JsonObject });
    return true;
  } catch (error) {
    if (error instanceof NodeError) return false;
    throw error;
  }
}

/** The same schema with its references moved to `place`. Throws `NodeError` `usage` for one that is too deep. */
function placedSchema(schema: unknown, place: string, depth: number): unknown {
  if (!isJsonObject(schema)) return schema;
  if (depth > MAX_DEPTH) throw new NodeError("usage", "Cannot keep a schema: it is too deep");
  const within = (value: unknown) => placedSchema(value, place, depth + 1);
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => {
      if (keyword === "$ref" && typeof value === "string" && value.startsWith("#")) {
        return [keyword, place + value.slice(1)];
      }
      if (HOLDS_LIST.has(keyword) && Array.isArray(value)) return [keyword, value.map(within)];
      if (HOLDS_NAMED.has(keyword) && isJsonObject(value)) return [keyword, mapped(value, within)];
      return [keyword, HOLDS_ONE.has(keyword) ? within(value) : value];
    }),
  );
}

function loosened(schema: unknown, place: string, depth: number): unknown {
  if (!isJsonObject(schema)) return schema === false ? false : true;
  if (depth > MAX_DEPTH) return true;
  const within = (value: unknown) => loosened(value, place, depth + 1);
  const each = (table: unknown) => isJsonObject(table) ? mapped(table, within) : {};
  const loose: JsonObject = {};
  for (const definitions of ["$defs", "definitions"]) {
    if (definitions in schema) loose[definitions] = each(schema[definitions]);
  }
  const { $ref: pointer, anyOf = schema["oneOf"], enum: values } = schema;
  // of keywords that cannot be kept together, the one that says most
  if (typeof pointer === "string" && pointer.startsWith("#")) {
    return { ...loose, $ref: place + pointer.slice(1) };
  }
  if (Array.isArray(anyOf)) return { ...loose, anyOf: anyOf.map(within) };
  if ("const" in schema) return { ...loose, const: schema["const"] };
  if (Array.isArray(values)) return { ...loose, enum: values };
  for (const [keyword, value] of Object.entries(schema)) {
    if (!KEPT.has(keyword) || ["enum", "anyOf", "$ref"].includes(keyword)) continue;
    if (keyword === "properties") loose[keyword] = each(value);
    else if (keyword === "items" || keyword === "additionalProperties") loose[keyword] = within(value);
    else loose[keyword] = value;
  }
  return loose;
}

const mapped = (table: JsonObject, of: (value: unknown) => unknown): JsonObject =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, of(value)]));
