import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { BlockRange } from "../../src/base/tensor.ts";
import type { BlockStep, LoadedBlocks, LoadOptions } from "../../src/compute/backend.ts";
import { dequantize } from "../../src/model/dequantize.ts";
import { openModel } from "../../src/model/open_model.ts";
import type { ModelSource, TensorInfo, WeightFormat } from "../../src/model/source.ts";
import { ggml, GGML_FOLDER, noGgml, openTestGgml } from "../support/native_ggml.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import {
  randomNumbers,
  type TinyCheckpointOptions,
  type TinyGgufOptions,
  writeTinyCheckpoint,
  writeTinyGguf,
} from "../support/tiny_model.ts";

const signal = new AbortController().signal;
const HIDDEN = 64;
const ALL: BlockRange = { start: 0, end: 4 };
const EXACT: LoadOptions = { dtype: "auto", threads: 1 };

/** A test that is left out, with the reason in its name, where ggml cannot run. */
function ggmlTest(name: string, body: () => Promise<void>): void {
  Deno.test({
    name: noGgml === undefined ? `ggml ${name}` : `ggml ${name} (left out: ${noGgml})`,
    ignore: noGgml !== undefined,
    fn: body,
  });
}

/** Opens a tiny GGUF. Dispose to delete it. */
async function openTiny(options: TinyGgufOptions = {}): Promise<ModelSource> {
  const folder = await temporaryFolder();
  await writeTinyGguf(`${folder.path}/tiny.gguf`, options);
  return owning(await openModel(`${folder.path}/tiny.gguf`, signal), folder);
}

async function openTinyCheckpoint(options: TinyCheckpointOptions = {}): Promise<ModelSource> {
  const folder = await temporaryFolder();
  await writeTinyCheckpoint(`${folder.path}/tiny`, options);
  return owning(await openModel(`${folder.path}/tiny`, signal), folder);
}

