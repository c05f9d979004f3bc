/**
 * Bytes of one tensor, or of some of its rows, out of a file.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import type { ByteRanges } from "./byte_ranges.ts";
import type { TensorInfo } from "./source.ts";

/** A part of a file. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

/** The bytes of `range`. Throws `NodeError` `corrupt` with the name of the tensor when the file ends inside it. */
export async function readTensor(
  ranges: ByteRanges,
  name: string,
  range: FileRange,
  signal: AbortSignal,
): Promise<Bytes> {
  const bytes = await ranges.read(range.offset, range.length, signal);
  if (bytes.length === range.length) return bytes;
  throw new NodeError(
    "corrupt",
    `Cannot read the tensor "${name}": the file ends after ${bytes.length} of its ${range.length} bytes; fetch it again`,
  );
}

/** Where rows `start` to `end - 1` lie inside the tensor. Throws `RangeError` for rows it does not have. */
export function rowRange(info: TensorInfo, start: number, end: number): FileRange {
  const rows = info.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start || end > rows) {
    throw new RangeError(`Cannot read rows ${start} to ${end} of "${info.name}": it has ${rows}`);
  }
  const rowBytes = info.bytes / rows;
  return { offset: start * rowBytes, length: (end - start) * rowBytes };
}
