/**
 * A model that answers: prompt, sequence, picker and words brought together.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { viewOf } from "../base/bytes.ts";
import { together } from "../base/together.ts";
import type { World } from "../base/world.ts";
import { MAX_BEST } from "../compute/best_scores.ts";
import type { ChatTemplate } from "../model/chat_template.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { type AnswerRun, type CallReader, tellAnswer } from "./answer.ts";
import { CALL_MARKS, markIds } from "./tools/call_marks.ts";
import { meanState } from "./embed.ts";
import type { Gate } from "./gate.ts";
import { type Drafting, PROMPT_PASS } from "./generate.ts";
import { Guessing } from "./guessing.ts";
import type { DraftModel } from "./model_draft.ts";
import { type Constraint, Picker } from "./pick.ts";
import { checkIds, idsOfPrompt, newTokensWithin, requireTemplate } from "./prompt.ts";
import { checkSampling, leavesScores, seededDraw } from "./sample.ts";
import { scorePrompt } from "./score_prompt.ts";
import { type Lease, roomFor, type Sequences } from "./sequences.ts";
import { opensThoughts, thinksAloud, THOUGHT_MARKS, ThoughtReader } from "./tools/thought_reader.ts";
import type {
  AnswerForm,
  Embedding,
  Prompt,
  ScoredToken,
  TextEvent,
  TextModel,
  TextModelCard,
  TextRequest,
} from "./types.ts";
import { inPart, partError } from "./wrong_part.ts";

/** Most rivals told with a token. */
const MAX_TOP = 20;
/** Stops, and the longest of them. */
const MAX_STOPS = 16;
const MAX_STOP_LENGTH = 256;
/** Last ids of a prompt that may be an opened `<think>` with the spaces behind it. */
const TAG_IDS = 16;
/** Texts of one caller at once where other nodes compute: while one is on its way another is computed. */
const AT_ONCE = 4;

/** A conversation as the model takes it. */
export interface ChatPlan {
  readonly text: string;
  /** The form that a forced call has. */
  readonly form?: AnswerForm | undefined;
  readonly calls?: CallReader | undefined;
}

/** What a model answers with. */
export interface TextModelParts {
  readonly card: TextModelCard;
  readonly vocabularySize: number;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate | undefined;
  readonly sequences: Sequences;
  readonly gate: Gate;
  /** Throws where the machine is to compute nothing now. */
  readonly requireFit?: () => void;
  /** Whether other nodes have a part in it now. */
  readonly isFar: () => boolean;
  /** Most tokens guessed ahead of a pass; 0 = none. */
  readonly draftTokens?: number;
  /** A small model that guesses what this one will say. */
  readonly draftModel?: DraftModel | undefined;
  /** Scale of the final norm and its epsilon, for embeddings. */
  readonly finalNorm: (
    signal: AbortSignal,
  ) => Promise<{ readonly scale: Float32Array; readonly epsilon: number }>;
  /** Puts a conversation, its tools included, into the template's words. */
  readonly planChat: (template: ChatTemplate, prompt: Prompt & { readonly kind: "chat" }) => ChatPlan;
  /** Opens a form to be kept. Throws `NodeError` `usage`. */
  readonly constrain: (form: AnswerForm, signal: AbortSignal) => Promise<Constraint>;
}

/** A model over its parts; it owns none of them. */
export function textModel(world: World, parts: TextModelParts): TextModel {
  return new AnsweringModel(world, parts);
}

/** A request, checked and put into ids. */
interface Plan extends ChatPlan {
  readonly ids: readonly number[];
  readonly maxTokens: number;
}

class AnsweringModel implements TextModel {
  readonly card: TextModelCard;
  readonly #world: World;
  readonly #parts: TextModelParts;
  readonly #guessing: Guessing;
  /** Control tokens that belong to calls or stand around thoughts. */
  readonly #marks: ReadonlyMap<number, string>;

  constructor(world: World, parts: TextModelParts) {
    this.#world = world;
    this.#parts = parts;
    this.card = parts.card;
    const { draftTokens: most, draftModel: model, tokenizer: { endIds } } = parts;
    this.#guessing = new Guessing({ log: world.log, most, model, endIds });
    this.#marks = markIds(parts.tokenizer, [...CALL_MARKS, ...THOUGHT_MARKS]);
  }

  get atOnce(): number {
    const { isFar, gate } = this.#parts;
    // where places are short, a caller does not stand in its own way
    return isFar() ? Math.max(1, Math.min(AT_ONCE, gate.free)) : 1;
  }

  tokenize(text: string): readonly number[] {
    return this.#parts.tokenizer.encode(text);
  }

  detokenize(ids: readonly number[]): string {
    return this.#parts.tokenizer.decode(ids);
  }