function owning(model: ModelSource, folder: AsyncDisposable): ModelSource {
  const parts = new AsyncDisposableStack();
  parts.use(folder);
  parts.use(model);
  return {
    id: model.id,
    path: model.path,
    architecture: model.architecture,
    tensors: model.tensors,
    read: (name, signal) => model.read(name, signal),
    readRows: (name, start, end, signal) => model.readRows(name, start, end, signal),
    tokenizer: (signal) => model.tokenizer(signal),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** The same model with every weight expanded to single precision. */
function expanded(model: ModelSource): ModelSource {
  const tensors = new Map<string, TensorInfo>();
  for (const [name, info] of model.tensors) {
    tensors.set(name, { ...info, format: "F32", bytes: 4 * info.shape.reduce((a, b) => a * b, 1) });
  }
  return {
    ...model,
    tensors,
    async read(name, signal) {
      const values = dequantize(model.tensors.get(name)!.format, await model.read(name, signal)).slice();
      return new Uint8Array(values.buffer);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function values(count: number, seed = 7): Float32Array<ArrayBuffer> {
  const next = randomNumbers(seed);
  return Float32Array.from({ length: count }, next);
}

const inputOf = (batch: number, tokens: number, seed = 7, hidden = HIDDEN): BlockStep => ({
  input: { batch, tokens, hidden, data: values(batch * tokens * hidden, seed) },
});

function largestDifference(a: Float32Array, b: Float32Array): number {
  assertEquals(a.length, b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  assert(!Number.isNaN(a.reduce((sum, value) => sum + value, 0)));
  return largest;
}

/** Relative distance, as one number over all values. */
function relative(a: Float32Array, b: Float32Array): number {
  assertEquals(a.length, b.length);
  let difference = 0, size = 0;
  for (let i = 0; i < a.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

const row = (data: Float32Array<ArrayBuffer>, batch: number, index: number) =>
  data.subarray(index * data.length / batch, (index + 1) * data.length / batch);

const loadTiny = (model: ModelSource, range = ALL, options = EXACT): Promise<LoadedBlocks> =>
  ggml.load(model, range, options, signal);

ggmlTest("gives the same by two spans as by one", async () => {
  await using model = await openTiny();
  await using whole = await loadTiny(model);
  await using second = await loadTiny(model, { start: 2, end: 4 });
  const step = inputOf(1, 9);
  const middle = await whole.forward(step, { start: 0, end: 2 }, signal);
  const end = await second.forward(
    { input: { ...step.input, data: middle } },
    { start: 2, end: 4 },
    signal,
  );
  assertEquals(largestDifference(end, await whole.forward(step, ALL, signal)), 0);
});

ggmlTest("gives the same in steps as at once, also beyond one chunk", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model);
  const tokens = 300;
  const step = inputOf(1, tokens);
  const whole = await blocks.forward(step, ALL, signal);
  await using cache = await blocks.openCache({ range: ALL, batch: 1, capacity: tokens }, signal);
  const parts: number[] = [];
  for (const [from, to] of [[0, 1], [1, 2], [2, 2], [2, 140], [140, 290], [290, 299], [299, 300]] as const) {
    const data = step.input.data.slice(from * HIDDEN, to * HIDDEN);
    const out = await blocks.step({ input: { ...step.input, tokens: to - from, data } }, cache, signal);
    parts.push(...out);
    assertEquals(cache.length, to);
  }
  assert(largestDifference(Float32Array.from(parts), whole) < 1e-5);
});

ggmlTest("computes the rows of a batch as it computes each alone", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model);
  for (const [batch, tokens] of [[3, 1], [5, 40], [2, 200], [140, 1]] as const) {
    await using cache = await blocks.openCache({ range: ALL, batch, capacity: tokens + 1 }, signal);
    const first = inputOf(batch, tokens, 1), next = inputOf(batch, 1, 2);
    const outs = [await blocks.step(first, cache, signal), await blocks.step(next, cache, signal)];
    assert(largestDifference(outs[0]!, await blocks.forward(first, ALL, signal)) < 1e-5);
    for (const index of [0, batch - 1]) {
      await using alone = await blocks.openCache({ range: ALL, batch: 1, capacity: tokens + 1 }, signal);
      for (const [i, step] of [first, next].entries()) {
        const input = { ...step.input, batch: 1, data: row(step.input.data, batch, index) };
        const out = await blocks.step({ input }, alone, signal);
        assert(
          largestDifference(row(outs[i]!, batch, index), out) < 1e-5,
          `${batch} × ${tokens}, row ${index}`,
        );
      }
    }
  }
});

ggmlTest("forgets what is rewound, to the last bit", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model);
  await using cache = await blocks.openCache({ range: ALL, batch: 2, capacity: 16 }, signal);
  await blocks.step(inputOf(2, 6, 1), cache, signal);
  const once = await blocks.step(inputOf(2, 3, 2), cache, signal);
  await blocks.step(inputOf(2, 5, 3), cache, signal);
  assertEquals(
    largestDifference(await blocks.step({ ...inputOf(2, 3, 2), rewindTo: 6 }, cache, signal), once),
    0,
  );
  await blocks.step({ ...inputOf(2, 0), rewindTo: 4 }, cache, signal);
  assertEquals(cache.length, 4);
});

ggmlTest("continues rows where others were", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model);
  await using cache = await blocks.openCache({ range: ALL, batch: 3, capacity: 16 }, signal);
  const prefix = inputOf(3, 6, 1), next = inputOf(3, 1, 2);
  await blocks.step(prefix, cache, signal);
  const rows = [2, 0, 0];
  const out = await blocks.step({ ...next, rows }, cache, signal);
  for (const [index, from] of rows.entries()) {
    await using alone = await blocks.openCache({ range: ALL, batch: 1, capacity: 16 }, signal);
    await blocks.step(
      { input: { ...prefix.input, batch: 1, data: row(prefix.input.data, 3, from) } },
      alone,
      signal,
    );
    const input = { ...next.input, batch: 1, data: row(next.input.data, 3, index) };
    assert(largestDifference(row(out, 3, index), await blocks.step({ input }, alone, signal)) < 1e-5);
  }
});

