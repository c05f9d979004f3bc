import { sampleToken } from "../../src/compute/sample_token.ts";
import type { Sequence, WantedNext, WantedScores } from "../../src/text/sequence.ts";

/** Scores by all ids so far: `next` says how; positions and passes are kept. */
export class ToySequence implements Sequence {
  readonly ids: number[] = [];
  /** Ids of each pass. */
  readonly passes: (readonly number[])[] = [];
  /** How each token was to be chosen that was chosen here. */
  readonly chosen: WantedNext[] = [];
  canRewind = true;
  closed = false;
  readonly hops = [{ peerId: "toy", blocks: { start: 0, end: 1 } }];

  constructor(
    readonly scoresOf: (ids: readonly number[], pass: { readonly width: number }) => Float32Array,
    readonly capacity = 1000,
  ) {}

  get position(): number {
    return this.ids.length;
  }

  rewind(position: number): void {
    if (!(position >= 0 && position <= this.ids.length)) throw new RangeError(`rewind ${position}`);
    this.ids.length = position;
  }

  feed(
    ids: readonly number[],
    { scored }: WantedScores,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (ids.length === 0 || scored > ids.length) throw new RangeError("wrong pass");
    if (this.ids.length + ids.length > this.capacity) throw new RangeError("no room");
    this.passes.push(ids);
    const rows: number[] = [];
    ids.forEach((id, at) => {
      this.ids.push(id);
      if (at >= ids.length - scored) rows.push(...this.scoresOf(this.ids, { width: ids.length }));
    });
    return Promise.resolve(Float32Array.from(rows));
  }

  async next(ids: readonly number[], wanted: WantedNext, signal: AbortSignal): Promise<number> {
    const { choice } = wanted;
    this.chosen.push(wanted);
    return sampleToken(await this.feed(ids, { scored: 1 }, signal), choice, () => choice.draw);
  }

  states(ids: readonly number[]) {
    this.ids.push(...ids);
    const data = Float32Array.from(ids.flatMap((id) => [id + 1, 2]));
    return Promise.resolve({ batch: 1, tokens: ids.length, hidden: 2, data });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

/** Scores that make `id` the best by `margin`. */
export function scoresFor(id: number, vocabulary: number, margin = 5): Float32Array<ArrayBuffer> {
  const scores = new Float32Array(vocabulary).fill(-10);
  scores[id] = margin;
  scores[(id + 1) % vocabulary] = 0;
  return scores;
}
