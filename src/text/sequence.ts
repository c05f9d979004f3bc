/**
 * One text on its way through all blocks of a model: token ids in, scores out.
 *
 * @module
 */
import type { Activations } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { DrawnChoice, GoOn, NextStep, TextHead } from "../compute/backend.ts";
import { sampleToken } from "../compute/sample_token.ts";
import { isDeath, outlive } from "./engine_death.ts";
import type { Lent } from "./on_demand.ts";
import type { Chain, Hop } from "../petals/client/chain.ts";

/** Which scores are wanted. */
export interface WantedScores {
  /** Of so many of the last positions. */
  readonly scored: number;
  /** Only so many of the best of each; the others may be -Infinity. All without it. */
  readonly best?: number | undefined;
}

/** How the id that follows is chosen; see {@linkcode NextStep}. */
export type WantedNext = Pick<NextStep, "choice" | "goOnUnless">;

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
  /** Takes ids, 1 or more, and scores what may follow the last of them: `[scored, vocabulary]`. */
  feed(ids: readonly number[], wanted: WantedScores, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>>;
  /** Takes ids, 1 or more, and chooses the id that follows the last of them. */
  next(ids: readonly number[], wanted: WantedNext, signal: AbortSignal): Promise<number>;
  /** Takes ids; their last hidden states before the final norm. */
  states(ids: readonly number[], signal: AbortSignal): Promise<Activations>;
}

/**
 * A sequence over a chain of blocks, wherever they are; owns `chain` and `lent`. Where the engine that holds the head dies, it
 * is waited for.
 */
export function chainSequence(
  world: World,
  lent: Lent<TextHead>,
  chain: Chain,
  capacity: number,
): Sequence {
  return new ChainSequence(world, lent, chain, capacity);
}

class ChainSequence implements Sequence {
  readonly head: TextHead;

  constructor(
    readonly world: World,
    readonly lent: Lent<TextHead>,
    readonly chain: Chain,
    readonly capacity: number,
  ) {
    this.head = lent.value;
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
    wanted: WantedScores,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const states = await this.states(ids, signal);
    return await this.#withHead((head) => scoreLast(head, states, wanted, signal), signal);
  }

  async next(
    ids: readonly number[],
    { choice, goOnUnless }: WantedNext,
    signal: AbortSignal,
  ): Promise<number> {
    const states = await this.states(ids, signal);
    const { firstCache: cache } = this.chain;
    const goOn = goOnUnless && cache && { goOn: { cache, unless: goOnUnless } };
    return await this.#withHead((head) => chooseLast(head, states, { choice, ...goOn }, signal), signal);
  }

  async states(ids: readonly number[], signal: AbortSignal): Promise<Activations> {
    const data = await this.#withHead((head) => head.embed(ids, signal), signal);
    const input = { batch: 1, tokens: ids.length, hidden: this.head.hiddenSize, data };
    return await this.chain.step(input, signal);
  }

  /** A head remembers nothing: whatever it is asked can be asked again. */
  async #withHead<T>(ask: (head: TextHead) => Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      return await ask(this.head);
    } catch (error) {
      if (signal.aborted || !isDeath(error)) throw error;
      return await outlive(this.world, error, () => ask(this.head), signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _lent = this.lent;
    await this.chain[Symbol.asyncDispose]();
  }
}

/** Scores of the last positions of `states`. */
export async function scoreLast(
  head: TextHead,
  { data, tokens }: Activations,
  { scored, best }: WantedScores,
  signal: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  if (scored === 0) return new Float32Array(0);
  const last = data.slice((tokens - scored) * head.hiddenSize);
  return best === undefined || head.bestLogits === undefined
    ? await head.logits(last, scored, signal)
    : await head.bestLogits(last, scored, best, signal);
}

/** The id that follows the last position of `states`. */
export async function chooseLast(
  head: TextHead,
  { data }: Activations,
  wanted: { readonly choice: DrawnChoice; readonly goOn?: GoOn },
  signal: AbortSignal,
): Promise<number> {
  const last = data.slice(-head.hiddenSize);
  if (head.next !== undefined) return await head.next(last, wanted, signal);
  const { choice } = wanted;
  return sampleToken(await head.logits(last, 1, signal), choice, () => choice.draw);
}
