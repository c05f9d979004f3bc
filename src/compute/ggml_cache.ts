/**
 * Attention memory on ggml, and the graph that was last built over it.
 *
 * @module
 */
import { Lane } from "../base/lane.ts";
import { type BlockRange, lengthOf } from "../base/tensor.ts";
import type { Architecture } from "../model/source.ts";
import type { CacheSize, KvCache } from "./backend.ts";
import type { BlockCache, BlockGraphEnds, GraphShape } from "./ggml_block_graph.ts";
import type { GgmlDevice, GgmlMemory } from "./ggml_ffi.ts";
import type { GgmlGraph } from "./ggml_graph.ts";

/** A graph that is placed and can be computed. */
export interface PlacedGraph extends Disposable {
  readonly graph: GgmlGraph;
  readonly shape: GraphShape;
  readonly ends: BlockGraphEnds;
}

/** Keys and values of one session. */
export class GgmlCache implements KvCache {
  readonly range: BlockRange;
  readonly batch: number;
  readonly capacity: number;
  /** Steps of this cache, one after another. */
  readonly lane: Lane = new Lane();
  readonly blocks: readonly BlockCache[];
  readonly valueBytes: number;
  length = 0;
  /** Graph of the last small step, kept for the next. */
  kept: PlacedGraph | undefined;
  disposed = false;
  readonly #memory: GgmlMemory;
  readonly #width: number;
  readonly #close: (cache: GgmlCache) => Promise<void>;

  /** Reserves and clears the memory. Throws `NodeError` `no_memory`. `close` is called once, to free it in its turn. */
  constructor(
    device: GgmlDevice,
    architecture: Architecture,
    size: CacheSize & { readonly exact: boolean },
    close: (cache: GgmlCache) => Promise<void>,
  ) {
    this.range = size.range;
    this.batch = size.batch;
    this.capacity = size.capacity;
    this.valueBytes = size.exact ? 4 : 2;
    this.#width = architecture.kvHeads * architecture.headDim;
    this.#close = close;
    using memory = new DisposableStack();
    this.#memory = memory.use(device.newMemory(2 * lengthOf(size.range), "plain"));
    const type = size.exact ? "F32" : "F16";
    const places = Math.max(1, size.capacity * size.batch);
    this.blocks = Array.from({ length: lengthOf(size.range) }, () => ({
      keys: this.#memory.add(type, this.#width, places),
      values: this.#memory.add(type, this.#width, places),
    }));
    this.#memory.allocate();
    // Masked positions are read all the same: what lay there before must not be infinite
    this.#memory.clear();
    memory.move();
  }

  /** Row `i` takes what row `rows[i]` holds. */
  reorder(rows: readonly number[]): void {
    const moves = rows.flatMap((from, to) => from === to ? [] : [{ from, to }]);
    const bytes = this.length * this.#width * this.valueBytes;
    if (moves.length === 0 || bytes === 0) return;
    const rowBytes = this.capacity * this.#width * this.valueBytes;
    const sources = [...new Set(moves.map(({ from }) => from))];
    for (const tensor of this.blocks.flatMap(({ keys, values }) => [keys, values])) {
      const held = new Map(sources.map((row) => [row, this.#memory.read(tensor, row * rowBytes, bytes)]));
      for (const { from, to } of moves) this.#memory.write(tensor, to * rowBytes, held.get(from)!);
    }
  }

  /** Sets everything to 0. */
  clear(): void {
    this.#memory.clear();
    this.length = 0;
  }

  /** Lets go of the kept graph. */
  dropGraph(): void {
    this.kept?.[Symbol.dispose]();
    this.kept = undefined;
  }

  /** Frees everything. Nothing may be computing with it. */
  free(): void {
    this.dropGraph();
    this.#memory[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.#close(this);
  }
}
