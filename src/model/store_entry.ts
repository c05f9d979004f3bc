/**
 * What the store writes down about a model. Pure.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { isJsonObject, type JsonObject } from "./json_file.ts";
import type { HashedFile } from "./transfer.ts";

/** A model of the store. */
export interface StoreEntry {
  /** What `--model` calls it: `SmolLM2-135M`, `org/name`. */
  readonly name: string;
  /** Its id on every API. */
  readonly id: string;
  /** Where it came from: a path, or `hf:org/name`. */
  readonly source: string;
  /** `https://huggingface.co/…`, where it is known. */
  readonly repository?: string;
  /** The GGUF file to open, or `.` for the folder itself. */
  readonly main: string;
  readonly files: readonly HashedFile[];
  /** Unix ms. */
  readonly addedAtMs: number;
}

/** Bytes of all files of an entry. */
export const entryBytes = (entry: StoreEntry): number =>
  entry.files.reduce((sum, file) => sum + file.bytes, 0);

const NAME_PART = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const FILE_NAME = /^[A-Za-z0-9_][^/\\\0]{0,254}$/;

/**
 * The folder of the entry `name` inside the store. Throws `NodeError` `usage` for what cannot be a name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(folderOfName("org/name"), "org%2Fname");
 * ```
 */
export function folderOfName(name: string): string {
  const parts = name.split("/");
  if (parts.length > 4 || !parts.every((part) => NAME_PART.test(part))) {
    throw new NodeError(
      "usage",
      `Cannot use "${name}" as the name of a model: wanted letters, digits, ".", "_", "-", and "/" between them`,
    );
  }
  return encodeURIComponent(name);
}

/** Whether `name` can stand beside others in one folder: no path, not hidden. */
export const isFileName = (name: string): boolean => FILE_NAME.test(name) && name !== ENTRY_FILE;

/** The file of an entry that holds the rest of this. */
export const ENTRY_FILE = "entry.json";

/** Reads what {@linkcode ENTRY_FILE} holds; `undefined` when it is not what the store writes. */
export function readEntry(json: JsonObject): StoreEntry | undefined {
  const { name, id, source, repository, main, files, addedAtMs } = json;
  const texts = [name, id, source, main].every((text) => typeof text === "string");
  if (!texts || typeof addedAtMs !== "number" || !Array.isArray(files) || !files.every(isHashedFile)) {
    return undefined;
  }
  if (main !== "." && !files.some((file) => file.name === main)) return undefined;
  return {
    name: name as string,
    id: id as string,
    source: source as string,
    ...(typeof repository === "string" ? { repository } : {}),
    main: main as string,
    files,
    addedAtMs,
  };
}

const isHashedFile = (value: unknown): value is HashedFile =>
  isJsonObject(value) && typeof value["name"] === "string" && isFileName(value["name"]) &&
  typeof value["bytes"] === "number" && typeof value["sha256"] === "string";
