/**
 * Blocks in the engine process, as the node holds them.
 *
 * @module
 */
import { type BlockRange, containsRange, type FloatDType, lengthOf } from "../base/tensor.ts";
import type {
  BlockStep,
  CacheSize,
  CacheStep,
  EngineName,
  KvCache,
  LoadedBlocks,
  LoadOptions,
  NextStep,
  TextHead,
  TextStep,
} from "./backend.ts";
import {
  checkBlockStep,
  checkCacheSize,
  checkCacheSpace,
  checkCacheStep,
  checkTextStep,
} from "./check_step.ts";
import { RemoteCache, sizesOf, valuesOf } from "./engine_cache.ts";
import type { EngineConnection } from "./engine_connection.ts";
import { RemoteHead } from "./engine_head.ts";
import { readBlockFacts } from "./engine_messages.ts";
import { handleOf, Loaded, type Reloadable } from "./engine_place.ts";
import { floatsOf } from "./engine_wire.ts";

/** What to load. */
export interface BlocksOrder {
  readonly path: string;
  readonly range: BlockRange;
  readonly options: LoadOptions;
}

/** Loaded blocks. The same object serves over all lives of the process; its caches do not. */
export class RemoteBlocks implements LoadedBlocks, Reloadable {
  readonly range: BlockRange;
  readonly #loaded: Loaded<ReturnType<typeof readBlockFacts>>;
  readonly #forget: () => void;
  readonly #caches = new Set<RemoteCache>();

  /** Not loaded before `reload`. `forget` is called when it is disposed. */
  constructor(order: BlocksOrder, forget: (blocks: RemoteBlocks) => void) {
    this.#loaded = new Loaded({ act: "load", ...order }, readBlockFacts);
    this.range = order.range;
    this.#forget = () => forget(this);
  }

  get engine(): EngineName {
    return this.#loaded.facts.engine;
  }
  get device(): string {
    return this.#loaded.facts.device;
  }
  get deviceKind(): "processor" | "card" {
    return this.#loaded.facts.deviceKind;
  }
  get hiddenSize(): number {
    return this.#loaded.facts.hiddenSize;
  }
  get dtype(): FloatDType {
    return this.#loaded.facts.dtype;
  }
  get weightBytes(): number {
    return this.#loaded.facts.weightBytes;
  }
  get cacheBytesPerToken(): number {
    return this.#loaded.facts.cacheBytesPerToken;
  }

  reload(connection: EngineConnection, signal: AbortSignal): Promise<void> {
    return this.#loaded.reload(connection, signal);
  }

  lose(why: Error): void {
    this.#loaded.lose(why);
    this.#loseCaches(why);
  }

  async openCache(size: CacheSize, signal: AbortSignal): Promise<KvCache> {
    const { connection, handle } = this.#loaded.place;
    checkCacheSize(size, this.range);
    const { range, batch, capacity } = size;
    const { reply } = await connection.call(
      { act: "openCache", blocks: handle, range, batch, capacity },
      [],
      signal,
    );
    const at = { connection, blocks: handle, cache: handleOf(reply) };
    const cache = new RemoteCache({ range, batch, capacity }, at, () => this.#caches.delete(cache));
    this.#caches.add(cache);
    return cache;
  }

  async forward(step: BlockStep, range: BlockRange, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const { connection, handle } = this.#loaded.place;
    if (!containsRange(this.range, range)) {
      throw new RangeError(`Cannot compute blocks ${range.start} to ${range.end}: they are not loaded`);
    }
    checkBlockStep(step, { batch: step.input.batch, blocks: lengthOf(range), hidden: this.hiddenSize });
    const { reply, payload } = await connection.call(
      { act: "forward", blocks: handle, range, ...sizesOf(step) },
      valuesOf(step),
      signal,
    );
    if (reply.cpuMs !== undefined) step.spent?.(reply.cpuMs);
    return floatsOf(payload);
  }

  async step(step: CacheStep, cache: KvCache, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    if (!(cache instanceof RemoteCache)) {
      throw new TypeError("Cannot step: the cache belongs to other blocks");
    }
    return await cache.lane.run(async () => {
      this.#requireOwn(cache);
      checkCacheStep(step, cache, this.hiddenSize);
      return await cache.step(step, signal);
    }, signal);
  }

  async scores(
    step: TextStep,
    cache: KvCache,
    head: TextHead,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    return await this.#ofText(step, cache, head, (cache, head) => cache.scores(step, head, signal), signal);
  }

  async next(step: NextStep, cache: KvCache, head: TextHead, signal: AbortSignal): Promise<number> {
    const text = { ...step, scored: 1 };
    return await this.#ofText(text, cache, head, (cache, head) => cache.next(step, head, signal), signal);
  }

  /** One call over whole texts, checked and in its turn. */
  async #ofText<T>(
    step: TextStep,
    cache: KvCache,
    head: TextHead,
    call: (cache: RemoteCache, head: RemoteHead) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    if (!(cache instanceof RemoteCache) || !(head instanceof RemoteHead)) {
      throw new TypeError("Cannot score: cache or head belong to another engine");
    }
    checkTextStep(step);
    return await cache.lane.run(async () => {
      this.#requireOwn(cache);
      checkCacheSpace(step.ids.length, step.rewindTo, cache);
      return await call(cache, head);
    }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#forget();
    const why = new TypeError("Cannot compute: the blocks are unloaded");
    this.#loseCaches(why);
    await this.#loaded.unload(why);
  }

  /** A cache of an earlier life says so, also while the process is away; one of other blocks is a mistake. */
  #requireOwn(cache: RemoteCache): void {
    cache.requireAlive();
    if (!this.#caches.has(cache)) throw new TypeError("Cannot step: the cache belongs to other blocks");
  }

  #loseCaches(why: Error): void {
    for (const cache of this.#caches) cache.lose(why);
    this.#caches.clear();
  }
}