ggmlTest("adds prompts to the first tokens of each block's input, over chunks and rows", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model);
  for (const [batch, tokens, promptTokens] of [[1, 5, 2], [2, 4, 4], [2, 160, 140], [130, 1, 1]] as const) {
    const step = inputOf(batch, tokens);
    const prompts = { tokens: promptTokens, data: values(4 * batch * promptTokens * HIDDEN, 3) };
    let by = step.input.data;
    for (let block = 0; block < 4; block++) {
      const data = by.slice();
      for (let r = 0; r < batch; r++) {
        for (let i = 0; i < promptTokens * HIDDEN; i++) {
          data[r * tokens * HIDDEN + i]! += prompts.data[(block * batch + r) * promptTokens * HIDDEN + i]!;
        }
      }
      by = await blocks.forward({ input: { ...step.input, data } }, { start: block, end: block + 1 }, signal);
    }
    assert(largestDifference(await blocks.forward({ ...step, prompts }, ALL, signal), by) < 1e-5);
    await using cache = await blocks.openCache({ range: ALL, batch, capacity: tokens }, signal);
    assert(largestDifference(await blocks.step({ ...step, prompts }, cache, signal), by) < 1e-5);
  }
});

ggmlTest("refuses what does not fit and leaves the cache as it was", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model, { start: 1, end: 4 });
  const range = { start: 1, end: 3 };
  await using cache = await blocks.openCache({ range, batch: 2, capacity: 8 }, signal);
  await blocks.step(inputOf(2, 3), cache, signal);
  const refused = [
    inputOf(2, 6),
    inputOf(1, 1),
    inputOf(2, 1, 1, 32),
    { ...inputOf(2, 1), rewindTo: 4 },
    { ...inputOf(2, 1), rewindTo: -1 },
    { ...inputOf(2, 1), rewindTo: 0.5 },
    { ...inputOf(2, 1), rows: [0] },
    { ...inputOf(2, 1), rows: [0, 2] },
    { ...inputOf(2, 6), rewindTo: 3, rows: [1, 0] },
    { ...inputOf(2, 1), prompts: { tokens: 2, data: values(2 * 2 * 2 * HIDDEN) } },
    { ...inputOf(2, 1), prompts: { tokens: 1, data: values(3 * 2 * HIDDEN) } },
    { input: { ...inputOf(2, 1).input, tokens: 2 } },
  ];
  for (const step of refused) await assertRejects(() => blocks.step(step, cache, signal), RangeError);
  assertEquals(cache.length, 3);
  const open = (size: { range: BlockRange; batch: number; capacity: number }) => () =>
    blocks.openCache(size, signal);
  await assertRejects(open({ range: ALL, batch: 1, capacity: 1 }), RangeError);
  await assertRejects(open({ range, batch: 0, capacity: 1 }), RangeError);
  await assertRejects(open({ range, batch: 1, capacity: -1 }), RangeError);
  await assertRejects(() => blocks.forward(inputOf(1, 1), ALL, signal), RangeError);
});

ggmlTest("does nothing for a caller who has left, and goes on for others", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model);
  await using cache = await blocks.openCache({ range: ALL, batch: 1, capacity: 600 }, signal);
  const left = new AbortController();
  const long = blocks.step(inputOf(1, 600), cache, left.signal);
  left.abort(new NodeError("aborted", "gone"));
  await assertRejects(() => long, NodeError, "gone");
  const expected = await blocks.forward(inputOf(1, 4), ALL, signal);
  assert(largestDifference(await blocks.step(inputOf(1, 4), cache, signal), expected) < 1e-5);
  assertEquals(cache.length, 4);
});

ggmlTest("hears of callers who leave between short steps of others", async () => {
  await using model = await openTiny();
  await using blocks = await ggml.load(model, ALL, EXACT, signal);
  // as many as a busy machine needs to set off a timer: were all computed at once, none would be left
  const size = { range: ALL, batch: 1, capacity: 250 };
  const caches = await Promise.all(Array.from({ length: 20 }, () => blocks.openCache(size, signal)));
  const left = new AbortController();
  setTimeout(() => left.abort(new NodeError("aborted", "gone")));
  const steps = await Promise.allSettled(
    caches.flatMap((cache) =>
      Array.from({ length: size.capacity }, () => blocks.step(inputOf(1, 1), cache, left.signal))
    ),
  );
  assert(steps.some(({ status }) => status === "rejected"));
  await Promise.all(caches.map((cache) => cache[Symbol.asyncDispose]()));
});

ggmlTest("lets other sessions have their turn inside a long step", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model);
  await using long = await blocks.openCache({ range: ALL, batch: 1, capacity: 2000 }, signal);
  await using short = await blocks.openCache({ range: ALL, batch: 1, capacity: 4 }, signal);
  const order: string[] = [];
  await Promise.all([
    blocks.step(inputOf(1, 2000), long, signal).then(() => order.push("long")),
    blocks.step(inputOf(1, 1), short, signal).then(() => order.push("short")),
  ]);
  assertEquals(order, ["short", "long"]);
});

