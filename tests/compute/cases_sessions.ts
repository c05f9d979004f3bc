/** Claims about sessions, ranges and refusals. Part of cases.ts. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { BlockRange } from "../../src/base/tensor.ts";
import type { BlockStep, CacheStep, KvCache, LoadedBlocks } from "../../src/compute/backend.ts";
import {
  ALL,
  assertNear,
  AUTO,
  type Floats,
  HIDDEN,
  inputOf,
  loadTwins,
  numbers,
  openGguf,
  rowOf,
  rowOfValues,
  signal,
  tokensOf,
  withTensors,
} from "./case_help.ts";
import type { BlockCase } from "./cases.ts";

/** Of one engine with itself in another order of sums. */
const ORDER = 1e-5;

/** The answers of several steps as one, `[batch, tokens, hidden]`. */
function joined(parts: readonly Floats[], batch: number): Floats {
  const rows = Array.from(
    { length: batch },
    (_, row) => parts.flatMap((part) => [...rowOfValues(part, batch, row)]),
  );
  return Float32Array.from(rows.flat());
}

/** The step cut at `cuts`, computed one part after another. */
async function inParts(
  blocks: LoadedBlocks,
  cache: KvCache,
  step: BlockStep,
  cuts: readonly number[],
): Promise<Floats> {
  const parts: Floats[] = [];
  let from = 0;
  for (const to of [...cuts, step.input.tokens]) {
    parts.push(await blocks.step(tokensOf(step, from, to), cache, signal));
    assertEquals(cache.length, to);
    from = to;
  }
  return joined(parts, step.input.batch);
}

/** All that each row has seen after `step`, given what it had seen before: a cache as a list. */
function rowsAfter(
  before: readonly (readonly number[])[],
  { rewindTo, rows, ...step }: CacheStep,
): readonly (readonly number[])[] {
  const kept = before.map((row) => row.slice(0, rewindTo === undefined ? undefined : rewindTo * HIDDEN));
  return kept.map((_, i) => [...kept[rows?.[i] ?? i]!, ...rowOf(step, i).input.data]);
}

/** What `prompts` mean, spelled out block by block. */
async function withPrompts(blocks: LoadedBlocks, step: BlockStep, range: BlockRange): Promise<Floats> {
  const { input, prompts } = step;
  const size = prompts!.tokens * HIDDEN;
  let data = input.data;
  for (let block = range.start; block < range.end; block++) {
    const changed = data.slice();
    for (let row = 0; row < input.batch; row++) {
      for (let i = 0; i < size; i++) {
        changed[row * input.tokens * HIDDEN + i]! += prompts!
          .data[((block - range.start) * input.batch + row) * size + i]!;
      }
    }
    data = await blocks.forward(
      { input: { ...input, data: changed } },
      { start: block, end: block + 1 },
      signal,
    );
  }
  return data;
}

