/**
 * Whether weights and attention memory fit, before anything is allocated: the kernel promises memory that it does not
 * have, and ends whoever uses it.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { BlockRange } from "../base/tensor.ts";
import { blockTensors, headTensors } from "../model/slice.ts";
import type { Architecture, ModelSource } from "../model/source.ts";
import type { LoadOptions } from "./backend.ts";
import { heldBytes } from "./precision.ts";

/** Left for intermediate values: 128 tokens of the largest models take less. */
export const WORKING_BYTES: number = 64 << 20;

/** Bytes of one block as it is held. The model must have it (`requireBlocks`). */
export function blockHeldBytes(model: ModelSource, block: number, dtype: LoadOptions["dtype"]): number {
  return sumOf(model, blockTensors(model.architecture, block), dtype);
}

/** Bytes of embeddings, final norm and output matrix as they are held. */
export const headHeldBytes = (model: ModelSource, dtype: LoadOptions["dtype"]): number =>
  sumOf(model, headTensors(model), dtype);

const sumOf = (
  model: ModelSource,
  wanted: readonly { readonly name: string }[],
  dtype: LoadOptions["dtype"],
) => wanted.reduce((sum, { name }) => sum + heldBytes(model.tensors.get(name)!, dtype), 0);

/** Bytes of keys and values of one position of one row in one block. */
export const cacheTokenBytes = ({ kvHeads, headDim }: Architecture, exact: boolean): number =>
  2 * kvHeads * headDim * (exact ? 4 : 2);

/**
 * Throws `NodeError` `no_memory`, with the number of blocks that would fit, when those of `range` do not fit into
 * `availableBytes`.
 */
export function requireRoomForBlocks(
  model: ModelSource,
  range: BlockRange,
  dtype: LoadOptions["dtype"],
  availableBytes: number,
): void {
  let needed = WORKING_BYTES;
  let fit = 0;
  for (let block = range.start; block < range.end; block++) {
    needed += blockHeldBytes(model, block, dtype);
    if (needed <= availableBytes) fit++;
  }
  if (needed <= availableBytes) return;
  const count = range.end - range.start;
  throw new NodeError(
    "no_memory",
    `Cannot load ${count} blocks of "${model.id}": they need ${megabytes(needed)} and ${
      megabytes(availableBytes)
    } are free, ${fit} of them would fit`,
  );
}

/** Throws `NodeError` `no_memory` when `bytes` do not fit. `what` completes `Cannot …: it needs`. */
export function requireRoom(what: string, bytes: number, availableBytes: number): void {
  if (bytes <= availableBytes) return;
  throw new NodeError(
    "no_memory",
    `Cannot ${what}: it needs ${megabytes(bytes)} and ${megabytes(availableBytes)} are free`,
  );
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