  render(prompt: Prompt & { readonly kind: "chat" }): string {
    return this.#planChat(prompt).text;
  }

  async *answer(request: TextRequest, signal: AbortSignal): AsyncGenerator<TextEvent, void, void> {
    const startedAtMs = this.#world.clock.monotonic();
    const plan = this.#plan(request);
    using constraint = await this.#constraint(plan, request, signal);
    using _place = await this.#parts.gate.enter(signal);
    this.#parts.requireFit?.();
    const room = plan.ids.length + plan.maxTokens;
    const lease = await this.#lend(plan.ids, room, request, signal);
    await using guesses = this.#guessing.open(lease.sequence, plan.ids, room);
    const { drafts } = guesses;
    const made: number[] = [];
    let isWhole = true;
    try {
      if (request.scorePrompt) {
        yield { kind: "prompt_scores", tokens: await this.#scorePrompt(lease, plan, request, signal) };
      }
      yield* tellAnswer(
        this.#run({ request, plan, lease, constraint, drafts, made, startedAtMs }),
        signal,
      );
    } catch (error) {
      isWhole = false;
      throw asUnreachable(error);
    } finally {
      // the last token was chosen and not taken in; who left early left a prompt half read
      const ids = [...plan.ids, ...made.slice(0, -1)].slice(0, lease.sequence.position);
      await lease.release(isWhole && !signal.aborted ? ids : undefined);
    }
  }

  async embed(
    texts: readonly (string | readonly number[])[],
    signal: AbortSignal,
  ): Promise<readonly Embedding[]> {
    const { tokenizer, vocabularySize, finalNorm } = this.#parts;
    const { contextLength } = this.card;
    const prompts = texts.map((text) => idsOfPrompt(tokenizer, text));
    for (const ids of prompts) {
      checkIds(ids, vocabularySize);
      if (ids.length > contextLength) {
        throw partError(
          "prompt",
          `Cannot embed: a text has ${ids.length} tokens, wanted at most the model's ${contextLength}`,
        );
      }
    }
    const norm = await finalNorm(signal);
    const embeddings: Embedding[] = [];
    const work = prompts.map((ids) => (signal: AbortSignal) => this.#embedding(ids, norm, signal));
    for await (const { index, value } of together(work, this.atOnce, signal)) embeddings[index] = value;
    return embeddings;
  }

  /** The one embedding of a text. */
  async *#embedding(
    ids: readonly number[],
    norm: Awaited<ReturnType<TextModelParts["finalNorm"]>>,
    signal: AbortSignal,
  ): AsyncGenerator<Embedding, void, void> {
    using _place = await this.#parts.gate.enter(signal);
    this.#parts.requireFit?.();
    yield { vector: await this.#embedOne(ids, norm, signal), tokens: ids.length };
  }

  async #embedOne(
    ids: readonly number[],
    { scale, epsilon }: { readonly scale: Float32Array; readonly epsilon: number },
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    try {
      await using sequence = await this.#parts.sequences.open(ids.length, signal);
      const states = [];
      for (let at = 0; at < ids.length; at += PROMPT_PASS) {
        states.push(await sequence.states(ids.slice(at, at + PROMPT_PASS), signal));
      }
      return meanState(states, scale, epsilon);
    } catch (error) {
      throw asUnreachable(error);
    }
  }

  #plan(request: TextRequest): Plan {
    const { tokenizer, vocabularySize } = this.#parts;
    checkRequest(request);
    const { prompt } = request;
    const chat = prompt.kind === "chat" ? this.#planChat(prompt) : undefined;
    const ids = chat !== undefined ? tokenizer.encode(chat.text, { special: false }) : idsOfPrompt(
      tokenizer,
      prompt.kind === "text" ? prompt.text : prompt.kind === "tokens" ? prompt.ids : "",
    );
    checkIds(ids, vocabularySize);
    checkIds([...request.sampling.bias?.keys() ?? []], vocabularySize, "bias");
    const maxTokens = newTokensWithin(this.card.contextLength, ids.length, request);
    return { ...chat, text: chat?.text ?? "", ids, maxTokens };
  }

