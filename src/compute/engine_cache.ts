/**
 * Attention memory in the engine process, as the node holds it.
 *
 * @module
 */
import { Lane } from "../base/lane.ts";
import type { BlockRange } from "../base/tensor.ts";
import type { BlockStep, CacheSize, CacheStep, KvCache, NextStep, TextStep } from "./backend.ts";
import { unpackBest } from "./best_scores.ts";
import type { NewRequest } from "./engine_messages.ts";
import type { EngineAnswer, EngineConnection } from "./engine_connection.ts";
import { bestOf, chosenOf, type HeadPlace } from "./engine_place.ts";
import { floatsOf } from "./engine_wire.ts";

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** What is asked of a cache, but for where that is. */
type CacheRequest = DistributiveOmit<Extract<NewRequest, { cache: number }>, "blocks" | "cache" | "rewindTo">;

/** What a cache and its blocks are called, and in which life of the process. */
interface CachePlace {
  readonly connection: EngineConnection;
  readonly blocks: number;
  readonly cache: number;
}

/** Keys and values of one session. It does not outlive the process that it is in. */
export class RemoteCache implements KvCache {
  readonly range: BlockRange;
  readonly batch: number;
  readonly capacity: number;
  /** One step at a time: the next one begins where the last one ended. */
  readonly lane: Lane = new Lane();
  readonly #at: CachePlace;
  readonly #closed: () => void;
  #length = 0;
  #lost: Error | undefined;
  /** The last step failed somewhere in its middle: the next one says where it begins. */
  #unsure = false;

  constructor(size: CacheSize, at: CachePlace, closed: () => void) {
    this.range = size.range;
    this.batch = size.batch;
    this.capacity = size.capacity;
    this.#at = at;
    this.#closed = closed;
  }

  get length(): number {
    return this.#length;
  }

  lose(why: Error): void {
    this.#lost ??= why;
  }

  /** Its names in the process behind `connection`, where it is there and known to hold what it should. */
  placeIn(connection: EngineConnection): { readonly blocks: number; readonly cache: number } | undefined {
    const { connection: here, ...names } = this.#at;
    return this.#lost !== undefined || this.#unsure || here !== connection ? undefined : names;
  }

  requireAlive(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  async step(step: CacheStep, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const request = {
      act: "step" as const,
      ...sizesOf(step),
      ...(step.rows === undefined ? {} : { rows: [...step.rows] }),
    };
    const taken = { ...step, tokens: step.input.tokens };
    return floatsOf((await this.#take(request, valuesOf(step), taken, signal)).payload);
  }

  async scores(
    step: TextStep,
    head: HeadPlace,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { scored, best } = step;
    const request = { act: "scores" as const, head: head.handle, scored, ...bestOf(best) };
    const values = floatsOf((await this.#takeIds(request, step, signal)).payload);
    return best === undefined ? values : unpackBest(values, head.vocabularySize, best);
  }

  async next(step: NextStep, head: HeadPlace, signal: AbortSignal): Promise<number> {
    const { choice, goOnUnless } = step;
    const goOn = goOnUnless === undefined ? {} : { goOnUnless: [...goOnUnless] };
    const request = { act: "next" as const, head: head.handle, choice, ...goOn };
    return chosenOf((await this.#takeIds(request, step, signal)).reply, head.vocabularySize);
  }

  #takeIds(
    request: CacheRequest,
    step: Pick<TextStep, "ids" | "rewindTo" | "spent">,
    signal: AbortSignal,
  ): Promise<EngineAnswer> {
    const taken = { ...step, tokens: step.ids.length };
    return this.#take(request, [Int32Array.from(step.ids)], taken, signal);
  }

  /** One request that adds positions, and what it did to the length, also when it failed. */
  async #take(
    request: CacheRequest,
    values: readonly (Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>)[],
    step: Pick<CacheStep, "rewindTo" | "spent"> & { readonly tokens: number },
    signal: AbortSignal,
  ): Promise<EngineAnswer> {
    const { connection, ...names } = this.#at;
    const rewindTo = step.rewindTo ?? (this.#unsure ? this.#length : undefined);
    try {
      const answer = await connection.call(
        {
          ...request,
          ...names,
          ...(rewindTo === undefined ? {} : { rewindTo }),
        },
        values,
        signal,
      );
      const { length, cpuMs } = answer.reply;
      this.#length = length ?? this.#length + step.tokens;
      this.#unsure = false;
      if (cpuMs !== undefined) step.spent?.(cpuMs);
      return answer;
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
    await this.#at.connection.free(this.#at.cache);
  }
}

/** Sizes of a step, as a message states them. */
export function sizesOf({ input: { batch, tokens, hidden }, prompts }: BlockStep) {
  return { batch, tokens, hidden, ...(prompts === undefined ? {} : { promptTokens: prompts.tokens }) };
}

/** Values of a step, as the payload of a message. */
export const valuesOf = ({ input, prompts }: BlockStep): Float32Array<ArrayBuffer>[] =>
  prompts === undefined ? [input.data] : [input.data, prompts.data];
