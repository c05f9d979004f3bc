/**
 * A text over blocks that are all in this process, which outlives the death of the engine.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { Activations } from "../base/tensor.ts";
import { lengthOf } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { KvCache, LoadedBlocks, TextHead } from "../compute/backend.ts";
import { type Hop, requireReached } from "../petals/client/chain.ts";
import type { SessionEnergy } from "../petals/report.ts";
import { isDeath, outlive } from "./engine_death.ts";
import type { Lent } from "./on_demand.ts";
import { chooseLast, scoreLast, type Sequence, type WantedNext, type WantedScores } from "./sequence.ts";

/** Positions of one call when a text is taken in again. */
const REPLAY_PASS = 256;

/** All blocks of a model in this process, and its head. */
export interface SoloModel {
  readonly self: string;
  /** The blocks as they are loaded now; none for a while when their engine died. */
  readonly blocks: () => LoadedBlocks | undefined;
  /** How many there must be. */
  readonly count: number;
  /** Given back when the sequence is disposed. */
  readonly lent: Lent<TextHead>;
  /** What the steps over a cache cost so far. */
  readonly energyOf?: (cache: KvCache) => SessionEnergy | undefined;
  /** An engine that died ends the text; it is waited for without it. */
  readonly givesUp?: true;
}

/** A sequence over blocks that are all here. Throws as `openCache` does; `unreachable` where they are not loaded. */
export async function openSoloSequence(
  world: World,
  model: SoloModel,
  capacity: number,
  signal: AbortSignal,
): Promise<Sequence> {
  return new SoloSequence(world, model, capacity, await openPlace(model, capacity, signal));
}

/** Where the text is remembered. */
interface Place {
  readonly blocks: LoadedBlocks;
  readonly cache: KvCache;
}

async function openPlace(
  { blocks, count }: SoloModel,
  capacity: number,
  signal: AbortSignal,
): Promise<Place> {
  const now = blocks();
  if (now === undefined || lengthOf(now.range) !== count) {
    throw new NodeError("unreachable", "Cannot compute: the blocks of the model are not loaded, wanted all");
  }
  return { blocks: now, cache: await now.openCache({ range: now.range, batch: 1, capacity }, signal) };
}

class SoloSequence implements Sequence {
  readonly canRewind = true;
  readonly #world: World;
  readonly #model: SoloModel;
  /** All ids taken, for an engine that has to take them in again. */
  readonly #ids: number[] = [];
  #place: Place;

  constructor(world: World, model: SoloModel, readonly capacity: number, place: Place) {
    this.#world = world;
    this.#model = model;
    this.#place = place;
  }

  get position(): number {
    return this.#ids.length;
  }

  get hops(): readonly Hop[] {
    const { self, energyOf } = this.#model;
    const { blocks, cache } = this.#place;
    return [{ peerId: self, blocks: blocks.range, energy: energyOf?.(cache) }];
  }

  rewind(position: number): void {
    requireReached(position, this.position);
    this.#ids.length = position;
  }

  async feed(
    ids: readonly number[],
    wanted: WantedScores,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    return await this.#take(ids, () => this.#score(ids, wanted, signal), signal);
  }

  async next(ids: readonly number[], wanted: WantedNext, signal: AbortSignal): Promise<number> {
    return await this.#take(ids, () => this.#next(ids, wanted, signal), signal);
  }

  async states(ids: readonly number[], signal: AbortSignal): Promise<Activations> {
    return await this.#take(ids, () => this.#states(ids, signal), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _lent = this.#model.lent;
    await this.#place.cache[Symbol.asyncDispose]();
  }

  /** Computes, again where the engine died meanwhile, and remembers what was taken. */
  async #take<T>(ids: readonly number[], compute: () => Promise<T>, signal: AbortSignal): Promise<T> {
    while (true) {
      try {
        const result = await compute();
        this.#ids.push(...ids);
        return result;
      } catch (error) {
        if (signal.aborted || this.#model.givesUp || !isDeath(error)) throw error;
        await this.#mend(error, signal);
      }
    }
  }

  /** Waits for the blocks and feeds them what they had been fed. */
  async #mend(error: unknown, signal: AbortSignal): Promise<void> {
    const taken = this.#ids.splice(0);
    await outlive(this.#world, error, async () => {
      await this.#place.cache[Symbol.asyncDispose]();
      this.#place = await openPlace(this.#model, this.capacity, signal);
      this.#ids.length = 0;
      for (let at = 0; at < taken.length; at += REPLAY_PASS) {
        const part = taken.slice(at, at + REPLAY_PASS);
        await this.#score(part, { scored: 0 }, signal);
        this.#ids.push(...part);
      }
    }, signal);
  }

  async #score(
    ids: readonly number[],
    { scored, best }: WantedScores,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { value: head } = this.#model.lent;
    const { blocks, cache } = this.#place;
    if (blocks.scores === undefined) {
      return await scoreLast(head, await this.#states(ids, signal), { scored, best }, signal);
    }
    const step = { ids, scored, ...this.#rewound(), ...(best === undefined ? {} : { best }) };
    return await blocks.scores(step, cache, head, signal);
  }

  async #next(ids: readonly number[], wanted: WantedNext, signal: AbortSignal): Promise<number> {
    const { value: head } = this.#model.lent;
    const { blocks, cache } = this.#place;
    if (blocks.next === undefined) {
      const { choice } = wanted;
      return await chooseLast(head, await this.#states(ids, signal), { choice }, signal);
    }
    return await blocks.next({ ids, ...wanted, ...this.#rewound() }, cache, head, signal);
  }

  async #states(ids: readonly number[], signal: AbortSignal): Promise<Activations> {
    const { value: head } = this.#model.lent;
    const { blocks, cache } = this.#place;
    const data = await head.embed(ids, signal);
    const input = { batch: 1, tokens: ids.length, hidden: head.hiddenSize, data };
    return { ...input, data: await blocks.step({ input, ...this.#rewound() }, cache, signal) };
  }

  /** What the cache holds beyond the text is forgotten with the next step. */
  #rewound(): { readonly rewindTo?: number } {
    return this.#place.cache.length === this.position ? {} : { rewindTo: this.position };
  }
}
