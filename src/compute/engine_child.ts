/**
 * The engine process: native code lives here only, so what crashes ends its sessions and never the node.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import type { ModelSource } from "../model/source.ts";
import type { BlockBackend, BlockStep, CacheStep, KvCache, LoadedBlocks, TextHead } from "./backend.ts";
import { packBest } from "./best_scores.ts";
import { chooseBackend } from "./choose.ts";
import { type EngineReply, type EngineRequest, errorToWire, readRequest } from "./engine_messages.ts";
import { TextPasses } from "./engine_text.ts";
import { encodeFrame, floatsOf, type Frame, FrameReader } from "./engine_wire.ts";
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

type Answer =
  & Omit<EngineReply, "id" | "error">
  & {
    readonly values?: Float32Array<ArrayBuffer>;
    /** What may be done when it is told, where nobody waits for anything else. */
    readonly afterwards?: () => Promise<void>;
  };
type Act<A extends EngineRequest["act"]> = Extract<EngineRequest, { act: A }>;
type Held = LoadedBlocks | KvCache | TextHead;

/** A request that runs, or is answered and gone on with. */
interface Unfinished {
  readonly done: Promise<void>;
  readonly isShort: boolean;
}

/** Where requests come from. */
export interface RequestSource {
  /** Fills the first of `into`, at least one, and says how many; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** The same, while this thread stands still; absent where it must not. */
  readSync?(into: Uint8Array): number | null;
}

/** Where answers go. */
export interface AnswerSink {
  /** Takes the first of `bytes`, at least one, and says how many. Throws `Deno.errors.BrokenPipe` when nobody reads. */
  writeSync(bytes: Uint8Array): number;
}

/** Bytes read at once: as much as a pipe of Linux holds. */
const READ_BYTES = 64 << 10;
/** A step of at most so many positions is one piece of work: nobody can leave in the middle of it. */
const SHORT_STEP = 9;

/**
 * Serves requests until `input` ends, which it does when the node ends, whatever way. The exit code: 0, or 1 when
 * what came is no conversation. `complain` takes the words for that.
 */
export async function runEngineChild(
  input: RequestSource,
  output: AnswerSink,
  parts: EngineChildParts,
  complain: (words: string) => void,
): Promise<number> {
  const session = new ChildSession(output, parts);
  const frames = new FrameReader();
  const buffer = new Uint8Array(READ_BYTES);
  try {
    while (true) {
      const isIdle = await session.rest();
      // who waits in the call itself hears 0.06 ms earlier, of each token, than who is told by another thread
      const size = isIdle && input.readSync ? input.readSync(buffer) : await input.read(buffer);
      if (size === null) return 0;
      for (const frame of frames.push(buffer.subarray(0, size))) session.take(frame);
    }
  } catch (error) {
    complain(messageOf(error));
    return 1;
  } finally {
    session.abortAll();
  }
}

class ChildSession {
  readonly #parts: EngineChildParts;
  readonly #output: AnswerSink;
  readonly #running = new Map<number, AbortController>();
  readonly #unfinished = new Set<Unfinished>();
  readonly #held = new Map<number, Held>();
  readonly #passes = new TextPasses();
  #nextHandle = 1;
  #backend: BlockBackend | undefined;

  constructor(output: AnswerSink, parts: EngineChildParts) {
    this.#parts = parts;
    this.#output = output;
  }

