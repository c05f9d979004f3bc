/**
 * How fast loaded blocks are here: the figures that are announced.
 *
 * @module
 */
import { lengthOf } from "../base/tensor.ts";
import type { Clock } from "../base/world.ts";
import type { LoadedBlocks } from "../compute/backend.ts";

/** Tokens a second through one block. */
export interface BlockRates {
  /** One token at a time, with attention memory. */
  readonly inferenceRps: number;
  /** Many tokens at once. */
  readonly forwardRps: number;
}

/** Steps measured at most; the first one is not counted. */
const MAX_STEPS = 8;
/** Steps end once they took this long together. */
const STEPS_MS = 400;
/** Tokens of the one long call. */
const PREFILL_TOKENS = 64;

/** Measures by single steps and one call of 64 tokens over all loaded blocks. Throws as the engine does. */
export async function measureBlocks(
  clock: Clock,
  blocks: LoadedBlocks,
  signal: AbortSignal,
): Promise<BlockRates> {
  const count = lengthOf(blocks.range);
  await using cache = await blocks.openCache(
    { range: blocks.range, batch: 1, capacity: MAX_STEPS + 1 },
    signal,
  );
  await blocks.step({ input: inputOf(1, blocks.hiddenSize) }, cache, signal);
  const startedAtMs = clock.monotonic();
  let steps = 0;
  for (; steps < MAX_STEPS && (steps === 0 || clock.monotonic() - startedAtMs < STEPS_MS); steps++) {
    await blocks.step({ input: inputOf(1, blocks.hiddenSize) }, cache, signal);
  }
  const steppedAtMs = clock.monotonic();
  await blocks.forward({ input: inputOf(PREFILL_TOKENS, blocks.hiddenSize) }, blocks.range, signal);
  const endedAtMs = clock.monotonic();
  return {
    inferenceRps: perSecond(steps * count, steppedAtMs - startedAtMs),
    forwardRps: perSecond(PREFILL_TOKENS * count, endedAtMs - steppedAtMs),
  };
}

/** Small values of both signs: what is computed does not matter, denormal numbers would. */
const inputOf = (tokens: number, hidden: number) => ({
  batch: 1,
  tokens,
  hidden,
  data: Float32Array.from({ length: tokens * hidden }, (_, i) => (i % 17 - 8) / 64),
});

/** A clock too coarse to see it counts as a hundredth of a millisecond. */
const perSecond = (amount: number, ms: number): number => amount * 1000 / Math.max(ms, 0.01);
