/**
 * Transformer blocks on ggml.
 *
 * @module
 */
import { Lane } from "../base/lane.ts";
import { type BlockRange, containsRange, type FloatDType, lengthOf } from "../base/tensor.ts";
import type { Architecture } from "../model/source.ts";
import {
  type BlockStep,
  type CacheSize,
  type CacheStep,
  FEW_POSITIONS,
  type KvCache,
  type LoadedBlocks,
} from "./backend.ts";
import { cacheTokenBytes, requireRoom } from "./budget.ts";
import { checkBlockStep, checkCacheSize, checkCacheStep } from "./check_step.ts";
import { countCpu } from "./cpu_time.ts";
import {
  type BlockWeights,
  buildBlocks,
  graphNodes,
  type GraphPlan,
  type GraphShape,
} from "./ggml_block_graph.ts";
import { GgmlCache, type PlacedGraph } from "./ggml_cache.ts";
import type { GgmlDevice, GgmlScratch } from "./ggml_ffi.ts";
import type { GgmlRope } from "./ggml_graph.ts";
import { fillInputs, readOutput } from "./ggml_step.ts";
import { type ThreadChoice, TRIAL_STEPS } from "./thread_choice.ts";

/** The device as everything loaded on it shares it. */
export interface GgmlEngine {
  readonly device: GgmlDevice;
  /** One computation at a time. */
  readonly lane: Lane;
  /** Memory that may still be taken. */
  availableBytes(): number;
  /** Milliseconds since an arbitrary start. */
  monotonic(): number;
}

/** Blocks that are in the device's memory. */
export interface GgmlBlocksParts {
  readonly architecture: Architecture;
  readonly range: BlockRange;
  readonly blocks: readonly BlockWeights[];
  readonly rope: GgmlRope;
  readonly weightBytes: number;
  /** Single precision in the cache too. */
  readonly exact: boolean;
  readonly dtype: FloatDType;
  readonly threads: ThreadChoice;
  /** Frees the weights. */
  free(): void;
}

/** Tokens computed at once, over all rows: between such chunks other sessions have their turn. */
const CHUNK_TOKENS = 128;
/** Attention reads a multiple of so many positions, so that one graph serves as many steps. */
const POSITION_STEP = 256;
/** Sessions that keep one: about a megabyte each. */
const MAX_KEPT_GRAPHS = 16;

const NEVER = new AbortController().signal;

/** See {@linkcode LoadedBlocks}. */
export class GgmlBlocks implements LoadedBlocks {
  readonly engine = "ggml";
  readonly device: string;
  readonly deviceKind: "processor" | "card";
  readonly range: BlockRange;
  readonly hiddenSize: number;
  readonly dtype: FloatDType;
  readonly weightBytes: number;
  readonly cacheBytesPerToken: number;
  readonly #engine: GgmlEngine;
  readonly #parts: GgmlBlocksParts;
  readonly #caches = new Set<GgmlCache>();
  /** Those with a kept graph, the one used longest ago first. */
  readonly #keeping = new Set<GgmlCache>();
  /** For graphs that are not kept. */
  readonly #scratch: GgmlScratch;
  #disposed = false;

  /** Owns `parts` from now on. */
  constructor(engine: GgmlEngine, parts: GgmlBlocksParts) {
    this.#engine = engine;
    this.#parts = parts;
    this.#scratch = engine.device.newScratch();
    this.device = engine.device.description;
    this.deviceKind = engine.device.kind === "cpu" ? "processor" : "card";
    this.range = parts.range;
    this.hiddenSize = parts.architecture.hiddenSize;
    this.dtype = parts.dtype;
    this.weightBytes = parts.weightBytes;
    this.cacheBytesPerToken = cacheTokenBytes(parts.architecture, parts.exact);
  }

  async openCache(size: CacheSize, signal: AbortSignal): Promise<KvCache> {
    checkCacheSize(size, this.range);
    this.#requireLoaded();
    signal.throwIfAborted();
    const cache = await this.#engine.lane.run(() => Promise.resolve(this.#newCache(size)), NEVER);
    if (signal.aborted) await cache[Symbol.asyncDispose]();
    signal.throwIfAborted();
    return cache;
  }