  /** Begins what a frame asks. Throws `NodeError` `malformed` for a frame that nobody waits on. */
  take({ header, payload }: Frame): void {
    let request: EngineRequest;
    try {
      request = readRequest(header);
    } catch (error) {
      // One request that cannot be is no reason to end the sessions of all others
      const id = idOf(header);
      if (id === undefined) throw error;
      return this.#write({ id, error: errorToWire(error) }, []);
    }
    if (request.act === "abort") {
      this.#running.get(request.target)?.abort(
        new NodeError("aborted", "Cannot go on: the caller has left"),
      );
      return;
    }
    if (request.act === "ping") return this.#write({ id: request.id }, []);
    const control = new AbortController();
    this.#running.set(request.id, control);
    const done = this.#answer(request, payload, control.signal)
      .then(
        async ({ values, afterwards, ...answer }) => {
          this.#running.delete(request.id);
          this.#write({ id: request.id, ...answer }, values === undefined ? [] : [values]);
          if (this.#running.size === 0) await afterwards?.();
        },
        (error) => {
          this.#running.delete(request.id);
          this.#write({ id: request.id, error: errorToWire(error) }, []);
        },
      );
    const unfinished = { done, isShort: isShort(request, payload) };
    this.#unfinished.add(unfinished);
    done.finally(() => this.#unfinished.delete(unfinished));
  }

  /**
   * Whether nothing is computed. Waits for what is short and alone; for all else whoever leaves has to be heard, and
   * who asks for a sign of life.
   */
  async rest(): Promise<boolean> {
    while (this.#unfinished.size === 1) {
      const [only] = [...this.#unfinished];
      if (!only!.isShort) return false;
      await only!.done;
    }
    return this.#unfinished.size === 0;
  }

  /** Ends all that runs. */
  abortAll(): void {
    for (const control of this.#running.values()) {
      control.abort(new NodeError("aborted", "Cannot go on: the node has ended"));
    }
  }

  /** At once: nobody else is to be served meanwhile, and a way over other threads would cost more. */
  #write(reply: EngineReply, values: readonly Float32Array<ArrayBuffer>[]): void {
    try {
      for (const piece of encodeFrame(reply, values)) {
        for (let at = 0; at < piece.length;) at += this.#output.writeSync(piece.subarray(at));
      }
    } catch (error) {
      // a node that does not read any more has ended, and so does `input`
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }

  async #answer(
    request: Exclude<EngineRequest, Act<"abort" | "ping">>,
    payload: Uint8Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<Answer> {
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

  async #scores(request: Act<"scores">, ids: number[], signal: AbortSignal): Promise<Answer> {
    const { scored, rewindTo, best } = request;
    const parts = this.#textParts(request);
    const cpu = new CpuSum();
    const scores = await this.#passes.scores(parts, { ids, scored, rewindTo, spent: cpu.add }, signal);
    return { values: wanted(scores, parts.head, best), length: parts.cache.length, ...cpu.told };
  }

  async #next(request: Act<"next">, ids: number[], signal: AbortSignal): Promise<Answer> {
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
  ): Promise<Answer> {
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
  ): Promise<Answer> {
    const head = this.#head(handle);
    return { values: wanted(await head.logits(hidden, rows, signal), head, best) };
  }

  async #open({ engine, dataDir, backendDir }: Act<"open">): Promise<Answer> {
    const folders = { dataDir, ...(backendDir === undefined ? {} : { backendDir }) };
    const { backend, reason } = await chooseBackend(this.#parts.backends(folders), engine);
    this.#backend = backend;
    return { facts: { engine: backend.name, reason } };
  }

  async #load({ path, range, options }: Act<"load">, signal: AbortSignal): Promise<Answer> {
    await using model = await this.#parts.openModel(path, signal);
    const blocks = await this.#opened().load(model, range, options, signal);
    const { engine, device, deviceKind, hiddenSize, dtype, weightBytes, cacheBytesPerToken } = blocks;
    const kind = deviceKind === undefined ? {} : { deviceKind };
    const facts = { engine, device, ...kind, hiddenSize, dtype, weightBytes, cacheBytesPerToken };
    return { ...this.#hold(blocks), facts };
  }

  /** A head reads embeddings from its model as long as it lives. */
  async #loadHead({ path, options }: Act<"loadHead">, signal: AbortSignal): Promise<Answer> {
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

  async #free(handle: number): Promise<Answer> {
    const held = this.#held.get(handle);
    this.#held.delete(handle);
    await held?.[Symbol.asyncDispose]();
    return {};
  }

  #opened(): BlockBackend {
    if (this.#backend === undefined) throw new TypeError("Cannot load: the engine is not opened");
    return this.#backend;
  }

  #hold(held: Held): Answer {
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

function idOf(header: unknown): number | undefined {
  const id = typeof header === "object" && header !== null && "id" in header ? header.id : undefined;
  return typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? id : undefined;
}

/** Whether it computes at most {@linkcode SHORT_STEP} positions. */
function isShort(request: EngineRequest, payload: Uint8Array): boolean {
  switch (request.act) {
    case "step":
      return request.batch * request.tokens <= SHORT_STEP;
    case "next":
    case "scores":
      return payload.length / Int32Array.BYTES_PER_ELEMENT <= SHORT_STEP;
    case "logits":
      return request.rows <= SHORT_STEP;
    default:
      return request.act === "choose";
  }
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
