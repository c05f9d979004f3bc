/**
 * The model of this node, answering.
 *
 * @module
 */
import { orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import { lengthOf } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { KvCache, LoadedBlocks, TextHead } from "../compute/backend.ts";
import type { Config } from "../config/schema.ts";
import type { Dht } from "../dht/dht.ts";
import { openChatTemplate } from "../model/chat_template.ts";
import type { ModelSource, TokenizerFiles } from "../model/source.ts";
import { rawVocabulary } from "../model/raw_vocabulary.ts";
import { openTokenizer } from "../model/tokenizer.ts";
import type { Rpc } from "../p2p/rpc.ts";
import type { SwarmServer } from "../petals/client/announced.ts";
import { openSwarmChain } from "../petals/client/swarm_chain.ts";
import { type KeptSessions, type Swarm, swarmOf } from "../petals/client/swarm.ts";
import type { SessionEnergy, StepObserver } from "../petals/report.ts";
import { markIds } from "../text/tools/call_marks.ts";
import { readFinalNorm } from "../text/embed.ts";
import { type Forms, openForms } from "../text/forms/grammar.ts";
import { Gate } from "../text/gate.ts";
import { LastAnswers } from "../text/last_answers.ts";
import { type Lent, OnDemand } from "../text/on_demand.ts";
import { chainSequence, type Sequence } from "../text/sequence.ts";
import { openSoloSequence } from "../text/solo_sequence.ts";
import { Sequences } from "../text/sequences.ts";
import { textModel } from "../text/text_model.ts";
import type { TextModel, TextModelCard, TextModels } from "../text/types.ts";
import type { Engine } from "./engine.ts";
import { modelCard } from "./model_card.ts";
import { type DraftSource, openDraft, type SmallModel } from "./open_draft.ts";
import { type OwnBlocks, ownBlocks } from "./own_work.ts";
import { planChat } from "./plan_chat.ts";

/** A model and what computes it here. */
export interface TextBase {
  readonly model: ModelSource;
  /** Its name in the DHT. */
  readonly prefix: string;
  readonly engine: Engine;
  /** A small model that guesses for it. */
  readonly draft?: DraftSource | undefined;
}

/** What answering takes from the rest of the node. */
export interface TextContext {
  readonly rpc: Rpc;
  readonly dht: Dht;
  readonly observer?: StepObserver;
  /** The model, once it is open; rejects where it never will be. */
  readonly base: () => Promise<TextBase>;
  /** Blocks of the model that are loaded here now. */
  readonly loaded: () => LoadedBlocks | undefined;
  /** Servers that take this client's work though they do not announce it. */
  readonly also?: readonly SwarmServer[] | undefined;
  /** Why the machine is to compute nothing now, whoever asks; `undefined` where it may. */
  readonly rests?: () => string | undefined;
  /** How many answers are made at once, and how many requests may wait. */
  readonly limits: { readonly places: number; readonly queue: number };
  /** Most tokens guessed ahead of a pass; 0 = none. */
  readonly draftTokens?: number;
  /** Share of steps that a second server computes too. */
  readonly spotCheckShare?: number;
}

/** What the settings say of answering. */
export const textLimits = (
  config: Config,
): Required<Pick<TextContext, "limits" | "draftTokens" | "spotCheckShare">> => ({
  limits: { places: config["text.sessions"], queue: config["text.waiting"] },
  draftTokens: config["text.draft_tokens"],
  spotCheckShare: config["text.spot_check_share"],
});

/** Requests let in beyond those that are answered or wait: they are told how many there are. */
const TURNED_AWAY = 64;

/** How many requests for text the API lets in at once: all that may be answered or wait, and some that are told no. */
export const mostTextRequests = (config: Config): number =>
  config["http.max_requests"] ?? config["text.sessions"] + config["text.waiting"] + TURNED_AWAY;

/** Models that answer. Dispose to close what they hold. */
export interface NodeText extends TextModels, AsyncDisposable {
  /** Answers that are being made, and requests that wait. */
  readonly load: { readonly running: number; readonly waiting: number };
  /** Ends the answers, some seconds from now at the latest: the blocks may be freed when it resolves. */
  leave(): Promise<void>;
}

/** Opens nothing yet: tokenizer and head are loaded with the first question. */
export function openText(world: World, context: TextContext): NodeText {
  return new OneModel(world, context);
}

interface Opened {
  readonly model: TextModel;
  readonly sequences: Sequences;
  readonly head: OnDemand<TextHead>;
  readonly forms: Forms;
  readonly draft: SmallModel | undefined;
}

class OneModel implements NodeText {
  readonly #world: World;
  readonly #context: TextContext;
  readonly #gate: Gate;
  readonly #answers: LastAnswers;
  readonly #end = new AbortController();
  /** The model, once it is open. */
  #base: TextBase | undefined;
  #card: Promise<TextModelCard> | undefined;
  #opening: Promise<Opened> | undefined;

  constructor(world: World, context: TextContext) {
    this.#world = world;
    this.#context = context;
    this.#gate = new Gate(context.limits);
    this.#answers = new LastAnswers(world);
    context.base().then((base) => this.#base = base).catch((error) => {
      world.log.debug("No model to ask", { reason: messageOf(error) });
    });
  }

  get load() {
    return { running: this.#gate.inside, waiting: this.#gate.waiting };
  }

  leave(): Promise<void> {
    return this.#answers.leave();
  }

  async list(): Promise<readonly TextModelCard[]> {
    if (this.#base === undefined) return [];
    const card = await this.#cardOf(this.#base.model).catch((error) => {
      this.#world.log.warn("Model cannot be asked", { reason: messageOf(error) });
    });
    if (card === undefined) return [];
    return [{ ...card, runs: this.#runs(card.blocks) }];
  }

  async open(id: string | undefined, signal: AbortSignal): Promise<TextModel> {
    const base = await orAbort(this.#context.base(), signal);
    const wanted = id?.replace(/:latest$/, "");
    if (wanted !== undefined && wanted !== base.model.id && id !== base.model.id) {
      throw new NodeError(
        "not_found",
        `Cannot answer: there is no model ${JSON.stringify(id!.slice(0, 200))}, wanted ${base.model.id}`,
      );
    }
    this.#opening ??= this.#open(base).catch((error) => {
      this.#opening = undefined; // the next question tries again
      throw error;
    });
    return (await orAbort(this.#opening, signal)).model;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new NodeError("aborted", "The node stops"));
    const opened = await this.#opening?.catch(() => undefined);
    await opened?.sequences[Symbol.asyncDispose]();
    await opened?.draft?.[Symbol.asyncDispose]();
    await opened?.forms[Symbol.asyncDispose]();
    await opened?.head[Symbol.asyncDispose]();
  }

  /** Blocks that are here are not computed with while the machine has to rest; what is begun goes on. */
  #requireFit(): void {
    const why = this.#context.loaded() === undefined ? undefined : this.#context.rests?.();
    if (why === undefined) return;
    throw new NodeError(
      "unreachable",
      `Cannot answer: this machine rests: ${why}, wanted it fit to compute (try again later)`,
    );
  }

  #runs(blocks: number): TextModelCard["runs"] {
    const loaded = this.#context.loaded();
    return loaded !== undefined && lengthOf(loaded.range) === blocks ? "solo" : "swarm";
  }

  /** Read with the first question: the tables of a tokenizer take a tenth of a second and 20 MB to look at. */
  #cardOf(model: ModelSource, reading?: Promise<TokenizerFiles | undefined>): Promise<TextModelCard> {
    return this.#card ??= (reading ?? model.tokenizer(this.#end.signal))
      .then((files) => modelCard(model, files, "swarm"))
      .catch((error) => {
        this.#card = undefined; // the next question tries again
        throw error;
      });
  }

  async #open(base: TextBase): Promise<Opened> {
    const { signal } = this.#end;
    const { model, engine } = base;
    const reading = model.tokenizer(signal);
    const files = requireTokenizer(await reading, model.id);
    const tokenizer = openTokenizer(files);
    const head = new OnDemand(this.#world, (signal) => engine.loadHead(model, signal));
    const { architecture } = model;
    const { draftTokens } = this.#context;
    const sequences: Sequences = new Sequences(
      this.#world,
      this.#sequencesOf(base, head, { giveRoom: () => sequences.giveRoom() }),
    );
    const card = await this.#cardOf(model, reading);
    const draft = this.#draftOf(base, files);
    const forms = openForms(this.#world, () => ({
      vocabulary: rawVocabulary(files),
      endIds: tokenizer.endIds,
      vocabularySize: architecture.vocabularySize,
      marks: markIds(tokenizer),
    }));
    let norm: Promise<Float32Array<ArrayBuffer>> | undefined;
    const runs = () => this.#runs(architecture.blocks);
    const answering = textModel(this.#world, {
      // blocks come and go while the model is open
      card: {
        ...card,
        get runs() {
          return runs();
        },
      },
      vocabularySize: architecture.vocabularySize,
      tokenizer,
      template: openChatTemplate(files),
      sequences,
      gate: this.#gate,
      requireFit: () => this.#requireFit(),
      isFar: () => runs() === "swarm",
      ...(draftTokens === undefined ? {} : { draftTokens }),
      draftModel: draft,
      finalNorm: async () => ({
        scale: await (norm ??= readFinalNorm(model, signal)),
        epsilon: architecture.normEpsilon,
      }),
      planChat: (template, prompt) => planChat(this.#world, template, prompt),
      constrain: (form, signal) => forms.constrain(form, signal),
    });
    return { model: this.#answers.guard(answering), sequences, head, forms, draft };
  }

  #draftOf({ model, engine, draft }: TextBase, files: TokenizerFiles): SmallModel | undefined {
    if (draft === undefined) return undefined;
    const { rpc: { self }, observer } = this.#context;
    const asked = { id: model.id, vocabularySize: model.architecture.vocabularySize, files };
    return openDraft(this.#world, { source: draft, engine, asked, self, observer });
  }

  /** Alone where all blocks are here, through the swarm where not. */
  #sequencesOf({ model, prefix }: TextBase, head: OnDemand<TextHead>, kept: KeptSessions) {
    const { rpc, dht, loaded, spotCheckShare, observer } = this.#context;
    const total = model.architecture.blocks;
    let own: { readonly of: LoadedBlocks; readonly blocks: OwnBlocks } | undefined;
    const ownNow = (): OwnBlocks | undefined => {
      const now = loaded();
      if (now === undefined) return undefined;
      if (own?.of !== now) {
        own = { of: now, blocks: ownBlocks(this.#world, now, { self: rpc.self, observer }) };
      }
      return own.blocks;
    };
    const energyOf = (cache: KvCache) => own?.blocks.energyOf(cache);
    const swarm: Swarm = swarmOf(this.#world, {
      rpc,
      dht,
      prefix,
      blocks: total,
      also: this.#context.also,
      kept,
      get local() {
        return ownNow()?.blocks;
      },
      localEnergy: energyOf,
      ...(spotCheckShare === undefined ? {} : { spotCheckShare }),
    });
    return async (capacity: number, signal: AbortSignal): Promise<Sequence> => {
      using parts = new DisposableStack();
      const lent = parts.use(await head.borrow(signal));
      const sequence = await this.#sequenceOf(
        { lent, swarm, energyOf, own: () => ownNow()?.blocks },
        total,
        capacity,
        signal,
      );
      parts.move(); // the sequence gives the head back
      return sequence;
    };
  }

  async #sequenceOf(
    { lent, swarm, energyOf, own }: {
      readonly lent: Lent<TextHead>;
      readonly swarm: Swarm;
      readonly energyOf: (cache: KvCache) => SessionEnergy | undefined;
      readonly own: () => LoadedBlocks | undefined;
    },
    total: number,
    capacity: number,
    signal: AbortSignal,
  ): Promise<Sequence> {
    const { rpc: { self } } = this.#context;
    const here = own();
    if (here !== undefined && lengthOf(here.range) === total) {
      const model = { self, blocks: own, count: total, lent, energyOf };
      return await openSoloSequence(this.#world, model, capacity, signal);
    }
    const size = { batch: 1, maxLength: capacity };
    return chainSequence(this.#world, lent, await openSwarmChain(this.#world, swarm, size, signal), capacity);
  }
}

function requireTokenizer(files: TokenizerFiles | undefined, id: string): TokenizerFiles {
  if (files !== undefined) return files;
  throw new NodeError("unsupported", `Cannot generate: ${id} has no tokenizer, wanted a model with one`);
}
