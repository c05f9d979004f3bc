import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { CacheStep, KvCache, LoadedBlocks, TextHead } from "../../src/compute/backend.ts";
import { checkCacheSpace } from "../../src/compute/check_step.ts";
import { type TextParts, type TextPass, TextPasses } from "../../src/compute/engine_text.ts";
import { settle } from "../support/world.ts";

const never = new AbortController().signal;
const VOCABULARY = 7;

/** Blocks whose state of a position is a sum over all ids so far; `steps` are the tokens of each computation. */
function toyText(capacity = 30) {
  const held: number[] = [];
  const steps: number[] = [];
  const cache = {
    range: { start: 0, end: 1 },
    batch: 1,
    capacity,
    get length() {
      return held.length;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  } satisfies KvCache;
  const toy = { fails: false };
  const blocks = {
    hiddenSize: 1,
    async step({ input, rewindTo, spent }, _cache, signal) {
      await Promise.resolve();
      checkCacheSpace(input.tokens, rewindTo, cache);
      if (rewindTo !== undefined) held.length = rewindTo;
      if (input.tokens > 0) steps.push(input.tokens);
      if (toy.fails) throw new Error("broken");
      signal.throwIfAborted();
      spent?.(input.tokens);
      return input.data.map((id) => {
        held.push(id);
        return held.reduce((sum, id, at) => (sum * 3 + id + at) % 1009, 1);
      });
    },
  } as Partial<LoadedBlocks> as LoadedBlocks;
  const head = {
    hiddenSize: 1,
    vocabularySize: VOCABULARY,
    embed(ids) {
      if (ids.some((id) => id >= VOCABULARY)) return Promise.reject(new RangeError("no such token"));
      return Promise.resolve(Float32Array.from(ids));
    },
    logits: (hidden, rows) =>
      Promise.resolve(
        Float32Array.from({ length: rows * VOCABULARY }, (_, at) =>
          Math.sin(hidden[Math.floor(at / VOCABULARY)]! + at % VOCABULARY)),
      ),
  } as Partial<TextHead> as TextHead;
  const parts: TextParts = { blocks, cache, head };
  return { parts, passes: new TextPasses(), steps, held, toy };
}

const stepOf = (ids: number[], rewindTo?: number): CacheStep => ({
  input: { batch: 1, tokens: ids.length, hidden: 1, data: Float32Array.from(ids) },
  ...(rewindTo === undefined ? {} : { rewindTo }),
});

const pass = (ids: number[], more: Partial<TextPass> = {}): TextPass => ({
  ids,
  scored: 1,
  rewindTo: undefined,
  spent: () => {},
  ...more,
});

Deno.test("a pass computed ahead is not computed again, and its time is told with it", async () => {
  const { parts, passes, steps, held } = toyText();
  await passes.scores(parts, pass([1, 2]), never);
  passes.begin(parts, 5);
  const spent: number[] = [];
  const scores = await passes.scores(parts, pass([5], { spent: (ms) => spent.push(ms) }), never);
  assertEquals([steps, spent, held], [[2, 1], [1], [1, 2, 5]]);
  assertEquals(scores, await toyScores([1, 2, 5]));
});

Deno.test("guesses behind the expected token are computed behind what is there, others from anew", async () => {
  const { parts, passes, steps } = toyText();
  await passes.scores(parts, pass([1, 2]), never);
  passes.begin(parts, 5);
  const rows = await passes.scores(parts, pass([5, 6, 3], { scored: 3 }), never);
  assertEquals(steps, [2, 1, 2]);
  assertEquals([...rows], [
    ...await toyScores([1, 2, 5]),
    ...await toyScores([1, 2, 5, 6]),
    ...await toyScores([1, 2, 5, 6, 3]),
  ]);
  passes.begin(parts, 4);
  assertEquals(await passes.scores(parts, pass([2]), never), await toyScores([1, 2, 5, 6, 3, 2]));
});

Deno.test("nothing is computed ahead where there is no room, and what failed ahead is computed when it is asked for", async () => {
  const { parts, passes, held, steps, toy } = toyText(3);
  await passes.scores(parts, pass([1, 2]), never);
  toy.fails = true;
  passes.begin(parts, 4);
  await settle();
  assertEquals(steps, [2, 1]);
  toy.fails = false;
  assertEquals(await passes.scores(parts, pass([4]), never), await toyScores([1, 2, 4]));
  passes.begin(parts, 4);
  assertEquals(held, [1, 2, 4]);
});

/** What is asked of a text, and what was computed before it. */
interface Asked {
  readonly ids: readonly number[];
  readonly ahead: { readonly id: number; readonly as: "scores" | "states" } | undefined;
  /** Whether the first id is the one that was computed ahead. */
  readonly takesIt: boolean;
  readonly back: number | undefined;
  readonly scored: number;
  readonly isStep: boolean;
}

Deno.test("whatever is asked behind a computation ahead, answers and lengths are those without it", async () => {
  const asked: fc.Arbitrary<Asked> = fc.record({
    ids: fc.array(fc.integer({ min: 0, max: VOCABULARY }), { minLength: 1, maxLength: 4 }),
    ahead: fc.option(
      fc.record({
        id: fc.integer({ min: 0, max: VOCABULARY - 1 }),
        as: fc.constantFrom("scores" as const, "states" as const),
      }),
      { nil: undefined },
    ),
    takesIt: fc.boolean(),
    back: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    scored: fc.integer({ min: 0, max: 4 }),
    isStep: fc.boolean(),
  });
  await fc.assert(fc.asyncProperty(fc.array(asked, { maxLength: 12 }), async (all) => {
    const [plain, tried] = [toyText(), toyText()];
    for (const { ids, ahead, takesIt, back, scored, isStep } of all) {
      const { length } = plain.held;
      if (ahead?.as === "scores") tried.passes.begin(tried.parts, ahead.id);
      if (ahead?.as === "states") tried.passes.beginStep(tried.parts, ahead.id);
      const fed = ahead !== undefined && takesIt ? [ahead.id, ...ids.slice(1)] : [...ids];
      const rewindTo = back === undefined ? undefined : Math.max(0, length - back);
      const wanted = pass(fed, { scored: Math.min(scored, fed.length), rewindTo });
      const ask = ({ passes, parts }: ReturnType<typeof toyText>) =>
        isStep
          ? passes.step(parts.blocks, parts.cache, stepOf(fed, rewindTo), never)
          : passes.scores(parts, wanted, never);
      const outcome = (text: ReturnType<typeof toyText>) =>
        ask(text).then((values) => [...values], (error) => error.name);
      assertEquals(await outcome(tried), await outcome(plain));
      assertEquals(tried.held, plain.held);
    }
  }));
});

Deno.test("a step computed ahead is not computed again, one of several positions goes on behind it", async () => {
  const { parts, passes, steps, held } = toyText();
  await passes.step(parts.blocks, parts.cache, stepOf([1, 2]), never);
  passes.beginStep(parts, 5);
  const spent: number[] = [];
  const step = { ...stepOf([5]), spent: (ms: number) => spent.push(ms) };
  const one = await passes.step(parts.blocks, parts.cache, step, never);
  assertEquals([steps, spent, held], [[2, 1], [1], [1, 2, 5]]);
  passes.beginStep(parts, 6);
  const two = await passes.step(parts.blocks, parts.cache, stepOf([6, 4]), never);
  assertEquals(steps, [2, 1, 1, 1]);
  const fresh = toyText();
  const all = await fresh.passes.step(fresh.parts.blocks, fresh.parts.cache, stepOf([1, 2, 5, 6, 4]), never);
  assertEquals([...one, ...two], [...all.slice(2)]);
});

Deno.test("a caller who leaves in the middle of guesses behind a pass ahead leaves the cache as it was", async () => {
  const { parts, passes, held } = toyText();
  await passes.scores(parts, pass([1, 2]), never);
  passes.begin(parts, 5);
  const left = new AbortController();
  left.abort(new Error("left"));
  await assertRejects(() => passes.scores(parts, pass([5, 6]), left.signal), Error, "left");
  assertEquals(held, [1, 2]);
});

/** Scores behind `ids`, in one pass and without anything ahead. */
async function toyScores(ids: number[]): Promise<Float32Array> {
  const { parts, passes } = toyText();
  return await passes.scores(parts, pass(ids), never);
}
