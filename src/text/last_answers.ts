/**
 * How answers end when the node stops.
 *
 * @module
 */
import { openFirstOf } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { TextModel } from "./types.ts";

/** How long answers that have begun may go on. */
const FINISH_MS = 4_000;
/** Longest wait for steps that run after that. */
const LAST_STEP_MS = 1_000;

/** An answer under way. */
interface Run {
  /** Whether anything of it was told. */
  begun: boolean;
  readonly end: AbortController;
}

/** Counts the answers of models, and ends them with words. */
export class LastAnswers {
  readonly #world: World;
  readonly #runs = new Set<Run>();
  #leaving: Promise<void> | undefined;
  #idle = () => {};

  constructor(world: World) {
    this.#world = world;
  }

  /** The same model, whose answers end when the node stops. */
  guard(model: TextModel): TextModel {
    return {
      card: model.card,
      get atOnce() {
        return model.atOnce;
      },
      answer: (request, signal) => this.#answer((signal) => model.answer(request, signal), signal),
      embed: async (texts, signal) => {
        const work = async function* (signal: AbortSignal) {
          yield await model.embed(texts, signal);
        };
        for await (const embeddings of this.#answer(work, signal)) return embeddings;
        throw new TypeError("there is no embedding");
      },
      tokenize: (text) => model.tokenize(text),
      detokenize: (ids) => model.detokenize(ids),
      render: (prompt) => model.render(prompt),
    };
  }

  /**
   * Lets in nobody any more, sends away who waits, and gives the rest some seconds to come to their end; then they end
   * with words after the step that runs. Resolves within five seconds.
   */
  leave(): Promise<void> {
    return this.#leaving ??= this.#leave();
  }

  async #leave(): Promise<void> {
    for (const { begun, end } of this.#runs) if (!begun) end.abort(stopping());
    if (await this.#areOverWithin(FINISH_MS)) return;
    for (const { end } of this.#runs) end.abort(stopping());
    if (await this.#areOverWithin(LAST_STEP_MS)) return;
    this.#world.log.warn("Answers still under way at the end", { answers: this.#runs.size });
  }

  async #areOverWithin(ms: number): Promise<boolean> {
    if (this.#runs.size === 0) return true;
    const patience = new AbortController();
    const over = new Promise<void>((resolve) => this.#idle = resolve);
    const late = this.#world.clock.sleep(ms, patience.signal).catch(() => {});
    await Promise.race([over, late]);
    patience.abort();
    return this.#runs.size === 0;
  }

  async *#answer<T>(
    work: (signal: AbortSignal) => AsyncGenerator<T, void, void>,
    signal: AbortSignal,
  ): AsyncGenerator<T, void, void> {
    if (this.#leaving !== undefined) throw stopping();
    const run: Run = { begun: false, end: new AbortController() };
    using either = openFirstOf(signal, run.end.signal);
    this.#runs.add(run);
    try {
      for await (const event of work(either.signal)) {
        run.begun = true;
        yield event;
      }
    } catch (error) {
      // whatever broke while it was being ended, that is why
      throw run.end.signal.aborted && !signal.aborted ? run.end.signal.reason : error;
    } finally {
      this.#runs.delete(run);
      if (this.#runs.size === 0) this.#idle();
    }
  }
}

const stopping = () =>
  new NodeError("aborted", "Cannot answer: the node is stopping, wanted it running (try again later)");
