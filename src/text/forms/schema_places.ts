/**
 * Where schemas stand within schemas.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { JsonObject } from "../../model/json_file.ts";

/** The failure of a schema that a caller gave. */
export const schemaFault = (what: string, wanted: string): NodeError =>
  new NodeError("usage", `Cannot keep the JSON schema: ${what}, wanted ${wanted}`);

/** What a reference at `path` names. Throws `NodeError` `usage` where there is nothing. */
export function resolvePointer(document: unknown, pointer: unknown, path: string): unknown {
  let at = document;
  for (const part of checkedPointer(pointer, path).split("/").slice(1)) {
    const key = unescapePointer(part);
    const isThere = typeof at === "object" && at !== null && Object.hasOwn(at, key);
    if (!isThere) {
      throw schemaFault(`"$ref" names ${String(pointer).slice(0, 200)}, which is not there`, "one that is");
    }
    at = (at as JsonObject)[key];
  }
  return at;
}

/** A reference that leads to a place of the same schema. */
export function checkedPointer(pointer: unknown, path: string): string {
  if (typeof pointer === "string" && /^#(\/|$)/.test(pointer)) return pointer;
  throw schemaFault(
    `the keyword "$ref" at ${path} is ${JSON.stringify(pointer)?.slice(0, 100)}`,
    "a place in the same schema, such as #/$defs/name",
  );
}

/** A name as it stands in a pointer. */
export const escapePointer = (name: string): string => name.replaceAll("~", "~0").replaceAll("/", "~1");

function unescapePointer(part: string): string {
  const plain = part.replaceAll("~1", "/").replaceAll("~0", "~");
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}
