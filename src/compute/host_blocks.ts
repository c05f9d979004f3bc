/**
 * Transformer blocks on an engine that computes one block at a time over memory that lies here.
 *
 * @module
 */
import { Lane } from "../base/lane.ts";
import {
  type Activations,
  type BlockRange,
  containsRange,
  type FloatDType,
  lengthOf,
} from "../base/tensor.ts";
import type { Architecture } from "../model/source.ts";
import type { BlockStep, CacheSize, CacheStep, EngineName, KvCache, LoadedBlocks } from "./backend.ts";
import { cacheTokenBytes, requireRoom } from "./budget.ts";
import { checkBlockStep, checkCacheSize, checkCacheStep } from "./check_step.ts";
import { countCpu } from "./cpu_time.ts";
import { type BlockMemory, HostCache } from "./host_cache.ts";

/** Where a computation stands: `tokens` of each of `batch` rows, the first at `position`. */
export interface Place {
  readonly batch: number;
  readonly tokens: number;
  readonly position: number;
}

/** The arithmetic of one block after another. */
export interface BlockKernel {
  /**
   * Block `block` (0 is the first that is loaded) over `hidden` `[batch, tokens, hiddenSize]`, which is the kernel's to
   * overwrite. Reads `position` filled positions of `memory` and writes the next `tokens`. Same shape out.
   */
  compute(
    block: number,
    hidden: Float32Array<ArrayBuffer>,
    place: Place,
    memory: BlockMemory,
  ): Promise<Float32Array<ArrayBuffer>>;
  /** Lets go of the weights. */
  free(): Promise<void>;
}

/** Loaded blocks. */
export interface HostBlocksParts {
  readonly engine: EngineName;
  readonly device: string;
  readonly architecture: Architecture;
  readonly range: BlockRange;
  readonly dtype: FloatDType;
  readonly weightBytes: number;
  readonly kernel: BlockKernel;
  /** One computation at a time. */
  readonly lane: Lane;
  /** Memory that may still be taken. */
  availableBytes(): number;
}

/** Tokens computed at once, over all rows: between such chunks other sessions have their turn. */
const CHUNK_TOKENS = 128;

const NEVER = new AbortController().signal;

/** See {@linkcode LoadedBlocks}. The attention memory is in single precision. */
export class HostBlocks implements LoadedBlocks {
  readonly engine: EngineName;
  readonly device: string;
  readonly range: BlockRange;
  readonly hiddenSize: number;
  readonly dtype: FloatDType;
  readonly weightBytes: number;
  readonly cacheBytesPerToken: number;
  readonly #parts: HostBlocksParts;
  readonly #caches = new Set<HostCache>();
  #disposed = false;

  /** Owns `parts.kernel` from now on. */
  constructor(parts: HostBlocksParts) {
    this.#parts = parts;
    this.engine = parts.engine;
    this.device = parts.device;
    this.range = parts.range;
    this.hiddenSize = parts.architecture.hiddenSize;
    this.dtype = parts.dtype;
    this.weightBytes = parts.weightBytes;
    this.cacheBytesPerToken = cacheTokenBytes(parts.architecture, true);
  }

  async openCache(size: CacheSize, signal: AbortSignal): Promise<KvCache> {
    checkCacheSize(size, this.range);
    this.#requireLoaded();
    return await this.#parts.lane.run(() => Promise.resolve(this.#newCache(size)), signal);
  }

  async step(step: CacheStep, cache: KvCache, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    if (!(cache instanceof HostCache) || !this.#caches.has(cache)) {
      throw new TypeError("Cannot step: the cache is closed or belongs to other blocks");
    }
    return await cache.lane.run(async () => {
      this.#requireLoaded();
      if (cache.disposed) throw new TypeError("Cannot step: the cache is closed");
      checkCacheStep(step, cache, this.hiddenSize);
      if (step.rewindTo !== undefined) cache.length = step.rewindTo;
      if (step.rows !== undefined) {
        // In its turn: what an aborted step had begun may still be reading
        await this.#parts.lane.run(() => Promise.resolve(cache.reorder(step.rows!)), signal);
      }
      const out = await this.#compute(cache, step, signal);
      signal.throwIfAborted();
      cache.length += step.input.tokens;
      return out;
    }, signal);
  }

