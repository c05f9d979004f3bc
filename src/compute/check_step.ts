/**
 * Whether a step is one that can be computed. Checked before anything of it is done, by every engine alike.
 *
 * @module
 */
import { type BlockRange, containsRange, lengthOf } from "../base/tensor.ts";
import type { BlockStep, CacheSize, CacheStep, KvCache, TextStep } from "./backend.ts";

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Throws `RangeError` for blocks outside `loaded`, no rows, or a capacity that is no number of positions. */
export function checkCacheSize({ range, batch, capacity }: CacheSize, loaded: BlockRange): void {
  if (!containsRange(loaded, range)) {
    throw new RangeError(
      `Cannot open a cache for blocks ${range.start} to ${range.end}: loaded are ${loaded.start} to ${loaded.end}`,
    );
  }
  if (!isCount(batch) || batch < 1 || !isCount(capacity)) {
    throw new RangeError(`Cannot open a cache of ${batch} rows and ${capacity} positions`);
  }
}

/** Throws `RangeError` for input or prompts that do not have the sizes they state, or another hidden size or batch. */
export function checkBlockStep(
  { input, prompts }: BlockStep,
  wanted: { readonly batch: number; readonly blocks: number; readonly hidden: number },
): void {
  const { batch, tokens, hidden, data } = input;
  if (
    hidden !== wanted.hidden || batch !== wanted.batch || !isCount(batch) || !isCount(tokens) ||
    data.length !== batch * tokens * hidden
  ) {
    throw new RangeError(
      `Cannot compute [${batch}, ${tokens}, ${hidden}] of ${data.length} values: wanted ${wanted.batch} rows of width ${wanted.hidden}`,
    );
  }
  if (prompts === undefined) return;
  if (
    !isCount(prompts.tokens) || prompts.tokens > tokens ||
    prompts.data.length !== wanted.blocks * batch * prompts.tokens * hidden
  ) {
    throw new RangeError(
      `Cannot add prompts of ${prompts.tokens} tokens (${prompts.data.length} values) to ${wanted.blocks} blocks over ${tokens} tokens`,
    );
  }
}

/** The same for a step over `cache`, whose positions and rows it must fit. */
export function checkCacheStep(step: CacheStep, cache: KvCache, hidden: number): void {
  const { rewindTo, rows, input } = step;
  checkBlockStep(step, { batch: cache.batch, blocks: lengthOf(cache.range), hidden });
  checkCacheSpace(input.tokens, rewindTo, cache);
  if (rows === undefined) return;
  if (rows.length !== cache.batch || !rows.every((row) => isCount(row) && row < cache.batch)) {
    throw new RangeError(`Cannot reorder ${cache.batch} rows by [${rows.join(", ").slice(0, 80)}]`);
  }
}

/** Throws `RangeError` for positions, after going back to `rewindTo`, that `cache` does not hold or has no room for. */
export function checkCacheSpace(tokens: number, rewindTo: number | undefined, cache: KvCache): void {
  const start = rewindTo ?? cache.length;
  if (!isCount(start) || start > cache.length) {
    throw new RangeError(`Cannot rewind to position ${start}: the cache holds ${cache.length}`);
  }
  if (start + tokens > cache.capacity) {
    throw new RangeError(
      `Cannot add ${tokens} tokens at position ${start}: the cache has room for ${cache.capacity}`,
    );
  }
}

/** Throws `RangeError` for no ids, ids that do not fit into 32 bits (they are no tokens), or more scores than positions. */
export function checkTextStep({ ids, scored }: TextStep): void {
  const wrong = ids.find((id) => id !== (id | 0));
  if (wrong !== undefined) throw new RangeError(`Cannot embed token ${wrong}: it is in no vocabulary`);
  if (ids.length > 0 && isCount(scored) && scored <= ids.length) return;
  throw new RangeError(`Cannot score ${scored} positions of ${ids.length} tokens`);
}

/** Throws `RangeError` for hidden states that are not `[rows, width]`. */
export function checkScoredRows(hidden: Float32Array, rows: number, width: number): void {
  if (isCount(rows) && hidden.length === rows * width) return;
  throw new RangeError(`Cannot score ${rows} rows of ${hidden.length} values: wanted width ${width}`);
}
