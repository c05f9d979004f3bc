/**
 * The engine as the node sees it: blocks that can be lost and loaded again.
 *
 * @module
 */
import type { BlockRange } from "../base/tensor.ts";
import type { EngineName, LoadedBlocks, TextHead } from "../compute/backend.ts";
import type { ModelSource } from "../model/source.ts";

/** What serving asks of an engine. Dispose to end its process. */
export interface Engine extends AsyncDisposable {
  readonly name: EngineName;
  /** Why this engine and no other, in words. */
  readonly reason: string;
  /** Loads blocks, in a fresh process when the last one died. Throws as `BlockBackend.load`. */
  load(model: ModelSource, range: BlockRange, signal: AbortSignal): Promise<LoadedBlocks>;
  /** Loads embeddings and output matrix. Throws as `BlockBackend.loadHead`. */
  loadHead(model: ModelSource, signal: AbortSignal): Promise<TextHead>;
  /** Resolves with why when the process that held the blocks has died. */
  death(signal: AbortSignal): Promise<string>;
}
