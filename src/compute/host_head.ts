/**
 * Embeddings and output matrix on an engine that takes hidden states from here.
 *
 * @module
 */
import type { Lane } from "../base/lane.ts";
import type { ModelSource } from "../model/source.ts";
import type { EngineName, TextHead } from "./backend.ts";
import { checkScoredRows } from "./check_step.ts";
import { readEmbeddings } from "./embeddings.ts";

/** Final norm and output matrix. */
export interface HeadKernel {
  /** Scores `[rows, vocabulary]` of `hidden` `[rows, hiddenSize]`, written into `scores`. */
  score(hidden: Float32Array<ArrayBuffer>, rows: number, scores: Float32Array<ArrayBuffer>): Promise<void>;
  /** Lets go of the weights. */
  free(): Promise<void>;
}

/** A loaded head. */
export interface HostHeadParts {
  readonly engine: EngineName;
  readonly model: ModelSource;
  readonly weightBytes: number;
  readonly kernel: HeadKernel;
  /** One computation at a time. */
  readonly lane: Lane;
}

/** Hidden states that go through the output matrix at once. */
const CHUNK_ROWS = 32;

/** See {@linkcode TextHead}. */
export class HostHead implements TextHead {
  readonly engine: EngineName;
  readonly hiddenSize: number;
  readonly vocabularySize: number;
  readonly weightBytes: number;
  readonly #parts: HostHeadParts;
  #disposed = false;

  /** Owns `parts.kernel` from now on; reads `parts.model` until disposed, but does not own it. */
  constructor(parts: HostHeadParts) {
    this.#parts = parts;
    this.engine = parts.engine;
    this.hiddenSize = parts.model.architecture.hiddenSize;
    this.vocabularySize = parts.model.architecture.vocabularySize;
    this.weightBytes = parts.weightBytes;
  }

  async embed(ids: readonly number[], signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    this.#requireLoaded();
    return await readEmbeddings(this.#parts.model, ids, signal);
  }

  async logits(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    checkScoredRows(hidden, rows, this.hiddenSize);
    this.#requireLoaded();
    const out = new Float32Array(rows * this.vocabularySize);
    for (let row = 0; row < rows; row += CHUNK_ROWS) {
      const end = Math.min(rows, row + CHUNK_ROWS);
      await this.#parts.lane.run(async () => {
        this.#requireLoaded();
        await this.#parts.kernel.score(
          hidden.subarray(row * this.hiddenSize, end * this.hiddenSize),
          end - row,
          out.subarray(row * this.vocabularySize, end * this.vocabularySize),
        );
      }, signal);
    }
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#parts.lane.run(() => this.#parts.kernel.free(), new AbortController().signal);
  }

  #requireLoaded(): void {
    if (this.#disposed) throw new TypeError("Cannot compute: the head is unloaded");
  }
}
