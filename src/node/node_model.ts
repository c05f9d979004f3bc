/**
 * The model of this node: served, only asked, or none.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { LoadedBlocks } from "../compute/backend.ts";
import type { TextBase } from "./open_text.ts";
import type { Asking, NodeParts, Serving, ServingContext } from "./parts.ts";

/** Known before it is opened, so that whoever asks can wait for it. */
export class NodeModel {
  readonly #opened = Promise.withResolvers<TextBase>();
  #serving: Serving | undefined;
  #asking: Asking | undefined;
  #announced: { readonly prefix: string; readonly blocks: number } | undefined;

  constructor() {
    this.#opened.promise.then(({ model, prefix }) => {
      this.#announced = { prefix, blocks: model.architecture.blocks };
    }).catch(() => {});
  }

  /** The model, once it is open; rejects where there never will be one. */
  get base(): Promise<TextBase> {
    return this.#opened.promise;
  }

  /** Blocks that are loaded now. */
  get loaded(): LoadedBlocks | undefined {
    return this.#serving?.loaded ?? this.#asking?.loaded;
  }

  /** Blocks on their way to being served, or served. */
  get serving(): Serving | undefined {
    return this.#serving;
  }

  /** Its name in the DHT and how many blocks it has; `undefined` until it is open. */
  get announced(): { readonly prefix: string; readonly blocks: number } | undefined {
    return this.#announced;
  }

  /** Rejects when what was asked for can never be. Never resolves. */
  get failed(): Promise<never> {
    return (this.#serving ?? this.#asking)?.failed ?? new Promise<never>(() => {});
  }

  /** Begins to open what the plan names; what it gives ends that. */
  open(parts: Pick<NodeParts, "openServing" | "openAsking">, context: ServingContext): AsyncDisposable {
    const { model, asks } = context.plan;
    if (model !== undefined) this.#serving = parts.openServing(context);
    else if (asks !== undefined) this.#asking = parts.openAsking(context);
    const work = this.#serving ?? this.#asking;
    this.#opened.resolve(work?.base ?? Promise.reject(noModel()));
    return { [Symbol.asyncDispose]: async () => await work?.[Symbol.asyncDispose]() };
  }
}

const noModel = () =>
  new NodeError(
    "not_found",
    "Cannot answer: this node has no model, wanted one (kwaainet start --model SOURCE, with --no-serve to only ask)",
  );
