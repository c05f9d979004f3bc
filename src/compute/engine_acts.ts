/**
 * What the engine process is asked to do, done: everything that is loaded or open is held here, by its handle.
 *
 * @module
 */
import type { ModelSource } from "../model/source.ts";
import {
  type BlockBackend,
  type BlockStep,
  type CacheStep,
  FEW_POSITIONS,
  type KvCache,
  type LoadedBlocks,
  type TextHead,
} from "./backend.ts";
import { packBest } from "./best_scores.ts";
import { chooseBackend } from "./choose.ts";
import type { EngineReply, EngineRequest } from "./engine_messages.ts";
import { TextPasses } from "./engine_text.ts";
import { floatsOf } from "./engine_wire.ts";
import { sampleToken } from "./sample_token.ts";

/** Where an engine finds its files. */
export interface EngineFolders {
  /** Native libraries are written out of the program to a folder in it. */
  readonly dataDir: string;
  /** Further ggml backends. */
  readonly backendDir?: string;
}

/** What the process is put together from. */
export interface EngineChildParts {
  /** All engines, in the order of preference. */
  backends(folders: EngineFolders): readonly BlockBackend[];
  openModel(path: string, signal: AbortSignal): Promise<ModelSource>;
}

/** What is answered, without its id. */
export type ActAnswer =
  & Omit<EngineReply, "id" | "error">
  & {
    readonly values?: Float32Array<ArrayBuffer>;
    /** What may be done when it is told, where nobody waits for anything else. */
    readonly afterwards?: () => Promise<void>;
  };

type Act<A extends EngineRequest["act"]> = Extract<EngineRequest, { act: A }>;
type Held = LoadedBlocks | KvCache | TextHead;

/** A request that is not about other requests. */
export type ActRequest = Exclude<EngineRequest, Act<"abort" | "ping">>;

/** Does one act after another, or several at once. */
export class EngineActs {
  readonly #parts: EngineChildParts;
  readonly #held = new Map<number, Held>();
  readonly #passes = new TextPasses();
  #nextHandle = 1;
  #backend: BlockBackend | undefined;

  constructor(parts: EngineChildParts) {
    this.#parts = parts;
  }

  /**
   * Does what `request` asks. `payload` must not be changed afterwards. Throws what the engine throws, `TypeError` for a
   * handle that is not what it should be, `RangeError` for values that do not fit.
   */
  async answer(
    request: ActRequest,
    payload: Uint8Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<ActAnswer> {
    switch (request.act) {
      case "open":
        return await this.#open(request);
      case "load":
        return await this.#load(request, signal);
      case "loadHead":
        return await this.#loadHead(request, signal);
      case "openCache": {
        const { blocks, range, batch, capacity } = request;
        return this.#hold(await this.#blocks(blocks).openCache({ range, batch, capacity }, signal));
      }
      case "step": {
        const cache = this.#get(request.cache, isCache, "a cache");
        const cpu = new CpuSum();
        const step = { ...stepOf(request, payload), spent: cpu.add };
        const blocks = this.#blocks(request.blocks);
        const values = await this.#passes.step(blocks, cache, step, signal);
        return { values, length: cache.length, ...cpu.told };
      }
      case "scores":
        return await this.#scores(request, idsOf(payload), signal);
      case "next":
        return await this.#next(request, idsOf(payload), signal);
      case "forward": {
        const cpu = new CpuSum();
        const step = { ...inputOf(request, payload), spent: cpu.add };
        const values = await this.#blocks(request.blocks).forward(step, request.range, signal);
        return { values, ...cpu.told };
      }
      case "logits":
        return await this.#logits(request, floatsOf(payload), signal);
      case "choose":
        return await this.#choose(request, floatsOf(payload), signal);
      case "free":
        return await this.#free(request.handle);
    }
  }

  async #scores(request: Act<"scores">, ids: number[], signal: AbortSignal): Promise<ActAnswer> {
    const { scored, rewindTo, best } = request;
    const parts = this.#textParts(request);
    const cpu = new CpuSum();
    const scores = await this.#passes.scores(parts, { ids, scored, rewindTo, spent: cpu.add }, signal);
    return { values: wanted(scores, parts.head, best), length: parts.cache.length, ...cpu.told };
  }

