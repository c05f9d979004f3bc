/**
 * Blocks in this process as a part of a chain.
 *
 * @module
 */
import type { Activations, BlockRange, PeerId } from "../../base/tensor.ts";
import type { KvCache, LoadedBlocks } from "../../compute/backend.ts";
import type { SessionEnergy } from "../report.ts";
import type { HopStep, OpenHop, SessionSize } from "./hop.ts";

/** Blocks that are loaded here, and the name they go by. */
export interface LocalSpan {
  readonly self: PeerId;
  readonly loaded: LoadedBlocks;
  /** Part of what is loaded. */
  readonly blocks: BlockRange;
  /** What the steps over a cache cost so far. */
  readonly energyOf?: ((cache: KvCache) => SessionEnergy | undefined) | undefined;
}

/** Reserves a cache over loaded blocks. Throws as `openCache` does. */
export async function openLocalHop(
  span: LocalSpan,
  size: SessionSize,
  signal: AbortSignal,
): Promise<OpenHop> {
  const { loaded, blocks: range } = span;
  const { batch, maxLength: capacity } = size;
  return new LocalHop(span, await loaded.openCache({ range, batch, capacity }, signal));
}

class LocalHop implements OpenHop {
  readonly peerId: PeerId;
  readonly blocks: BlockRange;
  /** Nobody pushes into this process: its steps come from the chain alone. */
  readonly pushTo = undefined;
  readonly #energyOf: LocalSpan["energyOf"];
  readonly #loaded: LoadedBlocks;
  readonly cache: KvCache;

  constructor(span: LocalSpan, cache: KvCache) {
    this.peerId = span.self;
    this.blocks = span.blocks;
    this.#energyOf = span.energyOf;
    this.#loaded = span.loaded;
    this.cache = cache;
  }

  get energy(): SessionEnergy | undefined {
    return this.#energyOf?.(this.cache);
  }

  async step(input: Activations, { startFrom }: HopStep, signal: AbortSignal): Promise<Activations> {
    const step = { input, ...(startFrom === undefined ? {} : { rewindTo: startFrom }) };
    return { ...input, data: await this.#loaded.step(step, this.cache, signal) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cache[Symbol.asyncDispose]();
  }
}
