/**
 * JSON of foreign files.
 *
 * @module
 */
import { decodeUtf8 } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import { openFileRanges } from "./byte_ranges.ts";

/** An object of JSON, contents unchecked. */
export type JsonObject = Record<string, unknown>;

/** Whether a value of JSON is an object, not a list or null. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The object that `bytes` hold. Throws `NodeError` `corrupt`. */
export function parseJsonObject(bytes: Uint8Array, path: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(bytes));
  } catch (error) {
    throw new NodeError("corrupt", `Cannot read "${path}": it is no JSON`, { cause: error });
  }
  if (!isJsonObject(value)) throw new NodeError("corrupt", `Cannot read "${path}": wanted an object of JSON`);
  return value;
}

/**
 * The object in the file `path`, `undefined` when there is no such file.
 * Throws `NodeError` `corrupt` for what is no object or longer than `mostBytes`, `denied`, `aborted`.
 */
export async function readJsonFile(
  path: string,
  mostBytes: number,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  const bytes = await readSmallFile(path, mostBytes, signal);
  return bytes && parseJsonObject(bytes, path);
}

/** The bytes of the file `path`, `undefined` when there is no such file. Throws as `readJsonFile` does. */
export async function readSmallFile(
  path: string,
  mostBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    await using file = await openFileRanges(path);
    if (file.size > mostBytes) {
      throw new NodeError(
        "corrupt",
        `Cannot read "${path}": it has ${file.size} bytes, wanted at most ${mostBytes}`,
      );
    }
    return await file.read(0, file.size, signal);
  } catch (error) {
    if (error instanceof NodeError && error.code === "not_found") return undefined;
    throw error;
  }
}