  async #next(request: Act<"next">, ids: number[], signal: AbortSignal): Promise<ActAnswer> {
    const { choice, rewindTo, goOnUnless } = request;
    const parts = this.#textParts(request);
    const cpu = new CpuSum();
    const scores = await this.#passes.scores(parts, { ids, scored: 1, rewindTo, spent: cpu.add }, signal);
    const id = chosen(scores, choice);
    const answer = { chosen: id, length: parts.cache.length, ...cpu.told };
    const goesOn = goOnUnless !== undefined && !goOnUnless.includes(id);
    return goesOn ? { ...answer, afterwards: () => this.#passes.begin(parts, id) } : answer;
  }

  async #choose(
    { head: handle, choice, goOn }: Act<"choose">,
    hidden: Float32Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<ActAnswer> {
    const head = this.#head(handle);
    const id = chosen(await head.logits(hidden, 1, signal), choice);
    const [blocks, cache] = [this.#held.get(goOn?.blocks ?? -1), this.#held.get(goOn?.cache ?? -1)];
    // a session that has ended meanwhile is no reason to choose nothing
    if (goOn?.unless.includes(id) !== false || !blocks || !isBlocks(blocks) || !cache || !isCache(cache)) {
      return { chosen: id };
    }
    return { chosen: id, afterwards: () => this.#passes.beginStep({ blocks, cache, head }, id) };
  }

  #textParts({ blocks, cache, head }: Act<"scores"> | Act<"next">) {
    return {
      blocks: this.#blocks(blocks),
      cache: this.#get(cache, isCache, "a cache"),
      head: this.#head(head),
    };
  }

  async #logits(
    { head: handle, rows, best }: Act<"logits">,
    hidden: Float32Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<ActAnswer> {
    const head = this.#head(handle);
    return { values: wanted(await head.logits(hidden, rows, signal), head, best) };
  }

  async #open({ engine, dataDir, backendDir }: Act<"open">): Promise<ActAnswer> {
    const folders = { dataDir, ...(backendDir === undefined ? {} : { backendDir }) };
    const { backend, reason } = await chooseBackend(this.#parts.backends(folders), engine);
    this.#backend = backend;
    return { facts: { engine: backend.name, reason } };
  }

  async #load({ path, range, options }: Act<"load">, signal: AbortSignal): Promise<ActAnswer> {
    await using model = await this.#parts.openModel(path, signal);
    const blocks = await this.#opened().load(model, range, options, signal);
    const { engine, device, deviceKind, hiddenSize, dtype, weightBytes, cacheBytesPerToken } = blocks;
    const kind = deviceKind === undefined ? {} : { deviceKind };
    const facts = { engine, device, ...kind, hiddenSize, dtype, weightBytes, cacheBytesPerToken };
    return { ...this.#hold(blocks), facts };
  }

  /** A head reads embeddings from its model as long as it lives. */
  async #loadHead({ path, options }: Act<"loadHead">, signal: AbortSignal): Promise<ActAnswer> {
    await using parts = new AsyncDisposableStack();
    const model = parts.use(await this.#parts.openModel(path, signal));
    const head = parts.use(await this.#opened().loadHead(model, options, signal));
    const owned = parts.move();
    const { engine, hiddenSize, vocabularySize, weightBytes } = head;
    const held: TextHead = {
      engine,
      hiddenSize,
      vocabularySize,
      weightBytes,
      embed: (ids, signal) => head.embed(ids, signal),
      logits: (hidden, rows, signal) => head.logits(hidden, rows, signal),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
    return { ...this.#hold(held), facts: { engine, hiddenSize, vocabularySize, weightBytes } };
  }

  async #free(handle: number): Promise<ActAnswer> {
    const held = this.#held.get(handle);
    this.#held.delete(handle);
    await held?.[Symbol.asyncDispose]();
    return {};
  }

  #opened(): BlockBackend {
    if (this.#backend === undefined) throw new TypeError("Cannot load: the engine is not opened");
    return this.#backend;
  }

  #hold(held: Held): ActAnswer {
    const handle = this.#nextHandle++;
    this.#held.set(handle, held);
    return { handle };
  }

  readonly #blocks = (handle: number) => this.#get(handle, isBlocks, "blocks");
  readonly #head = (handle: number) => this.#get(handle, isHead, "a head");

  #get<T extends Held>(handle: number, is: (held: Held) => held is T, what: string): T {
    const held = this.#held.get(handle);
    if (held === undefined || !is(held)) {
      throw new TypeError(`Cannot use handle ${handle}: it is not ${what}`);
    }
    return held;
  }
}

/** Whether it computes at most {@linkcode FEW_POSITIONS} positions. */
export function isShort(request: ActRequest, payload: Uint8Array): boolean {
  switch (request.act) {
    case "step":
      return request.batch * request.tokens <= FEW_POSITIONS;
    case "next":
    case "scores":
      return payload.length / Int32Array.BYTES_PER_ELEMENT <= FEW_POSITIONS;
    case "logits":
      return request.rows <= FEW_POSITIONS;
    default:
      return request.act === "choose";
  }
}

/** All scores, or the best of each row. */
const wanted = (scores: Float32Array<ArrayBuffer>, head: TextHead, best: number | undefined) =>
  best === undefined ? scores : packBest(scores, head.vocabularySize, best);

const chosen = (scores: Float32Array, choice: Act<"next">["choice"]): number =>
  sampleToken(scores, choice, () => choice.draw);

/** Adds up what the parts of a step took; stays `undefined` where the engine does not count. */
class CpuSum {
  ms: number | undefined;