  #planChat(prompt: Prompt & { readonly kind: "chat" }): ChatPlan {
    const { template, planChat } = this.#parts;
    try {
      return planChat(requireTemplate(template, this.card.id), prompt);
    } catch (error) {
      // what the template refuses are the messages
      throw inPart("prompt", error);
    }
  }

  async #constraint(
    plan: ChatPlan,
    request: TextRequest,
    signal: AbortSignal,
  ): Promise<Constraint | undefined> {
    const form = plan.form ?? request.form;
    if (form === undefined) return undefined;
    try {
      return await this.#parts.constrain(form, signal);
    } catch (error) {
      throw inPart(plan.form === undefined ? "form" : "tools", error);
    }
  }

  async #lend(
    ids: readonly number[],
    room: number,
    { scorePrompt }: TextRequest,
    signal: AbortSignal,
  ): Promise<Lease> {
    const capacity = roomFor(room, this.card.contextLength);
    try {
      // tokens that are to be scored have to be taken in
      return await this.#parts.sequences.lend(scorePrompt ? ids.slice(0, 1) : ids, capacity, signal);
    } catch (error) {
      throw asUnreachable(error);
    }
  }

  #run(
    { request, plan, lease, constraint, drafts, made, startedAtMs }: {
      readonly request: TextRequest;
      readonly plan: Plan;
      readonly lease: Lease;
      readonly constraint: Constraint | undefined;
      readonly drafts: readonly Drafting[];
      readonly made: number[];
      readonly startedAtMs: number;
    },
  ): AnswerRun {
    const { tokenizer } = this.#parts;
    const { sampling, seed, stop = [], topLogprobs } = request;
    const draw = seededDraw(seed ?? viewOf(this.#world.random(4)).getUint32(0));
    const { sequence } = lease;
    return {
      clock: this.#world.clock,
      tokens: {
        sequence,
        picker: new Picker({ sampling, draw, prompt: plan.ids, constraint }),
        prompt: plan.ids,
        held: request.scorePrompt ? plan.ids.length - 1 : lease.held,
        maxTokens: plan.maxTokens,
        endIds: tokenizer.endIds,
        mayStop: stop.length > 0,
        idsOnly: topLogprobs === undefined,
        sharesEngine: this.#parts.draftModel !== undefined,
        best: bestNeeded(request, constraint !== undefined),
        drafts,
      },
      words: tokenizer.stream(plan.ids),
      textOf: (id) => tokenizer.textOf(id),
      marks: this.#marks,
      stop,
      topLogprobs,
      calls: plan.calls,
      thoughts: this.#thoughts(request, plan),
      startedAtMs,
      made,
    };
  }

  /** What tells thoughts apart, where they are to be and the model has any. */
  #thoughts({ prompt, form, thoughts }: TextRequest, plan: Plan): ThoughtReader | undefined {
    const { template, tokenizer } = this.#parts;
    const isWanted = thoughts === undefined ? prompt.kind === "chat" : thoughts === "apart";
    if (!isWanted || template === undefined || !thinksAloud(template)) return undefined;
    // a form holds from the first letter on
    if ((plan.form ?? form) !== undefined) return undefined;
    const end = prompt.kind === "chat"
      ? plan.text
      : plan.ids.slice(-TAG_IDS).map((id) => tokenizer.textOf(id)).join("");
    return new ThoughtReader(opensThoughts(end));
  }

  async #scorePrompt(
    { sequence }: Lease,
    { ids }: Plan,
    { topLogprobs = 0 }: TextRequest,
    signal: AbortSignal,
  ): Promise<readonly ScoredToken[]> {
    const { tokenizer } = this.#parts;
    return await scorePrompt(
      sequence,
      { ids, top: topLogprobs, textOf: (id) => tokenizer.textOf(id) },
      signal,
    );
  }
}

/** Scores that a choice among the likeliest needs at most; those of a greedy one are compared with the next. */
const BEST_GREEDY = 16;

/** How many of the best scores decide; `undefined` where all of them may count. */
function bestNeeded({ sampling, topLogprobs }: TextRequest, isFormed: boolean): number | undefined {
  if (isFormed || topLogprobs !== undefined || !leavesScores(sampling)) return undefined;
  if (sampling.temperature === 0) return BEST_GREEDY;
  return sampling.topK !== undefined && sampling.topK <= MAX_BEST ? sampling.topK : undefined;
}

function checkRequest({ sampling, stop = [], topLogprobs = 0 }: TextRequest): void {
  checkSampling(sampling);
  if (!(Number.isInteger(topLogprobs) && topLogprobs >= 0 && topLogprobs <= MAX_TOP)) {
    throw new NodeError("usage", `Cannot score: ${topLogprobs} rivals are wanted, wanted 0 to ${MAX_TOP}`);
  }
  if (stop.length > MAX_STOPS || stop.some(({ length }) => length > MAX_STOP_LENGTH)) {
    throw partError(
      "stop",
      `Cannot stop: there are ${stop.length} stops, wanted at most ${MAX_STOPS} of ${MAX_STOP_LENGTH} characters`,
    );
  }
}

/** Blocks that nobody serves: the model is there and cannot be asked now. */
function asUnreachable(error: unknown): unknown {
  if (!(error instanceof NodeError) || error.code !== "not_found") return error;
  return new NodeError("unreachable", error.message, { cause: error });
}
