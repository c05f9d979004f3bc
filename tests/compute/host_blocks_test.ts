import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { Lane } from "../../src/base/lane.ts";
import type { CacheStep } from "../../src/compute/backend.ts";
import { type BlockKernel, HostBlocks, type Place } from "../../src/compute/host_blocks.ts";
import { HostCache } from "../../src/compute/host_cache.ts";
import type { Architecture } from "../../src/model/source.ts";

const signal = new AbortController().signal;
const HIDDEN = 2;
const ARCHITECTURE = { hiddenSize: HIDDEN, kvHeads: 1, headDim: 1 } as Architecture;

/** Adds 1 at every block, remembers the first value of each token, notes what it was asked, and can be held up. */
class FakeKernel implements BlockKernel {
  readonly asked: (Place & { readonly block: number })[] = [];
  gate: Promise<void> = Promise.resolve();
  freed = 0;

  async compute(...[block, hidden, place, memory]: Parameters<BlockKernel["compute"]>) {
    this.asked.push({ block, ...place });
    await this.gate;
    const { batch, tokens, position } = place;
    for (let row = 0; row < batch; row++) {
      for (let token = 0; token < tokens; token++) {
        memory.keys[(position + token) * batch + row] = hidden[(row * tokens + token) * HIDDEN]!;
      }
    }
    return hidden.map((value) => value + 1);
  }

  free() {
    this.freed++;
    return Promise.resolve();
  }
}

function open(availableBytes = Infinity) {
  const kernel = new FakeKernel();
  const blocks = new HostBlocks({
    engine: "reference",
    device: "fake",
    architecture: ARCHITECTURE,
    range: { start: 3, end: 6 },
    dtype: "float32",
    weightBytes: 0,
    kernel,
    lane: new Lane(),
    availableBytes: () => availableBytes,
  });
  return { kernel, blocks };
}

const openCache = async (blocks: HostBlocks, batch: number, capacity: number) =>
  await blocks.openCache({ range: { start: 4, end: 6 }, batch, capacity }, signal) as HostCache;

/** `[batch, tokens, 2]` counting up from `first`. */
const stepOf = (batch: number, tokens: number, first = 0): CacheStep => ({
  input: {
    batch,
    tokens,
    hidden: HIDDEN,
    data: Float32Array.from({ length: batch * tokens * HIDDEN }, (_, i) => first + i),
  },
});

Deno.test("HostBlocks cuts a long step into chunks of 128 tokens over all rows and puts them together", async () => {
  const { kernel, blocks } = open();
  await using cache = await openCache(blocks, 2, 200);
  const step = stepOf(2, 150);
  const before = step.input.data.slice();
  const out = await blocks.step(step, cache, signal);
  assertEquals(out, before.map((value) => value + 2));
  assertEquals(step.input.data, before);
  assertEquals(kernel.asked, [
    { block: 1, batch: 2, tokens: 64, position: 0 },
    { block: 2, batch: 2, tokens: 64, position: 0 },
    { block: 1, batch: 2, tokens: 64, position: 64 },
    { block: 2, batch: 2, tokens: 64, position: 64 },
    { block: 1, batch: 2, tokens: 22, position: 128 },
    { block: 2, batch: 2, tokens: 22, position: 128 },
  ]);
  assertEquals(cache.length, 150);
});

Deno.test("HostBlocks adds each block's prompts to the first tokens of each row, over chunks", async () => {
  const { blocks } = open();
  const step = stepOf(2, 100);
  const size = 2 * 80 * HIDDEN;
  const data = Float32Array.from({ length: 2 * size }, (_, i) => i < size ? 1000 : 50_000);
  const range = { start: 3, end: 5 };
  const out = await blocks.forward({ ...step, prompts: { tokens: 80, data } }, range, signal);
  const wanted = step.input.data.map((value, i) =>
    value + 2 + (i % (100 * HIDDEN) < 80 * HIDDEN ? 51_000 : 0)
  );
  assertEquals(out, wanted);
});

Deno.test("HostBlocks rewinds, then reorders rows of what is left, then computes", async () => {
  const { kernel, blocks } = open();
  await using cache = await openCache(blocks, 3, 8);
  await blocks.step(stepOf(3, 4), cache, signal);
  const keys = cache.blocks[0]!.keys;
  assertEquals(keys.slice(0, 12), Float32Array.of(0, 8, 16, 2, 10, 18, 4, 12, 20, 6, 14, 22));
  await blocks.step({ ...stepOf(3, 1, 100), rewindTo: 2, rows: [2, 0, 0] }, cache, signal);
  assertEquals(keys.slice(0, 9), Float32Array.of(16, 0, 0, 18, 2, 2, 100, 102, 104));
  assertEquals([cache.length, kernel.asked.at(-1)!.position], [3, 2]);
});

Deno.test("HostBlocks gives memory back when a session ends, after what still computes with it", async () => {
  const { kernel, blocks } = open();
  const cache = await openCache(blocks, 1, 8);
  const { promise, resolve } = Promise.withResolvers<void>();
  kernel.gate = promise;
  const left = new AbortController();
  const step = blocks.step(stepOf(1, 1), cache, left.signal);
  while (kernel.asked.length === 0) await Promise.resolve();
  left.abort(new NodeError("aborted", "gone"));
  await assertRejects(() => step, NodeError, "gone");
  const closing = cache[Symbol.asyncDispose]();
  for (let i = 0; i < 50; i++) await Promise.resolve();
  assertEquals(cache.blocks[0]!.keys.length, 8);
  resolve();
  await closing;
  assertEquals(cache.blocks.map(({ keys, values }) => keys.length + values.length), [0, 0]);
  assertEquals(kernel.asked.length, 1);
  assertEquals(cache.length, 0);
});

Deno.test("HostBlocks frees the weights once, after all sessions", async () => {
  const { kernel, blocks } = open();
  const cache = await openCache(blocks, 1, 8);
  const step = blocks.step(stepOf(1, 4), cache, signal);
  const closing = blocks[Symbol.asyncDispose]();
  await assertRejects(() => step, TypeError);
  await closing;
  await blocks[Symbol.asyncDispose]();
  assertEquals([kernel.freed, cache.disposed, cache.blocks[0]!.keys.length], [1, true, 0]);
});

Deno.test("HostBlocks opens no session that does not fit", async () => {
  const { blocks } = open(1000);
  assertEquals(blocks.cacheBytesPerToken, 8);
  await using _fits = await openCache(blocks, 2, 31);
  const error = await assertRejects(() => openCache(blocks, 2, 32), NodeError);
  assertEquals(error.code, "no_memory");
  assert(error.message.includes("2 × 32 tokens"), error.message);
});

Deno.test("HostCache says so where the memory is not there in one piece", async () => {
  const { blocks } = open();
  const error = await assertRejects(() => openCache(blocks, 1, 2 ** 40), NodeError);
  assertEquals(error.code, "no_memory");
});