  async step(step: CacheStep, cache: KvCache, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    if (!(cache instanceof GgmlCache) || !this.#caches.has(cache)) {
      throw new TypeError("Cannot step: the cache is closed or belongs to other blocks");
    }
    return await cache.lane.run(async () => {
      this.#requireLoaded();
      if (cache.disposed) throw new TypeError("Cannot step: the cache is closed");
      checkCacheStep(step, cache, this.hiddenSize);
      if (step.rewindTo !== undefined) cache.length = step.rewindTo;
      if (step.rows !== undefined) {
        await this.#engine.lane.run(() => Promise.resolve(cache.reorder(step.rows!)), signal);
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
    const out = new Float32Array(data.length);
    if (data.length === 0) return out;
    const group = Math.max(1, Math.min(batch, Math.floor(CHUNK_TOKENS / tokens)));
    await using cache = await this.openCache({ range, batch: group, capacity: tokens }, signal);
    const rowSize = tokens * this.hiddenSize;
    for (let row = 0; row < batch; row += group) {
      const rows = Math.min(group, batch - row);
      // what one caller's rows left behind may be infinite
      (cache as GgmlCache).clear();
      const part = await this.#compute(cache as GgmlCache, {
        input: { ...step.input, batch: rows, data: data.subarray(row * rowSize, (row + rows) * rowSize) },
        ...(step.prompts &&
          { prompts: promptRows(step.prompts, { batch, row, rows, hidden: this.hiddenSize }) }),
        ...(step.spent && { spent: step.spent }),
      }, signal);
      out.set(part, row * rowSize);
    }
    return out;
  }

  /** Some steps, so that the first trial of threads is over before sessions come. */
  async tryThreads(signal: AbortSignal): Promise<void> {
    const steps = 2 * TRIAL_STEPS;
    await using cache = await this.openCache({ range: this.range, batch: 1, capacity: steps }, signal);
    const data = Float32Array.from({ length: this.hiddenSize }, (_, i) => (i % 17 - 8) / 64);
    const input = { batch: 1, tokens: 1, hidden: this.hiddenSize, data };
    for (let step = 0; step < steps && this.#parts.threads.trying; step++) {
      await this.step({ input }, cache, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await Promise.all([...this.#caches].map((cache) => cache[Symbol.asyncDispose]()));
    await this.#engine.lane.run(() => {
      this.#scratch[Symbol.dispose]();
      this.#parts.free();
      return Promise.resolve();
    }, NEVER);
  }

  #requireLoaded(): void {
    if (this.#disposed) throw new TypeError("Cannot compute: the blocks are unloaded");
  }

  #newCache(size: CacheSize): GgmlCache {
    const bytes = size.batch * size.capacity * lengthOf(size.range) * this.cacheBytesPerToken;
    requireRoom(
      `open a session of ${size.batch} × ${size.capacity} tokens`,
      bytes,
      this.#engine.availableBytes(),
    );
    const { architecture, exact } = this.#parts;
    const cache = new GgmlCache(this.#engine.device, architecture, { ...size, exact }, async (closing) => {
      await closing.lane.run(() =>
        this.#engine.lane.run(() => {
          this.#caches.delete(closing);
          this.#keeping.delete(closing);
          closing.free();
          return Promise.resolve();
        }, NEVER), NEVER);
    });
    this.#caches.add(cache);
    return cache;
  }

  /** Blocks of `cache.range` over `step.input` at positions `cache.length` onward. Leaves `cache.length` as it is. */
  async #compute(cache: GgmlCache, step: BlockStep, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const { batch, tokens, data } = step.input;
    const out = new Float32Array(data.length);
    if (out.length === 0) return out;
    const group = Math.max(1, Math.min(batch, Math.floor(CHUNK_TOKENS / tokens)));
    for (let firstRow = 0; firstRow < batch; firstRow += group) {
      const rows = Math.min(group, batch - firstRow);
      for (let token = 0; token < tokens; token += CHUNK_TOKENS) {
        const count = Math.min(CHUNK_TOKENS, tokens - token);
        const chunk = { firstRow, rows, token, tokens: count };
        const work = async () => {
          this.#requireLoaded();
          const position = cache.length + token;
          const placed = this.#graphFor(cache, {
            rows,
            firstRow,
            tokens: count,
            positions: Math.min(
              cache.capacity,
              Math.ceil((position + count) / POSITION_STEP) * POSITION_STEP,
            ),
            prompted: step.prompts !== undefined && token < step.prompts.tokens,
          });
          try {
            fillInputs(placed, step, chunk, { position, capacity: cache.capacity });
            await this.#run(placed, lengthOf(cache.range));
            readOutput(placed, out, chunk, step.input);
          } finally {
            if (cache.kept !== placed) placed[Symbol.dispose]();
          }
        };
        await this.#engine.lane.run(() => countCpu(step.spent, work), signal);
      }
    }
    return out;
  }

  async #run({ graph, shape }: PlacedGraph, blocks: number): Promise<void> {
    const { threads } = this.#parts;
    const startedAtMs = this.#engine.monotonic();
    const { device, lane } = this.#engine;
    await device.compute(graph, { threads: threads.threads, isAlone: lane.length <= 1 });
    // The cost of many tokens depends on their number: single ones tell how the machine is
    if (shape.rows * shape.tokens > 1) return;
    threads.record(`${blocks} ${shape.positions}`, this.#engine.monotonic() - startedAtMs);
  }

  #graphFor(cache: GgmlCache, shape: GraphShape): PlacedGraph {
    if (cache.kept !== undefined && sameShape(cache.kept.shape, shape)) {
      this.#keeping.delete(cache);
      this.#keeping.add(cache);
      return cache.kept;
    }
    // steps of few tokens keep their graph for the next step
    if (shape.rows * shape.tokens > FEW_POSITIONS) return this.#place(cache, shape, this.#scratch);
    cache.dropGraph();
    this.#keeping.delete(cache);
    if (this.#keeping.size >= MAX_KEPT_GRAPHS) {
      const [oldest] = this.#keeping;
      oldest!.dropGraph();
      this.#keeping.delete(oldest!);
    }
    using scratch = new DisposableStack();
    cache.kept = this.#place(cache, shape, scratch.use(this.#engine.device.newScratch()), true);
    scratch.move();
    this.#keeping.add(cache);
    return cache.kept;
  }

  #place(cache: GgmlCache, shape: GraphShape, scratch: GgmlScratch, ownsScratch = false): PlacedGraph {
    const { architecture, rope, blocks } = this.#parts;
    const first = cache.range.start - this.range.start;
    const plan: GraphPlan = {
      architecture,
      rope,
      blocks: blocks.slice(first, first + lengthOf(cache.range)),
      cache: cache.blocks,
      capacity: cache.capacity,
      cacheValueBytes: cache.valueBytes,
    };
    using parts = new DisposableStack();
    const { device } = this.#engine;
    const graph = parts.use(device.newGraph(graphNodes(lengthOf(cache.range)), shape.rows * shape.tokens));
    const ends = buildBlocks(graph, plan, shape);
    device.allocate(graph, scratch);
    const owned = parts.move();
    if (ownsScratch) owned.use(scratch);
    return { graph, shape, ends, [Symbol.dispose]: () => owned.dispose() };
  }
}

const sameShape = (a: GraphShape, b: GraphShape): boolean =>
  a.rows === b.rows && a.firstRow === b.firstRow && a.tokens === b.tokens && a.positions === b.positions &&
  a.prompted === b.prompted;

/** Prompts of some rows only: `[blocks, rows, tokens, hidden]` out of `[blocks, batch, tokens, hidden]`. */
function promptRows(
  prompts: NonNullable<BlockStep["prompts"]>,
  { batch, row, rows, hidden }: Readonly<Record<"batch" | "row" | "rows" | "hidden", number>>,
): NonNullable<BlockStep["prompts"]> {
  if (rows === batch) return prompts;
  const size = prompts.tokens * hidden;
  const blocks = prompts.data.length / (batch * size);
  const data = new Float32Array(blocks * rows * size);
  for (let block = 0; block < blocks; block++) {
    const from = (block * batch + row) * size;
    data.set(prompts.data.subarray(from, from + rows * size), block * rows * size);
  }
  return { tokens: prompts.tokens, data };
}
