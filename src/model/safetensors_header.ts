/**
 * The header of a safetensors file (format of Hugging Face): 8 bytes of length, then JSON. Pure.
 *
 * @module
 */
import { viewOf } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import { isJsonObject, parseJsonObject } from "./json_file.ts";

/** Bytes before the JSON. */
export const SAFETENSORS_LENGTH_BYTES = 8;
/** Longest header that the format's own library reads (safetensors, `MAX_HEADER_SIZE`). */
const MAX_HEADER_BYTES = 100_000_000;

/** Bytes of one element of each type; sub-byte types are not among them. */
const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
};

/** One entry. */
export interface SafetensorsEntry {
  readonly name: string;
  /** As the format names it: `F32`, `BF16`, … */
  readonly dtype: string;
  /** Outermost first. */
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** Length of the JSON, from the first bytes of a file. Throws `NodeError` `corrupt` for what cannot be. */
export function safetensorsHeaderLength(start: Uint8Array, fileBytes: number, path: string): number {
  if (start.length < SAFETENSORS_LENGTH_BYTES) {
    throw corrupt(path, `the file ends after ${start.length} bytes`);
  }
  const length = Number(viewOf(start).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES || length + SAFETENSORS_LENGTH_BYTES > fileBytes) {
    throw corrupt(path, `its header claims ${length} bytes of a file of ${fileBytes}`);
  }
  return length;
}

/** The entries of the header `json`, by name. Throws `NodeError` `corrupt` with the name of the tensor. */
export function parseSafetensorsHeader(
  json: Uint8Array,
  fileBytes: number,
  path: string,
): Map<string, SafetensorsEntry> {
  const header = parseJsonObject(json, path);
  const dataStart = SAFETENSORS_LENGTH_BYTES + json.length;
  const entries = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => readEntry(name, value, dataStart, path));
  checkPlaces(entries, fileBytes, path);
  return new Map(entries.map((entry) => [entry.name, entry]));
}

function readEntry(name: string, value: unknown, dataStart: number, path: string): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = isJsonObject(value) ? value : {};
  if (typeof dtype !== "string" || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw corrupt(path, `its entry for the tensor "${name}" is broken`);
  }
  const [start, end] = offsets as readonly [number, number];
  const elementBytes = ELEMENT_BYTES[dtype];
  const bytes = end - start;
  const wanted = elementBytes && shape.reduce((product, size) => product * size, elementBytes);
  if (bytes < 0 || (wanted !== undefined && wanted !== bytes)) {
    throw corrupt(
      path,
      `the tensor "${name}" of [${shape.join(", ")}] ${dtype} has ${bytes} bytes, wanted ${wanted}`,
    );
  }
  return { name, dtype, shape, offset: dataStart + start, bytes };
}

const isSizes = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

/** Every tensor lies inside the file, and no two share bytes. */
function checkPlaces(entries: readonly SafetensorsEntry[], fileBytes: number, path: string): void {
  let end = 0, before = "";
  for (const { name, offset, bytes } of entries.toSorted((a, b) => a.offset - b.offset)) {
    if (offset + bytes > fileBytes) {
      throw corrupt(
        path,
        `the file ends at byte ${fileBytes} inside the tensor "${name}", which ends at ${
          offset + bytes
        }; fetch it again`,
      );
    }
    if (bytes > 0 && offset < end) throw corrupt(path, `the tensors "${before}" and "${name}" overlap`);
    end = Math.max(end, offset + bytes);
    before = name;
  }
}

const corrupt = (path: string, what: string) => new NodeError("corrupt", `Cannot read "${path}": ${what}`);
