/**
 * All blocks of a model in this process.
 *
 * @module
 */
import type { Activations, PeerId } from "../../base/tensor.ts";
import type { KvCache, LoadedBlocks } from "../../compute/backend.ts";
import type { Chain, Hop } from "./chain.ts";

/** A chain of one hop over blocks that are loaded here; `self` is the name it reports. Throws as `openCache` does. */
export async function openLocalChain(
  blocks: LoadedBlocks,
  self: PeerId,
  maxLength: number,
  signal: AbortSignal,
): Promise<Chain> {
  const size = { range: blocks.range, batch: 1, capacity: maxLength };
  return new LocalChain(blocks, await blocks.openCache(size, signal), self);
}

class LocalChain implements Chain {
  readonly hops: readonly Hop[];
  readonly #blocks: LoadedBlocks;
  readonly #cache: KvCache;

  constructor(blocks: LoadedBlocks, cache: KvCache, self: PeerId) {
    this.hops = [{ peerId: self, blocks: blocks.range }];
    this.#blocks = blocks;
    this.#cache = cache;
  }

  get position(): number {
    return this.#cache.length;
  }

  async step(input: Activations, signal: AbortSignal): Promise<Activations> {
    const data = await this.#blocks.step({ input }, this.#cache, signal);
    return { ...input, data };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cache[Symbol.asyncDispose]();
  }
}
