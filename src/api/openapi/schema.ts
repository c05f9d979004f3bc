/**
 * JSON Schemas (2020-12) of what is sent and answered.
 *
 * @module
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";

/** A schema, or a part of one. */
export type Schema = Readonly<Record<string, unknown>>;

/** Schemas of plain values. */
export const TEXT: Schema = { type: "string" };
/** Any number. */
export const NUMBER: Schema = { type: "number" };
/** A whole number from 0 on. */
export const COUNT: Schema = { type: "integer", minimum: 0 };
/** True or false. */
export const FLAG: Schema = { type: "boolean" };
/** Anything. */
export const ANY: Schema = {};

/** One of some texts. */
export const oneOf = (...texts: readonly string[]): Schema => ({ enum: texts });
/** A value or null. */
export const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }] });
/** A list. */
export const listOf = (items: Schema): Schema => ({ type: "array", items });
/** An object by whose names one asks. */
export const mapOf = (additionalProperties: Schema): Schema => ({ type: "object", additionalProperties });
/** A schema of the components. */
export const named = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** An object; fields whose name ends with `?` may be absent. */
export function shape(fields: Readonly<Record<string, Schema>>): Schema {
  const entries = Object.entries(fields);
  return {
    type: "object",
    properties: Object.fromEntries(entries.map(([name, schema]) => [name.replace(/\?$/, ""), schema])),
    required: entries.map(([name]) => name).filter((name) => !name.endsWith("?")),
  };
}

/** An object of which some fields are described more closely than they are checked at first. */
export const withFields = (
  schema: Schema,
  fields: Readonly<Record<string, Schema>>,
  required: readonly string[] = schema["required"] as string[],
): Schema => ({ ...schema, properties: { ...schema["properties"] as object, ...fields }, required });

/** What a body is checked by, as a schema. `instead` holds schemas of what is checked in a second step. */
export function schemaOf(
  checked: v.GenericSchema,
  instead: ReadonlyMap<unknown, Schema> = new Map(),
): Schema {
  const { $schema: _, ...schema } = toJsonSchema(checked, {
    typeMode: "input",
    // what cannot be said is left open
    errorMode: "ignore",
    overrideSchema: ({ valibotSchema }) => instead.get(valibotSchema),
    overrideAction: ({ valibotAction, jsonSchema }) =>
      valibotAction.type === "safe_integer" ? { ...jsonSchema, type: "integer" } : undefined,
  });
  return schema as Schema;
}