  /** As a part of a reply. */
  get told(): { readonly cpuMs?: number } {
    return this.ms === undefined ? {} : { cpuMs: this.ms };
  }

  readonly add = (cpuMs: number): void => {
    this.ms = (this.ms ?? 0) + cpuMs;
  };
}

const isBlocks = (held: Held): held is LoadedBlocks => "openCache" in held;
const isHead = (held: Held): held is TextHead => "logits" in held;
const isCache = (held: Held): held is KvCache => "capacity" in held;

function inputOf(request: Act<"step"> | Act<"forward">, payload: Uint8Array<ArrayBuffer>): BlockStep {
  const { batch, tokens, hidden, promptTokens } = request;
  const values = floatsOf(payload);
  const count = batch * tokens * hidden;
  if (count > values.length) {
    throw new RangeError(
      `Cannot compute [${batch}, ${tokens}, ${hidden}]: only ${values.length} values came`,
    );
  }
  const input = { batch, tokens, hidden, data: values.subarray(0, count) };
  if (promptTokens !== undefined) {
    return { input, prompts: { tokens: promptTokens, data: values.subarray(count) } };
  }
  if (count !== values.length) {
    throw new RangeError(`Cannot compute [${batch}, ${tokens}, ${hidden}]: ${values.length} values came`);
  }
  return { input };
}

function stepOf(request: Act<"step">, payload: Uint8Array<ArrayBuffer>): CacheStep {
  const { rewindTo, rows } = request;
  return {
    ...inputOf(request, payload),
    ...(rewindTo === undefined ? {} : { rewindTo }),
    ...(rows === undefined ? {} : { rows }),
  };
}

function idsOf(payload: Uint8Array<ArrayBuffer>): number[] {
  const words = floatsOf(payload);
  return [...new Int32Array(words.buffer, words.byteOffset, words.length)];
}
