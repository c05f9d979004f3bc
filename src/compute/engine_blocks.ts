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
import { absence, handleOf, type Place, type Reloadable } from "./engine_place.ts";
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
  readonly #order: BlocksOrder;
  readonly #forget: () => void;
  readonly #caches = new Set<RemoteCache>();
  #facts: ReturnType<typeof readBlockFacts> | undefined;
  #place: Place | undefined;
  #lost: Error | undefined;
  #disposed = false;

  /** Not loaded before `reload`. `forget` is called when it is disposed. */
  constructor(order: BlocksOrder, forget: (blocks: RemoteBlocks) => void) {
    this.#order = order;
    this.range = order.range;
    this.#forget = () => forget(this);
  }

  get engine(): EngineName {
    return this.#known().engine;
  }
  get device(): string {
    return this.#known().device;
  }
  get deviceKind(): "processor" | "card" {
    return this.#known().deviceKind;
  }
  get hiddenSize(): number {
    return this.#known().hiddenSize;
  }
  get dtype(): FloatDType {
    return this.#known().dtype;
  }
  get weightBytes(): number {
    return this.#known().weightBytes;
  }
  get cacheBytesPerToken(): number {
    return this.#known().cacheBytesPerToken;
  }

  async reload(connection: EngineConnection, signal: AbortSignal): Promise<void> {
    const { reply } = await connection.call({ act: "load", ...this.#order }, [], signal);
    const place = { connection, handle: handleOf(reply) };
    this.#facts = readBlockFacts(reply.facts);
    // it may have been disposed while it was loaded again
    if (this.#disposed) await connection.free(place.handle);
    else this.#place = place;
  }

  lose(why: Error): void {
    this.#place = undefined;
    this.#lost = why;
    for (const cache of this.#caches) cache.lose(why);
    this.#caches.clear();
  }

  async openCache(size: CacheSize, signal: AbortSignal): Promise<KvCache> {
    const { connection, handle } = this.#here();
    checkCacheSize(size, this.range);
    const { range, batch, capacity } = size;
    const { reply } = await connection.call(
      { act: "openCache", blocks: handle, range, batch, capacity },
      [],
      signal,
    );
    const at = { blocks: { connection, handle }, cache: { connection, handle: handleOf(reply) } };
    const cache = new RemoteCache({ range, batch, capacity }, at, () => this.#caches.delete(cache));
    this.#caches.add(cache);
    return cache;
  }

  async forward(step: BlockStep, range: BlockRange, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const { connection, handle } = this.#here();
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
      // A cache of an earlier life says so, also while the process is away
      cache.requireAlive();
      const place = this.#here();
      checkCacheStep(step, cache, this.hiddenSize);
      return await cache.step(step, place, signal);
    }, signal);
  }

  async scores(
    step: TextStep,
    cache: KvCache,
    head: TextHead,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    return await this.#ofText(
      step,
      cache,
      head,
      (at, cache, head) => cache.scores(step, at, head, signal),
      signal,
    );
  }

  async next(step: NextStep, cache: KvCache, head: TextHead, signal: AbortSignal): Promise<number> {
    const text = { ...step, scored: 1 };
    return await this.#ofText(
      text,
      cache,
      head,
      (at, cache, head) => cache.next(step, at, head, signal),
      signal,
    );
  }

  /** One call over whole texts, checked and in its turn. */
  async #ofText<T>(
    step: TextStep,
    cache: KvCache,
    head: TextHead,
    call: (at: Place, cache: RemoteCache, head: RemoteHead) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    if (!(cache instanceof RemoteCache) || !(head instanceof RemoteHead)) {
      throw new TypeError("Cannot score: cache or head belong to another engine");
    }
    checkTextStep(step);
    return await cache.lane.run(async () => {
      cache.requireAlive();
      const place = this.#here();
      checkCacheSpace(step.ids.length, step.rewindTo, cache);
      return await call(place, cache, head);
    }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#forget();
    const place = this.#place;
    this.lose(new TypeError("Cannot compute: the blocks are unloaded"));
    await place?.connection.free(place.handle);
  }

  #known(): ReturnType<typeof readBlockFacts> {
    if (this.#facts === undefined) throw new TypeError("Cannot describe blocks: they were never loaded");
    return this.#facts;
  }

  #here(): Place {
    if (this.#place === undefined) throw absence(this.#lost);
    return this.#place;
  }
}
