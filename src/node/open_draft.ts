/**
 * The small model that guesses for the one that is asked.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { LoadedBlocks, TextHead } from "../compute/backend.ts";
import type { Config } from "../config/schema.ts";
import { rawVocabulary } from "../model/raw_vocabulary.ts";
import type { ModelSource, TokenizerFiles } from "../model/source.ts";
import type { StepObserver } from "../petals/report.ts";
import type { DraftModel } from "../text/model_draft.ts";
import { OnDemand } from "../text/on_demand.ts";
import { type Lease, roomFor, Sequences } from "../text/sequences.ts";
import { openSoloSequence } from "../text/solo_sequence.ts";
import type { Engine } from "./engine.ts";
import { everyTenth } from "../model/transfer.ts";
import { findModel, type FindOptions, resolveContext } from "./find_model.ts";
import { availableBytes } from "./open_compute.ts";
import { ownBlocks } from "./own_work.ts";
import { blocksThatFit, megabytes, ownNeed } from "./span.ts";

/** How long nothing is tried after the small model could not be loaded. */
const REST_MS = 600_000;

/** Where the small model comes from. */
export interface DraftSource {
  /** As the settings name it. */
  readonly name: string;
  /** Opens it. Throws as `findModel`. */
  open(signal: AbortSignal): Promise<ModelSource>;
  /** Throws `NodeError` `no_memory` where it does not fit beside what is there and what is reserved. */
  requireRoom(model: ModelSource): void;
}

/** The small model that the settings name, if any; nothing is opened yet. */
export function draftSource(
  world: World,
  { config, ...options }: FindOptions & { readonly config: Config },
): DraftSource | undefined {
  const { "text.draft_model": name, "compute.reserve_bytes": reserved } = config;
  if (name === undefined || config["text.draft_tokens"] === 0) return undefined;
  return {
    name,
    async open(signal) {
      const context = resolveContext(world, options, everyTenth((text) => world.log.info(text)));
      return (await findModel(context, name, signal)).source;
    },
    requireRoom(model) {
      const { blocks } = model.architecture;
      const available = availableBytes(config);
      if (blocksThatFit(ownNeed(model, config), available, reserved) >= blocks) return;
      throw new NodeError(
        "no_memory",
        `Cannot load ${blocks} blocks of ${model.id}: ${megabytes(available)} are free and ${
          megabytes(reserved)
        } are reserved, wanted room for all of them and their sessions`,
      );
    },
  };
}

/** What the small model works with. */
export interface DraftParts {
  readonly source: DraftSource;
  readonly engine: Engine;
  /** The model that is asked. */
  readonly asked: {
    readonly id: string;
    readonly vocabularySize: number;
    readonly files: TokenizerFiles;
  };
  readonly self: PeerId;
  readonly observer: StepObserver | undefined;
}

/** Loads nothing before a guess is wanted. */
export function openDraft(world: World, parts: DraftParts): SmallModel {
  return new SmallModel(world, parts);
}

interface Loaded extends AsyncDisposable {
  readonly head: TextHead;
  readonly blocks: LoadedBlocks;
  readonly contextLength: number;
}

/** A small model, in memory while texts are guessed with it. Dispose to free it. */
export class SmallModel implements DraftModel, AsyncDisposable {
  readonly #world: World;
  readonly #parts: DraftParts;
  readonly #held: OnDemand<Loaded>;
  readonly #sequences: Sequences;
  #restsUntilMs = -Infinity;

  /** Made by `openDraft`. */
  constructor(world: World, parts: DraftParts) {
    this.#world = world;
    this.#parts = parts;
    this.#held = new OnDemand(world, (signal) => this.#loadOrRest(signal));
    this.#sequences = new Sequences(world, (room, signal) => this.#open(room, signal));
  }

