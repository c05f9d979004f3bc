/**
 * Guessing what comes next with a small model (speculative decoding, Leviathan 2023).
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import type { Log } from "../base/world.ts";
import { bestIndices } from "../compute/best_scores.ts";
import type { Drafter } from "./generate.ts";
import type { Lease } from "./sequences.ts";

/** Tokens that are taken in on the way to a guess; more are read while others compute. */
const CATCH_UP = 16;
/** Positions of one pass over the prompt: what is computed beside it, such as the scores of a token, waits so long. */
export const READ_PASS = 32;

/** A small model with the vocabulary of the one that is asked. */
export interface DraftModel {
  /**
   * A sequence with room for `room` positions, or for as many as the small model has, which may hold the first of `ids`;
   * `undefined` where there is none for them. Throws what opening it throws.
   */
  lend(ids: readonly number[], room: number, signal: AbortSignal): Promise<Lease | undefined>;
}

/** What a text is guessed with. */
export interface ModelDraftParts {
  readonly log: Log;
  readonly model: DraftModel;
  /** The prompt's tokens. */
  readonly prompt: readonly number[];
  /** Positions that prompt and answer may have. */
  readonly room: number;
  /** Ids behind which nothing is guessed. */
  readonly endIds: ReadonlySet<number>;
}

/**
 * Follows a text with a small model. It is opened with the first guess that is wanted, and reads the prompt while others
 * compute: until then it knows nothing. Where it fails, it knows nothing any more. Dispose to give the model back.
 */
export class ModelDraft implements Drafter, AsyncDisposable {
  readonly #parts: ModelDraftParts;
  readonly #end = new AbortController();
  /** The text, and behind its first `#known` ids what was guessed to follow. */
  readonly #line: number[];
  #known: number;
  /** The sequence holds so many of the first of the line, and perhaps others behind them. */
  #held = 0;
  #lease: Lease | undefined;
  #reading: Promise<void> | undefined;
  #isOver = false;

  constructor(parts: ModelDraftParts) {
    this.#parts = parts;
    this.#line = [...parts.prompt];
    this.#known = parts.prompt.length;
  }

  push(id: number): void {
    if (this.#line[this.#known] !== id) {
      this.#line.length = this.#known;
      this.#line.push(id);
      this.#held = Math.min(this.#held, this.#known);
    }
    this.#known++;
  }

  guess(count: number, signal: AbortSignal): readonly number[] | Promise<readonly number[]> {
    if (this.#isOver || this.#reading !== undefined) return [];
    if (this.#lease !== undefined && this.#known - this.#held <= CATCH_UP) {
      return this.#guess(this.#lease, count, signal);
    }
    this.#reading = this.#read().catch((error) => this.#giveUp(error)).finally(() => {
      this.#reading = undefined;
    });
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#end.abort(new NodeError("aborted", "The text is over"));
    await this.#reading;
    await this.#release(this.#line.slice(0, this.#held));
  }

  async #guess({ sequence }: Lease, count: number, signal: AbortSignal): Promise<readonly number[]> {
    const wanted = this.#known + count;
    try {
      while (this.#line.length < wanted && this.#line.length <= sequence.capacity && !this.#hasEnded()) {
        const [best] = bestIndices(await this.#take(sequence, this.#line.length, 1, signal), 1);
        if (best === undefined) throw new NodeError("corrupt", "Cannot guess: no score is a number");
        this.#line.push(best);
      }
    } catch (error) {
      signal.throwIfAborted();
      await this.#giveUp(error);
    }
    return this.#line.slice(this.#known, wanted);
  }

  /** Takes the text in, but for its last token, as it is when the last pass begins. */
  async #read(): Promise<void> {
    const { model, room } = this.#parts;
    const { signal } = this.#end;
    if (this.#lease === undefined) {
      this.#lease = await model.lend(this.#line.slice(0, this.#known), room, signal);
      this.#held = this.#lease?.held ?? 0;
    }
    if (this.#lease === undefined || this.#known > this.#lease.sequence.capacity) {
      this.#isOver = true;
      return;
    }
    const { sequence } = this.#lease;
    while (this.#known - this.#held > 1 && this.#known <= sequence.capacity) {
      const end = Math.min(this.#known - 1, this.#held + READ_PASS);
      await this.#take(sequence, end, 0, signal);
    }
  }

  async #take(
    sequence: Lease["sequence"],
    end: number,
    scored: number,
    signal: AbortSignal,
  ): Promise<Float32Array> {
    if (sequence.position > this.#held) sequence.rewind(this.#held);
    const scores = await sequence.feed(this.#line.slice(this.#held, end), { scored, best: 1 }, signal);
    this.#held = end;
    return scores;
  }

  /** Whether the last guess ends the text. */
  #hasEnded(): boolean {
    return this.#line.length > this.#known && this.#parts.endIds.has(this.#line.at(-1)!);
  }

  async #giveUp(error: unknown): Promise<void> {
    if (this.#end.signal.aborted) return;
    this.#isOver = true;
    this.#parts.log.debug("The small model guesses no more for this text", { reason: messageOf(error) });
    await this.#release();
  }

  async #release(ids?: readonly number[]): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    try {
      await lease?.release(ids);
    } catch (error) {
      this.#parts.log.debug("The small model's memory was not given back", { reason: messageOf(error) });
    }
  }
}
