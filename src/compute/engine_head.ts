/**
 * Embeddings and output matrix in the engine process, as the node holds them.
 *
 * @module
 */
import { unpackBest } from "./best_scores.ts";
import type { ModelSource } from "../model/source.ts";
import type { DrawnChoice, EngineName, GoOn, LoadOptions, TextHead } from "./backend.ts";
import { checkScoredRows } from "./check_step.ts";
import { readEmbeddings } from "./embeddings.ts";
import { RemoteCache } from "./engine_cache.ts";
import type { EngineConnection } from "./engine_connection.ts";
import { readHeadFacts } from "./engine_messages.ts";
import { bestOf, chosenOf, Loaded, type Reloadable } from "./engine_place.ts";
import { floatsOf } from "./engine_wire.ts";

/** A loaded head. The same object serves over all lives of the process. */
export class RemoteHead implements TextHead, Reloadable {
  readonly #model: ModelSource;
  readonly #loaded: Loaded<ReturnType<typeof readHeadFacts>>;
  readonly #forget: () => void;

  /** Of `model`, which it reads until disposed, but does not own. Otherwise as `RemoteBlocks`. */
  constructor(model: ModelSource, options: LoadOptions, forget: (head: RemoteHead) => void) {
    this.#model = model;
    this.#loaded = new Loaded({ act: "loadHead", path: model.path, options }, readHeadFacts);
    this.#forget = () => forget(this);
  }

  get engine(): EngineName {
    return this.#loaded.facts.engine;
  }
  get hiddenSize(): number {
    return this.#loaded.facts.hiddenSize;
  }
  get vocabularySize(): number {
    return this.#loaded.facts.vocabularySize;
  }
  get weightBytes(): number {
    return this.#loaded.facts.weightBytes;
  }

  reload(connection: EngineConnection, signal: AbortSignal): Promise<void> {
    return this.#loaded.reload(connection, signal);
  }

  lose(why: Error): void {
    this.#loaded.lose(why);
  }

  /** Its name in the process of now. Throws what a call would. */
  get handle(): number {
    return this.#loaded.place.handle;
  }

  /** In this process: the way to the other one costs more than reading a row. */
  async embed(ids: readonly number[], signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    void this.#loaded.place; // as any other call, it fails where the head is nowhere
    return await readEmbeddings(this.#model, ids, signal);
  }

  async logits(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    return await this.#score(hidden, rows, undefined, signal);
  }

  async bestLogits(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    best: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    return unpackBest(await this.#score(hidden, rows, best, signal), this.vocabularySize, best);
  }

  async next(
    hidden: Float32Array<ArrayBuffer>,
    { choice, goOn }: { readonly choice: DrawnChoice; readonly goOn?: GoOn },
    signal: AbortSignal,
  ): Promise<number> {
    const { connection, handle } = this.#loaded.place;
    checkScoredRows(hidden, 1, this.hiddenSize);
    const place = goOn?.cache instanceof RemoteCache ? goOn.cache.placeIn(connection) : undefined;
    const more = place === undefined ? {} : { goOn: { ...place, unless: [...goOn!.unless] } };
    const request = { act: "choose" as const, head: handle, choice, ...more };
    const { reply } = await connection.call(request, [hidden], signal);
    return chosenOf(reply, this.vocabularySize);
  }

  async #score(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    best: number | undefined,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { connection, handle } = this.#loaded.place;
    checkScoredRows(hidden, rows, this.hiddenSize);
    const request = { act: "logits" as const, head: handle, rows, ...bestOf(best) };
    const { payload } = await connection.call(request, [hidden], signal);
    return floatsOf(payload);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#forget();
    await this.#loaded.unload(new TypeError("Cannot compute: the head is unloaded"));
  }
}