/** Distance of 8-bit activations and coarser products from single precision. */
const TOLERANCE: Readonly<Record<WeightFormat, number>> = {
  F32: 1e-5,
  F16: 3e-3,
  BF16: 2e-2,
  Q8_0: 5e-2,
  Q4_0: 5e-2,
  Q4_1: 5e-2,
  Q5_0: 5e-2,
  Q5_1: 5e-2,
  Q4_K: 1e-1,
  Q5_K: 1e-1,
  Q6_K: 1e-1,
};

for (const [format, tolerance] of Object.entries(TOLERANCE) as [WeightFormat, number][]) {
  ggmlTest(`computes ${format} weights near their single precision`, async () => {
    await using model = await openTiny({ format, hidden: 256, ffn: 512, heads: 8, kvHeads: 2, blocks: 2 });
    const range = { start: 0, end: 2 };
    await using blocks = await loadTiny(model, range);
    await using plain = await loadTiny(expanded(model), range);
    const step = inputOf(2, 20, 5, 256);
    const distance = relative(
      await blocks.forward(step, range, signal),
      await plain.forward(step, range, signal),
    );
    assert(distance < tolerance, `${distance} of ${tolerance}`);
    assertEquals(blocks.dtype, format === "F32" ? "float32" : format === "BF16" ? "bfloat16" : "float16");
    assertEquals(blocks.cacheBytesPerToken, 2 * 64 * (format === "F32" ? 4 : 2));
  });
}

// Kernels for several columns add in other orders: those of other processors, and of Q4_K where it is repacked
const apartTest = Deno.build.arch === "x86_64" ? ggmlTest : () => {};
for (const format of ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q8_0", "Q6_K"] as const) {
  apartTest(`computes 2 to 9 positions of ${format} as one after another, bit by bit`, async () => {
    await using model = await openTiny({ hidden: 256, ffn: 512, format });
    await using blocks = await ggml.load(model, ALL, EXACT, signal);
    await using head = await ggml.loadHead(model, EXACT, signal);
    await using cache = await blocks.openCache({ range: ALL, batch: 1, capacity: 40 }, signal);
    const data = values(29 * 256);
    const step = (start: number, end: number) =>
      blocks.step(
        {
          input: { batch: 1, tokens: end - start, hidden: 256, data: data.slice(start * 256, end * 256) },
          rewindTo: start,
        },
        cache,
        signal,
      );
    await step(0, 20);
    const alone = [];
    for (let at = 20; at < 29; at++) alone.push(await step(at, at + 1));
    const states = Float32Array.from(alone.flatMap((state) => [...state]));
    const scores = [];
    for (const state of alone) scores.push(...await head.logits(state, 1, signal));
    for (const width of [2, 3, 8, 9]) {
      assertEquals(await step(20, 20 + width), states.slice(0, width * 256), `${width}`);
      const several = await head.logits(states.slice(0, width * 256), width, signal);
      assertEquals(several, Float32Array.from(scores.slice(0, several.length)), `head ${width}`);
    }
  });
}

ggmlTest("with dtype f32 computes half precision checkpoints as exactly as single precision", async () => {
  for (const dtype of ["F16", "BF16"] as const) {
    await using model = await openTinyCheckpoint({ dtype });
    await using blocks = await loadTiny(model, ALL, { dtype: "f32", threads: 1 });
    await using plain = await loadTiny(expanded(model));
    const step = inputOf(1, 20);
    assertEquals(
      largestDifference(await blocks.forward(step, ALL, signal), await plain.forward(step, ALL, signal)),
      0,
    );
    assertEquals(blocks.dtype, "float32");
    assertEquals(blocks.weightBytes, plain.weightBytes);
  }
});

