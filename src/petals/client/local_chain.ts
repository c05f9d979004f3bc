/**
 * All blocks of a model in this process.
 *
 * @module
 */
import type { Activations } from "../../base/tensor.ts";
import { type Chain, type Hop, requireReached } from "./chain.ts";
import type { OpenHop, SessionSize } from "./hop.ts";
import { type LocalSpan, openLocalHop } from "./local_hop.ts";

/** A chain of one hop, over blocks that are loaded here. Throws as `openCache` does. */
export async function openLocalChain(
  span: LocalSpan,
  size: SessionSize,
  signal: AbortSignal,
): Promise<Chain> {
  return new LocalChain(await openLocalHop(span, size, signal));
}

class LocalChain implements Chain {
  readonly canRewind = true;
  readonly #hop: OpenHop;
  #position = 0;
  #startFrom: number | undefined;

  constructor(hop: OpenHop) {
    this.#hop = hop;
  }

  get hops(): readonly Hop[] {
    const { peerId, blocks, energy } = this.#hop;
    return [{ peerId, blocks, energy }];
  }

  get position(): number {
    return this.#position;
  }

  async step(input: Activations, signal: AbortSignal): Promise<Activations> {
    const output = await this.#hop.step(input, { stepId: "", next: [], startFrom: this.#startFrom }, signal);
    this.#startFrom = undefined;
    this.#position += input.tokens;
    return output;
  }

  rewind(position: number): void {
    requireReached(position, this.#position);
    if (position === this.#position) return;
    this.#position = position;
    this.#startFrom = position;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hop[Symbol.asyncDispose]();
  }
}
