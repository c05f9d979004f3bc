/**
 * One text on its way through all blocks of a model: token ids in, scores out.
 *
 * @module
 */
import type { Activations } from "../base/tensor.ts";
import type { KvCache, LoadedBlocks, TextHead } from "../compute/backend.ts";
import type { LentHead } from "./idle_head.ts";
import { type Chain, type Hop, requireReached } from "../petals/client/chain.ts";
import type { SessionEnergy } from "../petals/report.ts";

/** A text so far, and what the blocks remember of it. One call at a time. Dispose it to free their memory. */
export interface Sequence extends AsyncDisposable {
  /** Positions taken. */
  readonly position: number;
  /** Positions there is room for. */
  readonly capacity: number;
  /** Whether going back is cheap. */
  readonly canRewind: boolean;
  readonly hops: readonly Hop[];
  /** Forgets positions from `position` on. Throws `RangeError` for one that was not reached. */
  rewind(position: number): void;
  /** Takes ids, 1 or more, and scores what may follow each of the last `scored` of them: `[scored, vocabulary]`. */
  feed(ids: readonly number[], scored: number, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>>;
  /** Takes ids; their last hidden states before the final norm. */
  states(ids: readonly number[], signal: AbortSignal): Promise<Activations>;
}

/** A sequence over a chain of blocks, wherever they are; owns `chain` and `lent`. */
export function chainSequence(lent: LentHead, chain: Chain, capacity: number): Sequence {
  return new ChainSequence(lent, chain, capacity);
}

class ChainSequence implements Sequence {
  readonly head: TextHead;

  constructor(readonly lent: LentHead, readonly chain: Chain, readonly capacity: number) {
    this.head = lent.head;
  }

  get position(): number {
    return this.chain.position;
  }
  get canRewind(): boolean {
    return this.chain.canRewind;
  }
  get hops(): readonly Hop[] {
    return this.chain.hops;
  }

  rewind(position: number): void {
    this.chain.rewind(position);
  }

  async feed(
    ids: readonly number[],
    scored: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { data } = await this.states(ids, signal);
    if (scored === 0) return new Float32Array(0);
    const { hiddenSize } = this.head;
    return await this.head.logits(data.slice((ids.length - scored) * hiddenSize), scored, signal);
  }

  async states(ids: readonly number[], signal: AbortSignal): Promise<Activations> {
    const data = await this.head.embed(ids, signal);
    const input = { batch: 1, tokens: ids.length, hidden: this.head.hiddenSize, data };
    return await this.chain.step(input, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _lent = this.lent;
    await this.chain[Symbol.asyncDispose]();
  }
}

/** All blocks of a model in this process, and its head. */
export interface SoloModel {
  readonly self: string;
  readonly blocks: LoadedBlocks;
  /** Given back when the sequence is disposed. */
  readonly lent: LentHead;
  /** What the steps over a cache cost so far. */
  readonly energyOf?: (cache: KvCache) => SessionEnergy | undefined;
}

/** A sequence over blocks that are all here. Throws as `openCache` does. */
export async function openSoloSequence(
  model: SoloModel,
  capacity: number,
  signal: AbortSignal,
): Promise<Sequence> {
  const cache = await model.blocks.openCache({ range: model.blocks.range, batch: 1, capacity }, signal);
  return new SoloSequence(model, cache);
}

class SoloSequence implements Sequence {
  readonly canRewind = true;
  #rewindTo: number | undefined;

  constructor(readonly model: SoloModel, readonly cache: KvCache) {}

  get position(): number {
    return this.#rewindTo ?? this.cache.length;
  }
  get capacity(): number {
    return this.cache.capacity;
  }
  get hops(): readonly Hop[] {
    const { self, blocks, energyOf } = this.model;
    return [{ peerId: self, blocks: blocks.range, energy: energyOf?.(this.cache) }];
  }

  rewind(position: number): void {
    requireReached(position, this.position);
    if (position < this.position) this.#rewindTo = position;
  }

  async feed(
    ids: readonly number[],
    scored: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { blocks, lent: { head } } = this.model;
    if (blocks.scores === undefined) {
      const { data } = await this.states(ids, signal);
      return await head.logits(data.slice((ids.length - scored) * head.hiddenSize), scored, signal);
    }
    const scores = await blocks.scores({ ids, scored, ...this.#rewound() }, this.cache, head, signal);
    this.#rewindTo = undefined;
    return scores;
  }

  async states(ids: readonly number[], signal: AbortSignal): Promise<Activations> {
    const { blocks, lent: { head } } = this.model;
    const data = await head.embed(ids, signal);
    const input = { batch: 1, tokens: ids.length, hidden: head.hiddenSize, data };
    const output = await blocks.step({ input, ...this.#rewound() }, this.cache, signal);
    this.#rewindTo = undefined;
    return { ...input, data: output };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _lent = this.model.lent;
    await this.cache[Symbol.asyncDispose]();
  }

  #rewound(): { readonly rewindTo?: number } {
    return this.#rewindTo === undefined ? {} : { rewindTo: this.#rewindTo };
  }
}