ggmlTest("with dtype f16 and bf16 holds single precision in half the bytes", async () => {
  await using model = await openTiny();
  await using plain = await loadTiny(model);
  const step = inputOf(1, 20);
  const expected = await plain.forward(step, ALL, signal);
  for (const dtype of ["f16", "bf16"] as const) {
    await using blocks = await loadTiny(model, ALL, { dtype, threads: 1 });
    assert(blocks.weightBytes < 0.6 * plain.weightBytes);
    const distance = relative(await blocks.forward(step, ALL, signal), expected);
    assert(distance > 0 && distance < (dtype === "f16" ? 3e-3 : 2e-2), `${dtype}: ${distance}`);
    assertEquals(blocks.dtype, dtype === "f16" ? "float16" : "bfloat16");
  }
});

ggmlTest("turns adjacent pairs of GGUF files and halves of checkpoints to the same end", async () => {
  await using gguf = await openTiny({ headDim: 32 });
  await using checkpoint = await openTinyCheckpoint({ headDim: 32 });
  await using a = await loadTiny(gguf);
  await using b = await loadTiny(checkpoint);
  const step = inputOf(1, 30);
  assert(
    largestDifference(await a.forward(step, ALL, signal), await b.forward(step, ALL, signal)) < 1e-5,
  );
});

ggmlTest("divides frequencies by the model's rope factors and positions by its scale", async () => {
  const step = inputOf(1, 30);
  const outputOf = async (options: TinyGgufOptions) => {
    await using model = await openTiny(options);
    await using blocks = await loadTiny(model);
    return await blocks.forward(step, ALL, signal);
  };
  const plain = await outputOf({});
  const halved = await outputOf({ ropeFactors: new Array(8).fill(2) });
  const scaled = await outputOf({
    metadata: {
      "llama.rope.scaling.type": { type: "string", value: "linear" },
      "llama.rope.scaling.factor": { type: "f32", value: 2 },
    },
  });
  assert(relative(halved, plain) > 1e-3);
  assert(largestDifference(halved, scaled) < 1e-5);
});

ggmlTest("reads embeddings and scores hidden states, as a plain product does", async () => {
  for (const tied of [false, true]) {
    await using model = await openTiny({ tied });
    await using head = await ggml.loadHead(model, EXACT, signal);
    const { vocabularySize } = model.architecture;
    const embeddings = dequantize("F32", await model.read("token_embd.weight", signal));
    const ids = [3, 0, 319, 3];
    const embedded = await head.embed(ids, signal);
    ids.forEach((id, i) => assertEquals(row(embedded, 4, i), row(embeddings, vocabularySize, id)));
    await assertRejects(() => head.embed([320], signal), RangeError);
    await assertRejects(() => head.embed([-1], signal), RangeError);
    const rows = 37;
    const hidden = values(rows * HIDDEN);
    const scores = await head.logits(hidden, rows, signal);
    const norm = dequantize("F32", await model.read("output_norm.weight", signal));
    const output = tied ? embeddings : dequantize("F32", await model.read("output.weight", signal));
    for (const r of [0, 36]) {
      const x = row(hidden, rows, r);
      const scale = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / HIDDEN + 1e-5);
      for (const id of [0, 100, 319]) {
        const weights = row(output, vocabularySize, id);
        const expected = x.reduce((sum, v, i) => sum + v * scale * norm[i]! * weights[i]!, 0);
        assert(Math.abs(scores[r * vocabularySize + id]! - expected) < 1e-4);
      }
    }
    await assertRejects(() => head.logits(hidden, 36, signal), RangeError);
  }
});

ggmlTest("loads nothing that does not fit, and says how many blocks would", async () => {
  await using model = await openTiny();
  const small = openTestGgml({ availableBytes: () => (64 << 20) + 200_000 });
  const error = await assertRejects(() => small.load(model, ALL, EXACT, signal), NodeError);
  assertEquals(error.code, "no_memory");
  assert(error.message.includes("1 of them would fit"), error.message);
  let available = 2 ** 30;
  const shrinking = openTestGgml({ availableBytes: () => available });
  await using blocks = await shrinking.load(model, ALL, EXACT, signal);
  available = 1000;
  const full = await assertRejects(
    () => blocks.openCache({ range: ALL, batch: 1, capacity: 100 }, signal),
    NodeError,
  );
  assertEquals(full.code, "no_memory");
});

ggmlTest("says which tensor is missing", async () => {
  await using model = await openTiny();
  const tensors = new Map(model.tensors);
  tensors.delete("blk.2.ffn_up.weight");
  const error = await assertRejects(() => loadTiny({ ...model, tensors }), NodeError, "blk.2.ffn_up.weight");
  assertEquals(error.code, "not_found");
});

