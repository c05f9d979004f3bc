/**
 * Token ids through head and blocks in the engine process, and on while the node is still telling a token.
 *
 * @module
 */
import type { KvCache, LoadedBlocks, TextHead } from "./backend.ts";
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

/** A pass that nobody has asked for yet. */
interface PassAhead {
  readonly id: number;
  readonly head: TextHead;
  /** Position of `id`. */
  readonly start: number;
  /** Parts of processor time it took so far. */
  readonly cpuMs: number[];
  /** Scores `[vocabulary]`; `undefined` where computing failed: it will be asked for again if it is wanted. */
  readonly scores: Promise<Float32Array<ArrayBuffer> | undefined>;
}

const NEVER = new AbortController().signal;

/** Passes over caches, each with at most one that was begun before it was asked for. */
export class TextPasses {
  readonly #ahead = new WeakMap<KvCache, PassAhead>();

  /** Scores `[scored, vocabulary]`; what was computed ahead is used where it is what is asked for. Throws as `step` does. */
  async scores(parts: TextParts, pass: TextPass, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const ahead = await this.#take(parts.cache);
    if (ahead === undefined) return await compute(parts, pass, signal);
    const { ids, scored, rewindTo = ahead.start, spent } = pass;
    const known = await ahead.scores;
    if (known === undefined || ids[0] !== ahead.id || rewindTo !== ahead.start || parts.head !== ahead.head) {
      await goBack(parts.blocks, parts.cache, ahead.start);
      return await compute(parts, pass, signal);
    }
    ahead.cpuMs.forEach(spent);
    if (ids.length === 1) return scored === 0 ? new Float32Array(0) : known;
    const isAll = scored === ids.length;
    const rest = { ids: ids.slice(1), scored: isAll ? scored - 1 : scored, rewindTo: undefined, spent };
    try {
      const scores = await compute(parts, rest, signal);
      return isAll ? joined(known, scores) : scores;
    } catch (error) {
      // nothing was taken in, or all
      await goBack(parts.blocks, parts.cache, ahead.start);
      throw error;
    }
  }

  /** Begins the pass over `id`, where there is room for it. */
  begin(parts: TextParts, id: number): void {
    const { cache, head } = parts;
    if (cache.length >= cache.capacity) return;
    const cpuMs: number[] = [];
    const pass = { ids: [id], scored: 1, rewindTo: undefined, spent: (ms: number) => cpuMs.push(ms) };
    const start = cache.length;
    const scores = compute(parts, pass, NEVER).catch(() => undefined);
    this.#ahead.set(cache, { id, head, start, cpuMs, scores });
  }

  /** Forgets what was computed ahead: the cache holds what was asked for. */
  async forget(blocks: LoadedBlocks, cache: KvCache): Promise<void> {
    const ahead = await this.#take(cache);
    if (ahead !== undefined) await goBack(blocks, cache, ahead.start);
  }

  /** What was computed ahead over `cache`, once it is computed. */
  async #take(cache: KvCache): Promise<PassAhead | undefined> {
    const ahead = this.#ahead.get(cache);
    await ahead?.scores;
    this.#ahead.delete(cache);
    return ahead;
  }
}

/** The cache holds no more than `position` positions. */
async function goBack(blocks: LoadedBlocks, cache: KvCache, position: number): Promise<void> {
  if (cache.length <= position) return;
  const input = { batch: 1, tokens: 0, hidden: blocks.hiddenSize, data: new Float32Array(0) };
  await blocks.step({ input, rewindTo: position }, cache, NEVER);
}

async function compute(
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