  async lend(ids: readonly number[], room: number, signal: AbortSignal): Promise<Lease | undefined> {
    if (this.#world.clock.monotonic() < this.#restsUntilMs) return undefined;
    using lent = await this.#held.borrow(signal);
    const { contextLength } = lent.value;
    if (ids.length >= contextLength) return undefined;
    return await this.#sequences.lend(ids, roomFor(Math.min(room, contextLength), contextLength), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sequences[Symbol.asyncDispose]();
    await this.#held[Symbol.asyncDispose]();
  }

  async #loadOrRest(signal: AbortSignal): Promise<Loaded> {
    const { source, asked } = this.#parts;
    try {
      return await this.#load(signal);
    } catch (error) {
      if (!signal.aborted) {
        const isUnfit = error instanceof UnfitError;
        this.#restsUntilMs = isUnfit ? Infinity : this.#world.clock.monotonic() + REST_MS;
        this.#world.log.warn("The draft model is not used, guesses come from the text alone", {
          model: source.name,
          reason: messageOf(error),
          cure: isUnfit
            ? `set text.draft_model to a smaller model of the family of ${asked.id}, or leave it out`
            : `it is tried again in ${REST_MS / 60_000} minutes; without text.draft_model it is not`,
        });
      }
      throw error;
    }
  }

  async #load(signal: AbortSignal): Promise<Loaded> {
    const { source, engine, asked, self, observer } = this.#parts;
    await using opened = new AsyncDisposableStack();
    const model = opened.use(await source.open(signal));
    requireSameVocabulary(model, await model.tokenizer(signal), asked);
    source.requireRoom(model);
    const { blocks: count, contextLength } = model.architecture;
    const head = opened.use(await engine.loadHead(model, signal));
    const loaded = opened.use(await engine.load(model, { start: 0, end: count }, signal));
    const { blocks } = ownBlocks(this.#world, loaded, { self, observer });
    const kept = opened.move();
    return { head, blocks, contextLength, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  }

  async #open(room: number, signal: AbortSignal) {
    using parts = new DisposableStack();
    const lent = parts.use(await this.#held.borrow(signal));
    const { head, blocks } = lent.value;
    const kept = { value: head, [Symbol.dispose]: () => lent[Symbol.dispose]() };
    const { start, end } = blocks.range;
    const model = { self: this.#parts.self, blocks: () => blocks, count: end - start, lent: kept };
    const sequence = await openSoloSequence(this.#world, { ...model, givesUp: true }, room, signal);
    parts.move(); // the sequence gives it back
    return sequence;
  }
}

/** The small model speaks of other tokens: no later try will find it otherwise. */
class UnfitError extends NodeError {}

/**
 * Rows that the larger model may have more: they stand for no token. Qwen 2.5 has 151,936 up to 3B and 152,064 above, as
 * many tokens in both. The smaller model must not have more: what it guesses is looked up in the larger one.
 */
const MAX_PADDING = 128;

/** Ids must stand for the same; where one of both has no text for an id, such as for control tokens, the other decides. */
function requireSameVocabulary(
  { id, architecture: { vocabularySize } }: ModelSource,
  files: TokenizerFiles | undefined,
  asked: DraftParts["asked"],
): void {
  const unfit = (what: string) =>
    new UnfitError("unsupported", `Cannot guess with ${id}: ${what}, wanted the vocabulary of ${asked.id}`);
  const padding = asked.vocabularySize - vocabularySize;
  if (padding < 0 || padding > MAX_PADDING) {
    throw unfit(`it has ${vocabularySize} tokens instead of ${asked.vocabularySize}`);
  }
  if (files === undefined) throw unfit("it has no tokenizer");
  const mine = rawVocabulary(files);
  const others = rawVocabulary(asked.files);
  if (mine.kind !== others.kind) throw unfit(`its tokens are written as ${mine.kind}`);
  const wrong = mine.tokens.findIndex((token, at) =>
    token !== "" && (others.tokens[at] ?? "") !== "" && token !== others.tokens[at]
  );
  if (wrong === -1) return;
  throw unfit(
    `its token ${wrong} is ${JSON.stringify(mine.tokens[wrong])} instead of ${
      JSON.stringify(others.tokens[wrong])
    }`,
  );
}
