/**
 * Token ids through head and blocks in the engine process, and on while the node is still telling a token.
 *
 * @module
 */
import type { CacheStep, KvCache, LoadedBlocks, TextHead } from "./backend.ts";
import type { CpuSpent } from "./cpu_time.ts";

/** What a text is computed with. */
export interface TextParts {
  readonly blocks: LoadedBlocks;
  readonly cache: KvCache;
  readonly head: TextHead;
}

/** Ids that are taken in. */
export interface TextPass {
  /** 1 or more. */
  readonly ids: readonly number[];
  /** So many of the last positions are scored. */
  readonly scored: number;
  /** Where they begin, if not behind the last ones. */
  readonly rewindTo: number | undefined;
  readonly spent: CpuSpent;
}

/** A computation that nobody has asked for yet. */
interface Ahead {
  /** What it is: scores behind an id, or states behind an embedding. */
  readonly of:
    | { readonly kind: "scores"; readonly id: number; readonly head: TextHead }
    | { readonly kind: "states"; readonly embedding: Promise<Float32Array<ArrayBuffer> | undefined> };
  /** Its position. */
  readonly start: number;
  /** Parts of processor time it took so far. */
  readonly cpuMs: number[];
  /** What came of it; `undefined` where it failed: it is computed again if it is wanted. */
  readonly result: Promise<Float32Array<ArrayBuffer> | undefined>;
}

const NEVER = new AbortController().signal;

/** Computations over caches, each with at most one that was begun before it was asked for. */
export class TextPasses {
  readonly #ahead = new WeakMap<KvCache, Ahead>();

  /** Scores `[scored, vocabulary]`; what was computed ahead is used where it is what is asked for. Throws as `step` does. */
  async scores(parts: TextParts, pass: TextPass, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const { blocks, cache, head } = parts;
    const { ids, scored, rewindTo, spent } = pass;
    const ahead = await this.#take(cache);
    const known = await ahead?.result;
    const isIt = ahead?.of.kind === "scores" && ahead.of.id === ids[0] && ahead.of.head === head;
    if (ahead === undefined || known === undefined || !isIt || (rewindTo ?? ahead.start) !== ahead.start) {
      await goBack(blocks, cache, ahead);
      return await scoresOf(parts, pass, signal);
    }
    ahead.cpuMs.forEach(spent);
    if (ids.length === 1) return scored === 0 ? new Float32Array(0) : known;
    const isAll = scored === ids.length;
    const rest = { ids: ids.slice(1), scored: isAll ? scored - 1 : scored, rewindTo: undefined, spent };
    const more = await orGoBack(blocks, cache, ahead, () => scoresOf(parts, rest, signal));
    return isAll ? joined(known, more) : more;
  }

  /** A step, likewise. */
  async step(
    blocks: LoadedBlocks,
    cache: KvCache,
    step: CacheStep,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const ahead = await this.#take(cache);
    const known = await ahead?.result;
    const embedding = ahead?.of.kind === "states" ? await ahead.of.embedding : undefined;
    if (
      ahead === undefined || known === undefined || embedding === undefined ||
      !beginsWith(step, embedding) || (step.rewindTo ?? ahead.start) !== ahead.start
    ) {
      await goBack(blocks, cache, ahead);
      return await blocks.step(step, cache, signal);
    }
    const { input, spent } = step;
    ahead.cpuMs.forEach((ms) => spent?.(ms));
    if (input.tokens === 1) return known;
    const rest = { ...input, tokens: input.tokens - 1, data: input.data.subarray(embedding.length) };
    const more = { input: rest, ...(spent === undefined ? {} : { spent }) };
    return joined(known, await orGoBack(blocks, cache, ahead, () => blocks.step(more, cache, signal)));
  }

  /** Begins the pass over `id`, where there is room for it. Resolves when it is computed; never throws. */
  begin(parts: TextParts, id: number): Promise<void> {
    const pass = { ids: [id], scored: 1, rewindTo: undefined };
    return this.#begin(
      parts.cache,
      { kind: "scores", id, head: parts.head },
      (spent) => scoresOf(parts, { ...pass, spent }, NEVER),
    );
  }

  /** Begins the step over the embedding of `id`, likewise. */
  beginStep({ blocks, cache, head }: TextParts, id: number): Promise<void> {
    const embedding = head.embed([id], NEVER).catch(() => undefined);
    return this.#begin(cache, { kind: "states", embedding }, async (spent) => {
      const data = await embedding;
      const input = data && { batch: 1, tokens: 1, hidden: blocks.hiddenSize, data };
      return input && await blocks.step({ input, spent }, cache, NEVER);
    });
  }

  async #begin(
    cache: KvCache,
    of: Ahead["of"],
    work: (spent: CpuSpent) => Promise<Float32Array<ArrayBuffer> | undefined>,
  ): Promise<void> {
    if (cache.batch !== 1 || cache.length >= cache.capacity) return;
    const cpuMs: number[] = [];
    const start = cache.length;
    const result = work((ms) => cpuMs.push(ms)).catch(() => undefined);
    this.#ahead.set(cache, { of, start, cpuMs, result });
    await result;
  }

  /** What was computed ahead over `cache`, once it is computed. */
  async #take(cache: KvCache): Promise<Ahead | undefined> {
    const ahead = this.#ahead.get(cache);
    await ahead?.result;
    this.#ahead.delete(cache);
    return ahead;
  }
}

/** Whether the first position of a step, which does nothing else, is `embedding`, bit by bit. */
function beginsWith({ input, prompts, rows }: CacheStep, embedding: Float32Array): boolean {
  if (prompts !== undefined || rows !== undefined || input.batch !== 1 || input.tokens < 1) return false;
  return input.hidden === embedding.length && embedding.every((value, at) => value === input.data[at]);
}

/** The cache holds no more than what was asked for. */
async function goBack(blocks: LoadedBlocks, cache: KvCache, ahead: Ahead | undefined): Promise<void> {
  if (ahead === undefined || cache.length <= ahead.start) return;
  const input = { batch: 1, tokens: 0, hidden: blocks.hiddenSize, data: new Float32Array(0) };
  await blocks.step({ input, rewindTo: ahead.start }, cache, NEVER);
}

/** What `work` adds behind what was computed ahead: all is taken in, or nothing. */
async function orGoBack<T>(
  blocks: LoadedBlocks,
  cache: KvCache,
  ahead: Ahead,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await goBack(blocks, cache, ahead);
    throw error;
  }
}

async function scoresOf(
  { blocks, cache, head }: TextParts,
  { ids, scored, rewindTo, spent }: TextPass,
  signal: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const hidden = head.hiddenSize;
  const data = await head.embed(ids, signal);
  const input = { batch: 1, tokens: ids.length, hidden, data };
  const step = { input, ...(rewindTo === undefined ? {} : { rewindTo }), spent };
  const output = await blocks.step(step, cache, signal);
  // on a device the last rows are a view: they are copied, as values of their own
  return await head.logits(output.slice((ids.length - scored) * hidden), scored, signal);
}

function joined(
  first: Float32Array<ArrayBuffer>,
  rest: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const all = new Float32Array(first.length + rest.length);
  all.set(first);
  all.set(rest, first.length);
  return all;
}
