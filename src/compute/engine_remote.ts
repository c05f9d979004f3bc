/**
 * Blocks, caches and heads that live in the engine process, as the node holds them.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { Lane } from "../base/lane.ts";
import { unpackBest } from "./best_scores.ts";
import { type BlockRange, containsRange, type FloatDType, lengthOf } from "../base/tensor.ts";
import type { ModelSource } from "../model/source.ts";
import type {
  BlockStep,
  CacheSize,
  CacheStep,
  EngineName,
  KvCache,
  LoadedBlocks,
  LoadOptions,
  TextHead,
  TextStep,
} from "./backend.ts";
import {
  checkBlockStep,
  checkCacheSize,
  checkCacheSpace,
  checkCacheStep,
  checkScoredRows,
  checkTextStep,
} from "./check_step.ts";
import { readEmbeddings } from "./embeddings.ts";
import type { EngineConnection } from "./engine_connection.ts";
import { type NewRequest, readBlockFacts, readHeadFacts } from "./engine_messages.ts";
import { floatsOf } from "./engine_wire.ts";

/** Where something is: in which life of the process, under which handle. */
interface Place {
  readonly connection: EngineConnection;
  readonly handle: number;
}

/** Something that is loaded again when the process was started again. */
export interface Reloadable {
  /** Loads it into `connection`. Throws as `BlockBackend.load`. */
  reload(connection: EngineConnection, signal: AbortSignal): Promise<void>;
  /** It is in no process any more, because of `why`. */
  lose(why: Error): void;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** What to load. */
export interface BlocksOrder {
  readonly path: string;
  readonly range: BlockRange;
  readonly options: LoadOptions;
}

/** What a call meets between two lives; a mistake of ours, such as a call after the end, stays one. */
const absence = (why: Error | undefined): Error =>
  why instanceof NodeError && why.code === "unreachable"
    ? new NodeError("busy", `Cannot compute: the engine process is being started again (${why.message})`)
    : why ?? new TypeError("Cannot compute: nothing was loaded");

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
    const cache = new RemoteCache({ range, batch, capacity }, { connection, handle: handleOf(reply) }, () => {
      this.#caches.delete(cache);
    });
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
    if (!(cache instanceof RemoteCache) || !(head instanceof RemoteHead)) {
      throw new TypeError("Cannot score: cache or head belong to another engine");
    }
    checkTextStep(step);
    return await cache.lane.run(async () => {
      cache.requireAlive();
      const place = this.#here();
      checkCacheSpace(step.ids.length, step.rewindTo, cache);
      return await cache.scores(step, place, head, signal);
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

class RemoteCache implements KvCache {
  readonly range: BlockRange;
  readonly batch: number;
  readonly capacity: number;
  /** One step at a time: the next one begins where the last one ended. */
  readonly lane: Lane = new Lane();
  readonly #place: Place;
  readonly #closed: () => void;
  #length = 0;
  #lost: Error | undefined;
  /** The last step failed somewhere in its middle: the next one says where it begins. */
  #unsure = false;

  constructor(size: CacheSize, place: Place, closed: () => void) {
    this.range = size.range;
    this.batch = size.batch;
    this.capacity = size.capacity;
    this.#place = place;
    this.#closed = closed;
  }

  get length(): number {
    return this.#length;
  }

  lose(why: Error): void {
    this.#lost ??= why;
  }

  requireAlive(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  step(step: CacheStep, blocks: Place, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const request = {
      act: "step" as const,
      ...sizesOf(step),
      ...(step.rows === undefined ? {} : { rows: [...step.rows] }),
    };
    return this.#take(request, valuesOf(step), { ...step, tokens: step.input.tokens, blocks }, signal);
  }

  scores(
    step: TextStep,
    blocks: Place,
    head: RemoteHead,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { scored, best } = step;
    const request = { act: "scores" as const, head: head.handle, scored, ...bestOf(best) };
    const values = this.#take(
      request,
      [Int32Array.from(step.ids)],
      { ...step, tokens: step.ids.length, blocks },
      signal,
    );
    return best === undefined
      ? values
      : values.then((packed) => unpackBest(packed, head.vocabularySize, best));
  }

  /** One request that adds positions, and what it did to the length, also when it failed. */
  async #take(
    request: DistributiveOmit<Extract<NewRequest, { cache: number }>, "blocks" | "cache" | "rewindTo">,
    values: readonly (Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>)[],
    step: Pick<CacheStep, "rewindTo" | "spent"> & { readonly tokens: number; readonly blocks: Place },
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { blocks, tokens } = step;
    const rewindTo = step.rewindTo ?? (this.#unsure ? this.#length : undefined);
    try {
      const { reply, payload } = await blocks.connection.call(
        {
          ...request,
          blocks: blocks.handle,
          cache: this.#place.handle,
          ...(rewindTo === undefined ? {} : { rewindTo }),
        },
        values,
        signal,
      );
      this.#length = reply.length ?? this.#length + tokens;
      this.#unsure = false;
      if (reply.cpuMs !== undefined) step.spent?.(reply.cpuMs);
      return floatsOf(payload);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof TypeError)) {
        this.#unsure = true;
        this.#length = Math.min(this.#length, step.rewindTo ?? this.#length);
      }
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed();
    if (this.#lost !== undefined) return;
    this.lose(new TypeError("Cannot step: the cache is closed"));
    await this.#place.connection.free(this.#place.handle);
  }
}

/** A loaded head. The same object serves over all lives of the process. */
export class RemoteHead implements TextHead, Reloadable {
  readonly #model: ModelSource;
  readonly #order: Omit<BlocksOrder, "range">;
  readonly #forget: () => void;
  #facts: ReturnType<typeof readHeadFacts> | undefined;
  #place: Place | undefined;
  #lost: Error | undefined;
  #disposed = false;

  /** Of `model`, which it reads until disposed, but does not own. Otherwise as `RemoteBlocks`. */
  constructor(model: ModelSource, options: LoadOptions, forget: (head: RemoteHead) => void) {
    this.#model = model;
    this.#order = { path: model.path, options };
    this.#forget = () => forget(this);
  }

  get engine(): EngineName {
    return this.#known().engine;
  }
  get hiddenSize(): number {
    return this.#known().hiddenSize;
  }
  get vocabularySize(): number {
    return this.#known().vocabularySize;
  }
  get weightBytes(): number {
    return this.#known().weightBytes;
  }

  async reload(connection: EngineConnection, signal: AbortSignal): Promise<void> {
    const { reply } = await connection.call({ act: "loadHead", ...this.#order }, [], signal);
    const place = { connection, handle: handleOf(reply) };
    this.#facts = readHeadFacts(reply.facts);
    // it may have been disposed while it was loaded again
    if (this.#disposed) await connection.free(place.handle);
    else this.#place = place;
  }

  lose(why: Error): void {
    this.#place = undefined;
    this.#lost = why;
  }

  /** Its name in the process of now. Throws what a call would. */
  get handle(): number {
    return this.#here().handle;
  }

  /** In this process: the way to the other one costs more than reading a row. */
  async embed(ids: readonly number[], signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    this.#here();
    return await readEmbeddings(this.#model, ids, signal);
  }

  async logits(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    return await this.#score(hidden, rows, undefined, signal);
  }

  async bestLogits(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    best: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    return unpackBest(await this.#score(hidden, rows, best, signal), this.vocabularySize, best);
  }

  async #score(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    best: number | undefined,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { connection, handle } = this.#here();
    checkScoredRows(hidden, rows, this.hiddenSize);
    const request = { act: "logits" as const, head: handle, rows, ...bestOf(best) };
    const { payload } = await connection.call(request, [hidden], signal);
    return floatsOf(payload);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#forget();
    const place = this.#place;
    this.lose(new TypeError("Cannot compute: the head is unloaded"));
    await place?.connection.free(place.handle);
  }

  #known(): ReturnType<typeof readHeadFacts> {
    if (this.#facts === undefined) throw new TypeError("Cannot describe a head: it was never loaded");
    return this.#facts;
  }

  #here(): Place {
    if (this.#place === undefined) throw absence(this.#lost);
    return this.#place;
  }
}

const bestOf = (best: number | undefined): { readonly best?: number } => best === undefined ? {} : { best };

function handleOf({ handle }: { readonly handle?: number | undefined }): number {
  if (handle !== undefined) return handle;
  throw new NodeError("malformed", "Cannot read a message of the engine process: it names no handle");
}

function sizesOf({ input: { batch, tokens, hidden }, prompts }: BlockStep) {
  return { batch, tokens, hidden, ...(prompts === undefined ? {} : { promptTokens: prompts.tokens }) };
}

const valuesOf = ({ input, prompts }: BlockStep): Float32Array<ArrayBuffer>[] =>
  prompts === undefined ? [input.data] : [input.data, prompts.data];