/** See cases.ts. */
export const SESSION_CASES: readonly BlockCase[] = [
  {
    name: "gives in single steps, with empty ones between, what it gives at once",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf());
      const step = inputOf(2, 12);
      const wanted = await twins.plain.forward(step, ALL, signal);
      assertNear(await twins.blocks.forward(step, ALL, signal), wanted, ORDER, { what: "forward" });
      await using cache = await twins.blocks.openCache({ range: ALL, batch: 2, capacity: 12 }, signal);
      const out = await inParts(twins.blocks, cache, step, [0, 6, 6, 7, 8, 9, 10, 11]);
      assertNear(out, wanted, ORDER, { what: "steps" });
    },
  },
  {
    name: "computes inputs of several chunks, at once and in parts",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf({ blocks: 2 }), { start: 0, end: 2 });
      const step = inputOf(1, 300);
      const wanted = await twins.plain.forward(step, twins.plain.range, signal);
      assertNear(await twins.blocks.forward(step, twins.blocks.range, signal), wanted, ORDER);
      const size = { range: twins.blocks.range, batch: 1, capacity: 300 };
      await using cache = await twins.blocks.openCache(size, signal);
      assertNear(await inParts(twins.blocks, cache, step, [1, 140, 141, 290, 299]), wanted, ORDER);
    },
  },
  {
    name: "computes batches as it computes each row alone, also with more rows than go at once",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf({ blocks: 2 }), { start: 0, end: 2 });
      const { blocks } = twins;
      for (const [batch, tokens] of [[3, 5], [2, 100], [150, 1]] as const) {
        const first = inputOf(batch, tokens, 1), next = inputOf(batch, 1, 2);
        const size = { range: blocks.range, capacity: tokens + 1 };
        await using cache = await blocks.openCache({ ...size, batch }, signal);
        const outs = [await blocks.step(first, cache, signal), await blocks.step(next, cache, signal)];
        for (const index of [0, batch - 1]) {
          await using alone = await blocks.openCache({ ...size, batch: 1 }, signal);
          for (const [i, step] of [first, next].entries()) {
            const out = await blocks.step(rowOf(step, index), alone, signal);
            assertNear(rowOfValues(outs[i]!, batch, index), out, ORDER, { what: `${batch} × ${tokens}` });
          }
        }
      }
    },
  },
  {
    name: "gives by chained sub-ranges, of one load and of two, what all blocks give",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf());
      await using second = await backend.load(twins.model, { start: 1, end: 4 }, AUTO, signal);
      const step = inputOf(2, 9);
      const wanted = await twins.plain.forward(step, ALL, signal);
      for (const at of [1, 2, 3]) {
        const front = { start: 0, end: at }, back = { start: at, end: 4 };
        const middle = await twins.blocks.forward(step, front, signal);
        const end = await second.forward({ input: { ...step.input, data: middle } }, back, signal);
        assertNear(end, wanted, ORDER, { what: `0 to ${at}` });
        await using a = await twins.blocks.openCache({ range: front, batch: 2, capacity: 9 }, signal);
        await using b = await second.openCache({ range: back, batch: 2, capacity: 9 }, signal);
        const passed = await inParts(twins.blocks, a, step, [4, 5]);
        const stepped = await inParts(second, b, { input: { ...step.input, data: passed } }, [4, 5]);
        assertNear(stepped, wanted, ORDER, { what: `steps 0 to ${at}` });
      }
    },
  },
  {
    name: "adds prompts to the first tokens of each block's input, over rows, chunks and sub-ranges",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf());
      const { blocks } = twins;
      const range = { start: 1, end: 3 };
      for (const [batch, tokens, promptTokens] of [[1, 5, 2], [2, 4, 4], [2, 150, 70], [2, 3, 0]] as const) {
        const prompts = { tokens: promptTokens, data: numbers(2 * batch * promptTokens * HIDDEN, 3) };
        const step = { ...inputOf(batch, tokens), prompts };
        const wanted = await withPrompts(twins.plain, step, range);
        assertNear(await blocks.forward(step, range, signal), wanted, ORDER, { what: "forward" });
        await using cache = await blocks.openCache({ range, batch, capacity: tokens + 6 }, signal);
        assertNear(await blocks.step(step, cache, signal), wanted, ORDER, { what: "step" });
        await using later = await blocks.openCache({ range, batch, capacity: tokens + 6 }, signal);
        await using same = await twins.plain.openCache({ range, batch, capacity: tokens + 6 }, signal);
        for (const part of [inputOf(batch, 6, 9), step]) {
          const out = await blocks.step(part, later, signal);
          assertNear(out, await twins.plain.step(part, same, signal), ORDER, { what: "a later step" });
        }
      }
    },
  },
  {
    name: "continues rows where others were, then rewinds and goes another way",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf());
      await using cache = await twins.blocks.openCache({ range: ALL, batch: 3, capacity: 12 }, signal);
      const steps: readonly CacheStep[] = [
        inputOf(3, 6, 1),
        { ...inputOf(3, 1, 2), rows: [2, 0, 0] },
        { ...inputOf(3, 2, 3), rows: [0, 1, 2] },
        { ...inputOf(3, 3, 4), rows: [1, 2, 0], rewindTo: 5 },
        { ...inputOf(3, 0), rows: [1, 1, 1], rewindTo: 7 },
        inputOf(3, 5, 5),
      ];
      let rows: readonly (readonly number[])[] = [[], [], []];
      for (const [i, step] of steps.entries()) {
        rows = rowsAfter(rows, step);
        const out = await twins.blocks.step(step, cache, signal);
        assertEquals(cache.length, rows[0]!.length / HIDDEN);
        const size = step.input.tokens * HIDDEN;
        for (const [index, row] of rows.entries()) {
          const input = { ...step.input, batch: 1, tokens: cache.length, data: Float32Array.from(row) };
          const whole = await twins.plain.forward({ input }, ALL, signal);
          const wanted = whole.slice(whole.length - size);
          assertNear(rowOfValues(out, 3, index), wanted, ORDER, { what: `step ${i}, row ${index}` });
        }
      }
    },
  },
  {
    name: "gives the same to the last bit when a step is rewound and done again",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf());
      await using cache = await twins.blocks.openCache({ range: ALL, batch: 2, capacity: 16 }, signal);
      await twins.blocks.step(inputOf(2, 6, 1), cache, signal);
      const once = await twins.blocks.step(inputOf(2, 3, 2), cache, signal);
      await twins.blocks.step(inputOf(2, 5, 3), cache, signal);
      assertEquals(await twins.blocks.step({ ...inputOf(2, 3, 2), rewindTo: 6 }, cache, signal), once);
      assertEquals(cache.length, 9);
    },
  },
  {
    name: "keeps sessions apart whose steps are asked for all at once",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf());
      await using caches = new AsyncDisposableStack();
      const ranges = [ALL, { start: 1, end: 2 }, ALL, { start: 2, end: 4 }];
      const sessions = [];
      for (const [i, range] of ranges.entries()) {
        const size = { range, batch: 1 + i % 2, capacity: 9 };
        const cache = caches.use(await twins.blocks.openCache(size, signal));
        const step = inputOf(size.batch, 9, 20 + i);
        sessions.push({ cache, step, wanted: await twins.plain.forward(step, range, signal) });
      }
      const outs = await Promise.all(
        sessions.map(async ({ cache, step }) => {
          const cuts = [[0, 4], [4, 5], [5, 9]] as const;
          const parts = await Promise.all(
            cuts.map(([from, to]) => twins.blocks.step(tokensOf(step, from, to), cache, signal)),
          );
          return joined(parts, step.input.batch);
        }),
      );
      for (const [i, { wanted }] of sessions.entries()) {
        assertNear(outs[i]!, wanted, ORDER, { what: `session ${i}` });
      }
    },
  },
  {
    name: "goes on for others beside one whose input is no number",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf());
      const { blocks } = twins;
      const step = inputOf(2, 5);
      const wanted = await twins.plain.forward(step, ALL, signal);
      await using bad = await blocks.openCache({ range: ALL, batch: 2, capacity: 6 }, signal);
      await using good = await blocks.openCache({ range: ALL, batch: 2, capacity: 6 }, signal);
      const data = step.input.data.slice();
      data.set([NaN, Infinity, -Infinity, 3e38], 3);
      const mixed = { input: { ...step.input, data } };
      for (const out of [await blocks.step(mixed, bad, signal), await blocks.forward(mixed, ALL, signal)]) {
        assert(Number.isNaN(out[3]));
        assertNear(rowOfValues(out, 2, 1), rowOfValues(wanted, 2, 1), ORDER, { what: "the other row" });
      }
      assertNear(await blocks.step(step, good, signal), wanted, ORDER, { what: "the other session" });
      assertNear(await blocks.forward(step, ALL, signal), wanted, ORDER, { what: "a later call" });
      const again = await blocks.step({ ...step, rewindTo: 0 }, bad, signal);
      assertNear(again, wanted, ORDER, { what: "the same session, rewound" });
    },
  },
  {
    name: "refuses what does not fit and leaves the session as it was",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf(), { start: 1, end: 4 });
      const { blocks } = twins;
      const range = { start: 1, end: 3 };
      await using cache = await blocks.openCache({ range, batch: 2, capacity: 8 }, signal);
      await using same = await twins.plain.openCache({ range, batch: 2, capacity: 8 }, signal);
      for (const [of, its] of [[blocks, cache], [twins.plain, same]] as const) {
        await of.step(inputOf(2, 3), its, signal);
      }
      const one = inputOf(2, 1);
      const refused: readonly CacheStep[] = [
        inputOf(2, 6),
        inputOf(1, 1),
        inputOf(2, 1, 1, 32),
        { ...one, rewindTo: 4 },
        { ...one, rewindTo: -1 },
        { ...one, rewindTo: 0.5 },
        { ...one, rows: [0] },
        { ...one, rows: [0, 2] },
        { ...inputOf(2, 6), rewindTo: 3, rows: [1, 0] },
        { ...one, prompts: { tokens: 2, data: numbers(2 * 2 * 2 * HIDDEN, 1) } },
        { ...one, prompts: { tokens: 1, data: numbers(3 * 2 * HIDDEN, 1) } },
        { input: { ...one.input, tokens: 2 } },
      ];
      for (const step of refused) await assertRejects(() => blocks.step(step, cache, signal), RangeError);
      assertEquals(cache.length, 3);
      const next = inputOf(2, 5, 9);
      const wanted = await twins.plain.step(next, same, signal);
      assertNear(await blocks.step(next, cache, signal), wanted, ORDER);
    },
  },
  {
    name: "refuses blocks that are not loaded or not there, and caches of no size",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf(), { start: 1, end: 4 });
      const { blocks, model } = twins;
      for (const range of [ALL, { start: 2, end: 2 }, { start: 3, end: 5 }]) {
        await assertRejects(() => blocks.forward(inputOf(1, 1), range, signal), RangeError);
        await assertRejects(() => blocks.openCache({ range, batch: 1, capacity: 1 }, signal), RangeError);
      }
      for (const range of [{ start: 0, end: 5 }, { start: -1, end: 2 }, { start: 2, end: 2 }]) {
        await assertRejects(() => backend.load(model, range, AUTO, signal), RangeError);
      }
      const { range } = blocks;
      for (const [batch, capacity] of [[0, 1], [1, -1], [1.5, 1], [1, 0.5]] as const) {
        await assertRejects(() => blocks.openCache({ range, batch, capacity }, signal), RangeError);
      }
      await using empty = await blocks.openCache({ range, batch: 1, capacity: 0 }, signal);
      assertEquals(await blocks.step(inputOf(1, 0), empty, signal), new Float32Array(0));
    },
  },
  {
    name: "says which tensor is missing",
    async run(backend) {
      await using opened = await openGguf();
      const { model } = opened;
      const without = (name: string) => {
        const tensors = new Map(model.tensors);
        tensors.delete(name);
        return withTensors(model, tensors);
      };
      for (const name of ["blk.2.ffn_up.weight", "output_norm.weight"]) {
        const error = await assertRejects(
          () =>
            name.startsWith("blk")
              ? backend.load(without(name), ALL, AUTO, signal)
              : backend.loadHead(without(name), AUTO, signal),
          NodeError,
          name,
        );
        assertEquals(error.code, "not_found");
      }
    },
  },
  {
    name: "does nothing for a caller who has left, and goes on for others",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf());
      const { blocks } = twins;
      await using cache = await blocks.openCache({ range: ALL, batch: 1, capacity: 600 }, signal);
      const left = new AbortController();
      const long = blocks.step(inputOf(1, 600), cache, left.signal);
      left.abort(new NodeError("aborted", "gone"));
      await assertRejects(() => long, NodeError, "gone");
      const step = inputOf(1, 4);
      const wanted = await twins.plain.forward(step, ALL, signal);
      assertNear(await blocks.step(step, cache, signal), wanted, ORDER);
      assertEquals(cache.length, 4);
    },
  },
  {
    name: "lets other sessions have their turn inside a long step",
    async run(backend) {
      await using twins = await loadTwins(backend, await openGguf({ blocks: 1 }), { start: 0, end: 1 });
      const { blocks } = twins;
      // a busy machine may be late with the short step: then a longer one is under way when it comes
      for (const tokens of [700, 2800, 11200]) {
        await using long = await blocks.openCache(
          { range: blocks.range, batch: 1, capacity: tokens },
          signal,
        );
        await using short = await blocks.openCache({ range: blocks.range, batch: 1, capacity: 4 }, signal);
        const order: string[] = [];
        await Promise.all([
          blocks.step(inputOf(1, tokens), long, signal).then(() => order.push("long")),
          blocks.step(inputOf(1, 1), short, signal).then(() => order.push("short")),
        ]);
        if (order[0] === "short") return;
      }
      throw new Error("No other session had its turn inside any of the long steps");
    },
  },
  {
    name: "is of no use any more once it was unloaded",
    async run(backend) {
      await using opened = await openGguf();
      const blocks = await backend.load(opened.model, ALL, AUTO, signal);
      const size = { range: ALL, batch: 1, capacity: 4 };
      const cache = await blocks.openCache(size, signal);
      const other = await blocks.openCache(size, signal);
      await other[Symbol.asyncDispose]();
      await assertRejects(() => blocks.step(inputOf(1, 1), other, signal), TypeError);
      await blocks[Symbol.asyncDispose]();
      await blocks[Symbol.asyncDispose]();
      await cache[Symbol.asyncDispose]();
      await assertRejects(() => blocks.step(inputOf(1, 1), cache, signal), TypeError);
      await assertRejects(() => blocks.forward(inputOf(1, 1), ALL, signal), TypeError);
      await assertRejects(() => blocks.openCache(size, signal), TypeError);
    },
  },
  {
    name: "gives back the memory of sessions",
    async run(backend) {
      await using opened = await openGguf();
      await using blocks = await backend.load(opened.model, ALL, AUTO, signal);
      const session = async () => {
        await using cache = await blocks.openCache({ range: ALL, batch: 2, capacity: 8000 }, signal);
        await blocks.step(inputOf(2, 2), cache, signal);
        // arrays of other sessions are to be freed before their memory is asked for again, as between requests
        await new Promise((resolve) => setTimeout(resolve));
      };
      for (let i = 0; i < 5; i++) await session();
      const before = Deno.memoryUsage().rss;
      for (let i = 0; i < 50; i++) await session();
      const grown = Deno.memoryUsage().rss - before;
      // one session has 16 MB: a leak would take 800, and so may holes where malloc is not lean (compute/lean_malloc)
      assert(grown < 200e6, `grown by ${grown} bytes`);
    },
  },
];
