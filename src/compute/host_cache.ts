/**
 * Attention memory in arrays of JavaScript, for engines that take it anew with every step.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { Lane } from "../base/lane.ts";
import { type BlockRange, lengthOf } from "../base/tensor.ts";
import type { CacheSize, KvCache } from "./backend.ts";

/**
 * Keys and values of one block, each `[capacity, batch, kvHeads × headDim]`: with positions outermost, what is filled
 * is one piece from the start.
 */
export interface BlockMemory {
  readonly keys: Float32Array<ArrayBuffer>;
  readonly values: Float32Array<ArrayBuffer>;
}

/** Keys and values of one session. */
export class HostCache implements KvCache {
  readonly range: BlockRange;
  readonly batch: number;
  readonly capacity: number;
  /** Steps of this cache, one after another. */
  readonly lane: Lane = new Lane();
  readonly blocks: readonly BlockMemory[];
  length = 0;
  disposed = false;
  readonly #width: number;
  readonly #close: (cache: HostCache) => Promise<void>;

  /**
   * Reserves the memory; `width` is kvHeads × headDim. Throws `NodeError` `no_memory`. `close` is called once, to call
   * `free` in its turn.
   */
  constructor(size: CacheSize, width: number, close: (cache: HostCache) => Promise<void>) {
    this.range = size.range;
    this.batch = size.batch;
    this.capacity = size.capacity;
    this.#width = width;
    this.#close = close;
    const values = size.capacity * size.batch * width;
    this.blocks = Array.from({ length: lengthOf(size.range) }, () => ({
      keys: zeros(values),
      values: zeros(values),
    }));
  }

  /** Row `i` takes what row `rows[i]` holds. */
  reorder(rows: readonly number[]): void {
    if (rows.every((from, to) => from === to)) return;
    const width = this.#width;
    const size = this.batch * width;
    const before = new Float32Array(size);
    for (const array of this.blocks.flatMap(({ keys, values }) => [keys, values])) {
      for (let position = 0; position < this.length; position++) {
        const at = position * size;
        before.set(array.subarray(at, at + size));
        rows.forEach((from, to) =>
          array.set(before.subarray(from * width, (from + 1) * width), at + to * width)
        );
      }
    }
  }

  /** Gives the memory back now, not when the collector comes. Nothing may be computing with it. */
  free(): void {
    for (const { keys, values } of this.blocks) {
      keys.buffer.transfer(0);
      values.buffer.transfer(0);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.#close(this);
  }
}

/** Touched, so that the system counts the memory as taken before the next session asks how much is left. */
function zeros(length: number): Float32Array<ArrayBuffer> {
  try {
    return new Float32Array(length).fill(0);
  } catch (cause) {
    throw new NodeError("no_memory", `Cannot open a session: ${4 * length} bytes in one piece are not free`, {
      cause,
    });
  }
}