ggmlTest("is not used after it was unloaded", async () => {
  await using model = await openTiny();
  const blocks = await loadTiny(model);
  const cache = await blocks.openCache({ range: ALL, batch: 1, capacity: 4 }, signal);
  const other = await blocks.openCache({ range: ALL, batch: 1, capacity: 4 }, signal);
  await other[Symbol.asyncDispose]();
  await assertRejects(() => blocks.step(inputOf(1, 1), other, signal), TypeError);
  await blocks[Symbol.asyncDispose]();
  await blocks[Symbol.asyncDispose]();
  await cache[Symbol.asyncDispose]();
  await assertRejects(() => blocks.step(inputOf(1, 1), cache, signal), TypeError);
  await assertRejects(() => blocks.forward(inputOf(1, 1), ALL, signal), TypeError);
  await assertRejects(() => blocks.openCache({ range: ALL, batch: 1, capacity: 4 }, signal), TypeError);
});

ggmlTest("tries threads before sessions come, and computes the same with those it chose", async () => {
  await using model = await openTiny();
  // calls come in pairs around each step: one thread takes 1 ms, two seem to take 100
  let calls = 0;
  const monotonic = () => calls++ % 2 === 0 ? 0 : calls <= 8 ? 1 : 100;
  const busy = openTestGgml({ monotonic });
  await using one = await loadTiny(model);
  await using tried = await busy.load(model, ALL, { dtype: "auto", threads: 2 }, signal);
  assertEquals(calls, 12);
  const step = inputOf(1, 20);
  assertEquals(await tried.forward(step, ALL, signal), await one.forward(step, ALL, signal));
});

ggmlTest("gives back the memory of two hundred sessions", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model);
  const first = inputOf(2, 20), next = inputOf(2, 1), tooMuch = inputOf(2, 2000);
  const session = async () => {
    await using cache = await blocks.openCache({ range: ALL, batch: 2, capacity: 2000 }, signal);
    await blocks.step(first, cache, signal);
    await blocks.step(next, cache, signal);
    await assertRejects(() => blocks.step(tooMuch, cache, signal), RangeError);
    await new Promise((resolve) => setTimeout(resolve));
  };
  for (let i = 0; i < 20; i++) await session();
  const before = Deno.memoryUsage().rss;
  for (let i = 0; i < 200; i++) await session();
  const grown = Deno.memoryUsage().rss - before;
  // one session has 4 MB: a leak would take 800
  assert(grown < 200e6, `grown by ${grown} bytes`);
});

ggmlTest("keeps graphs of the latest sessions only, and all of them go on", async () => {
  await using model = await openTiny();
  await using blocks = await loadTiny(model);
  await using caches = new AsyncDisposableStack();
  const expected = await blocks.forward(inputOf(1, 3), ALL, signal);
  const open = [];
  for (let i = 0; i < 40; i++) {
    open.push(caches.use(await blocks.openCache({ range: ALL, batch: 1, capacity: 8 }, signal)));
  }
  for (let token = 0; token < 3; token++) {
    const data = inputOf(1, 3).input.data.slice(token * HIDDEN, (token + 1) * HIDDEN);
    const outs = await Promise.all(
      open.map((cache) =>
        blocks.step({ input: { batch: 1, tokens: 1, hidden: HIDDEN, data } }, cache, signal)
      ),
    );
    for (const out of outs) assert(largestDifference(out, row(expected, 3, token)) < 1e-5);
  }
});

Deno.test("ggml says why it cannot be used, and never throws", async () => {
  const absent = openTestGgml({ folder: () => Promise.resolve("/nowhere") });
  const probe = await absent.probe();
  assert(!probe.usable && probe.reason.includes("/nowhere/libggml-base.so"), JSON.stringify(probe));
  const refused = openTestGgml({ folder: () => Promise.reject(new NodeError("denied", "Cannot write")) });
  assertEquals(await refused.probe(), { usable: false, reason: "Cannot write" });
});

ggmlTest("says what it runs on", async () => {
  const probe = await ggml.probe();
  assert(probe.usable && probe.device.length > 0);
  assertEquals(probe.version, "0.25.1");
  assert(GGML_FOLDER.endsWith("-unknown-linux-gnu"));
});