  async forward(step: BlockStep, range: BlockRange, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    this.#requireLoaded();
    if (!containsRange(this.range, range)) {
      throw new RangeError(`Cannot compute blocks ${range.start} to ${range.end}: they are not loaded`);
    }
    const { batch, tokens, data } = step.input;
    checkBlockStep(step, { batch, blocks: lengthOf(range), hidden: this.hiddenSize });
    if (data.length === 0) return new Float32Array(0);
    await using cache = await this.openCache({ range, batch, capacity: tokens }, signal);
    return await this.#compute(cache as HostCache, step, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await Promise.all([...this.#caches].map((cache) => cache[Symbol.asyncDispose]()));
    await this.#parts.lane.run(() => this.#parts.kernel.free(), NEVER);
  }

  #requireLoaded(): void {
    if (this.#disposed) throw new TypeError("Cannot compute: the blocks are unloaded");
  }

  #newCache(size: CacheSize): HostCache {
    const bytes = size.batch * size.capacity * lengthOf(size.range) * this.cacheBytesPerToken;
    requireRoom(
      `open a session of ${size.batch} × ${size.capacity} tokens`,
      bytes,
      this.#parts.availableBytes(),
    );
    const { kvHeads, headDim } = this.#parts.architecture;
    const cache = new HostCache(size, kvHeads * headDim, async (closing) => {
      await closing.lane.run(() =>
        this.#parts.lane.run(() => {
          this.#caches.delete(closing);
          closing.free();
          return Promise.resolve();
        }, NEVER), NEVER);
    });
    this.#caches.add(cache);
    return cache;
  }

  /** Blocks of `cache.range` over `step.input` at positions `cache.length` onward. Leaves `cache.length` as it is. */
  async #compute(
    cache: HostCache,
    step: BlockStep,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { batch, tokens, data } = step.input;
    const out = new Float32Array(data.length);
    const most = Math.max(1, Math.floor(CHUNK_TOKENS / batch));
    for (let token = 0; token < tokens; token += most) {
      const count = Math.min(most, tokens - token);
      const work = async () => {
        this.#requireLoaded();
        const place = { batch, tokens: count, position: cache.length + token };
        let hidden = cut(step.input, token, count);
        const first = cache.range.start - this.range.start;
        for (const [i, memory] of cache.blocks.entries()) {
          signal.throwIfAborted();
          if (step.prompts !== undefined) addPrompts(hidden, step, { block: i, token, count });
          hidden = await this.#parts.kernel.compute(first + i, hidden, place, memory);
        }
        paste(hidden, out, step.input, token);
      };
      await this.#parts.lane.run(() => countCpu(step.spent, work), signal);
    }
    return out;
  }
}

/** A copy of tokens `token` to `token + count - 1` of every row. */
function cut(
  { batch, tokens, hidden, data }: Activations,
  token: number,
  count: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(batch * count * hidden);
  for (let row = 0; row < batch; row++) {
    const from = (row * tokens + token) * hidden;
    out.set(data.subarray(from, from + count * hidden), row * count * hidden);
  }
  return out;
}

/** The inverse of {@linkcode cut}. */
function paste(
  part: Float32Array,
  out: Float32Array,
  { batch, tokens, hidden }: Activations,
  token: number,
): void {
  const size = part.length / batch;
  for (let row = 0; row < batch; row++) {
    out.set(part.subarray(row * size, (row + 1) * size), (row * tokens + token) * hidden);
  }
}

/** Adds the prompts of a block to those tokens of a chunk `[batch, count, hidden]` that have any. */
function addPrompts(
  hidden: Float32Array,
  { input, prompts }: BlockStep,
  { block, token, count }: Readonly<Record<"block" | "token" | "count", number>>,
): void {
  const size = input.hidden;
  const values = Math.max(0, Math.min(count, prompts!.tokens - token)) * size;
  for (let row = 0; row < input.batch; row++) {
    const from = ((block * input.batch + row) * prompts!.tokens + token) * size;
    const to = row * count * size;
    for (let i = 0; i < values; i++) hidden[to + i]! += prompts!.data[from + i]!;
  }
}
