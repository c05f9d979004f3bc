/**
 * Embeddings and output matrix on ggml.
 *
 * @module
 */
import { outputTensorName } from "../model/slice.ts";
import type { ModelSource } from "../model/source.ts";
import type { TextHead } from "./backend.ts";
import { checkScoredRows } from "./check_step.ts";
import { readEmbeddings } from "./embeddings.ts";
import type { GgmlEngine } from "./ggml_blocks.ts";
import type { GgmlTensor } from "./ggml_context.ts";
import type { GgmlScratch } from "./ggml_ffi.ts";
import type { GgmlGraph } from "./ggml_graph.ts";
import type { GgmlWeights } from "./ggml_weights.ts";

/** Hidden states that go through the output matrix at once. */
const CHUNK_ROWS = 32;

interface PlacedHead extends Disposable {
  readonly graph: GgmlGraph;
  readonly rows: number;
  readonly hidden: GgmlTensor;
  readonly scores: GgmlTensor;
}

/** See {@linkcode TextHead}. */
export class GgmlHead implements TextHead {
  readonly engine = "ggml";
  readonly hiddenSize: number;
  readonly vocabularySize: number;
  readonly weightBytes: number;
  readonly #engine: GgmlEngine;
  readonly #model: ModelSource;
  readonly #weights: GgmlWeights;
  readonly #threads: number;
  readonly #scratch: GgmlScratch;
  #placed: PlacedHead | undefined;
  #disposed = false;

  /** Owns `weights`, which hold final norm and output matrix; reads `model` until disposed, but does not own it. */
  constructor(
    engine: GgmlEngine,
    model: ModelSource,
    { weights, threads }: { readonly weights: GgmlWeights; readonly threads: number },
  ) {
    this.#engine = engine;
    this.#model = model;
    this.#weights = weights;
    this.#threads = threads;
    this.#scratch = engine.device.newScratch();
    this.hiddenSize = model.architecture.hiddenSize;
    this.vocabularySize = model.architecture.vocabularySize;
    this.weightBytes = weights.bytes;
  }

  async embed(ids: readonly number[], signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    this.#requireLoaded();
    return await readEmbeddings(this.#model, ids, signal);
  }

  async logits(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    checkScoredRows(hidden, rows, this.hiddenSize);
    const out = new Float32Array(rows * this.vocabularySize);
    for (let row = 0; row < rows; row += CHUNK_ROWS) {
      const end = Math.min(rows, row + CHUNK_ROWS);
      await this.#engine.lane.run(async () => {
        this.#requireLoaded();
        const { graph, hidden: input, scores } = this.#graphFor(end - row);
        graph.set(input, hidden.subarray(row * this.hiddenSize, end * this.hiddenSize));
        await this.#engine.device.compute(graph, {
          threads: this.#threads,
          isAlone: this.#engine.lane.length <= 1,
        });
        graph.get(scores, out.subarray(row * this.vocabularySize, end * this.vocabularySize));
      }, signal);
    }
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#engine.lane.run(() => {
      this.#placed?.[Symbol.dispose]();
      this.#scratch[Symbol.dispose]();
      this.#weights[Symbol.dispose]();
      return Promise.resolve();
    }, new AbortController().signal);
  }

  #requireLoaded(): void {
    if (this.#disposed) throw new TypeError("Cannot compute: the head is unloaded");
  }

  #graphFor(rows: number): PlacedHead {
    if (this.#placed?.rows === rows) return this.#placed;
    this.#placed?.[Symbol.dispose]();
    this.#placed = undefined;
    using parts = new DisposableStack();
    const graph = parts.use(this.#engine.device.newGraph(16, rows));
    const hidden = graph.input("F32", this.hiddenSize, rows);
    const norm = this.#weights.get("output_norm.weight");
    const scores = graph.multiply(
      this.#weights.get(outputTensorName(this.#model)),
      graph.norm(hidden, norm, this.#model.architecture.normEpsilon),
    );
    graph.output(scores);
    this.#engine.device.allocate(graph, this.#scratch);
    const owned = parts.move();
    this.#placed = { graph, rows, hidden, scores, [Symbol.dispose]: () => owned.dispose() };
    return this.#placed;
  }
}
