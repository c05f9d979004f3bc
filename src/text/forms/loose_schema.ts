/**
 * Schemas of tools' arguments, as far as they can be kept.
 *
 * @module
 */
import { isJsonObject, type JsonObject } from "../../model/json_file.ts";
import { NodeError } from "../../base/errors.ts";
import { grammarOf } from "./grammar.ts";

/** Keywords that are kept; what a tool's schema says beyond is for the model to read. */
const KEPT: ReadonlySet<string> = new Set([
  ...["type", "enum", "const", "properties", "required", "additionalProperties"],
  ...["items", "minItems", "maxItems", "anyOf", "$ref"],
]);
/** Schemas within schemas; what lies deeper says nothing. */
const MAX_DEPTH = 24;

/**
 * A schema of objects that lets at least through what `schema` does, in keywords that are supported, and whose references
 * are right where it stands at the pointer `place` of a larger one. What cannot be kept at all is any object.
 */
export function looseSchema(schema: JsonObject | undefined, place: string): JsonObject {
  const none = { type: "object", properties: {}, additionalProperties: false };
  if (schema === undefined) return none;
  const { properties } = schema;
  if (schema["type"] === "object" && isJsonObject(properties) && Object.keys(properties).length === 0) {
    return none;
  }
  const isObject = schema["type"] === "object" || "properties" in schema || "$ref" in schema;
  try {
    if (!isObject) return { type: "object" };
    grammarOf({ kind: "schema", schema: loosened(schema, "#", 0) as JsonObject });
    return loosened(schema, place, 0) as JsonObject;
  } catch (error) {
    if (error instanceof NodeError) return { type: "object" };
    throw error;
  }
}

function loosened(schema: unknown, place: string, depth: number): unknown {
  if (!isJsonObject(schema)) return schema === false ? false : true;
  if (depth > MAX_DEPTH) return true;
  const within = (value: unknown) => loosened(value, place, depth + 1);
  const each = (table: unknown) =>
    isJsonObject(table)
      ? Object.fromEntries(Object.entries(table).map(([name, value]) => [name, within(value)]))
      : {};
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
