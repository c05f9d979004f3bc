import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ErrorCode } from "../../src/base/errors.ts";
import { NodeError } from "../../src/base/errors.ts";
import { memoryRanges } from "../../src/model/byte_ranges.ts";
import { dequantize } from "../../src/model/dequantize.ts";
import { openGguf, openGgufRanges } from "../../src/model/gguf.ts";
import { requireBlocks } from "../../src/model/slice.ts";
import { f32, type GgufValue, text, u32 } from "../support/gguf_writer.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import {
  TINY,
  tinyGgufBytes,
  type TinyGgufOptions,
  tinyWeights,
  writeTinyGguf,
} from "../support/tiny_model.ts";

const signal = AbortSignal.timeout(60_000);
const open = (options: TinyGgufOptions) =>
  openGgufRanges(memoryRanges(tinyGgufBytes(options)), "/m/tiny.gguf", signal);
const withKey = (key: string, value: GgufValue) => open({ metadata: { [key]: value } });

async function refuses(options: TinyGgufOptions, code: ErrorCode, part: string): Promise<void> {
  const error = await assertRejects(() => open(options), NodeError, part);
  assertEquals(error.code, code);
}

Deno.test("openGguf reads architecture, weights and rows of a file", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/Some-Model.Q4.gguf`;
  await writeTinyGguf(path, { ropeBase: 500000 });
  await using model = await openGguf(path, signal);
  assertEquals([model.id, model.path], ["Some-Model.Q4", path]);
  assertEquals(model.architecture, {
    family: "llama",
    blocks: 4,
    hiddenSize: 64,
    ffnSize: 96,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    normEpsilon: 1e-5,
    contextLength: 256,
    vocabularySize: 320,
    rope: { base: 500000, dims: 16, pairs: "adjacent", scale: 1 },
  });
  const down = tinyWeights({ ropeBase: 500000 }).get("model.layers.3.mlp.down_proj.weight")!;
  assertEquals(model.tensors.get("blk.3.ffn_down.weight")?.shape, [64, 96]);
  assertEquals(dequantize("F32", await model.read("blk.3.ffn_down.weight", signal)), down.data);
  const rows = await model.readRows("blk.3.ffn_down.weight", 5, 7, signal);
  assertEquals(dequantize("F32", rows), down.data.slice(5 * 96, 7 * 96));
  await assertRejects(() => model.readRows("blk.3.ffn_down.weight", 60, 65, signal), RangeError);
});

Deno.test("openGguf serves many readers of one file at once", async () => {
  await using folder = await temporaryFolder();
  await writeTinyGguf(`${folder.path}/a.gguf`);
  await using model = await openGguf(`${folder.path}/a.gguf`, signal);
  const names = [...model.tensors.keys()];
  const alone: Uint8Array[] = [];
  for (const name of names) alone.push(await model.read(name, signal));
  assertEquals(await Promise.all(names.map((name) => model.read(name, signal))), alone);
});

Deno.test("openGguf reads the rows of a quantised matrix", async () => {
  await using model = await open({ format: "Q4_1" });
  const whole = await model.read("blk.0.ffn_up.weight", signal);
  const rowBytes = 2 * 20;
  assertEquals(
    await model.readRows("blk.0.ffn_up.weight", 3, 5, signal),
    whole.slice(3 * rowBytes, 5 * rowBytes),
  );
});

Deno.test("openGguf of a file cut at any place is corrupt, never a hang", async () => {
  const whole = tinyGgufBytes({ blocks: 1 });
  for (let end = 0; end < whole.length; end += 997) {
    const ranges = memoryRanges(whole.subarray(0, end));
    const error = await assertRejects(() => openGgufRanges(ranges, "cut.gguf", signal), NodeError);
    assertEquals(error.code, "corrupt");
  }
});

Deno.test("openGguf names the tensor when the file shrinks after it was opened", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/a.gguf`;
  await writeTinyGguf(path);
  await using model = await openGguf(path, signal);
  await Deno.truncate(path, 300_000);
  const error = await assertRejects(
    () => model.read("output_norm.weight", signal),
    NodeError,
    "output_norm.weight",
  );
  assertEquals(error.code, "corrupt");
});

Deno.test("openGguf takes Llama 3's divisors from rope_freqs.weight", async () => {
  const ropeFactors = [1, 1, 1, 2, 4, 8, 8, 8];
  await using model = await open({ ropeFactors });
  assertEquals(model.architecture.rope.factors, Float32Array.from(ropeFactors));
  await refuses({ ropeFactors: [1, 2] }, "corrupt", "2 rope factors, wanted 8");
  await refuses({ ropeFactors: [1, 1, 1, 2, 4, 8, 8, NaN] }, "corrupt", "rope factor");
});

Deno.test("openGguf turns linear scaling into a scale of positions", async () => {
  await using model = await open({
    metadata: { "llama.rope.scaling.type": text("linear"), "llama.rope.scaling.factor": f32(4) },
  });
  assertEquals(model.architecture.rope.scale, 0.25);
  await using old = await withKey("llama.rope.scale_linear", f32(2));
  assertEquals(old.architecture.rope.scale, 0.5);
  await using none = await withKey("llama.rope.scaling.type", text("none"));
  assertEquals(none.architecture.rope.scale, 1);
});

Deno.test("openGguf reads Qwen 2 and 3 under their own keys, with the pairs of halves", async () => {
  const shape = { ropeBase: 1e6, blocks: 1, vocab: 320 };
  await using qwen2 = await open({ family: "qwen2", ...shape });
  const common = {
    blocks: 1,
    hiddenSize: 64,
    ffnSize: 96,
    heads: 4,
    kvHeads: 2,
    normEpsilon: 1e-5,
    contextLength: 256,
    vocabularySize: 320,
  };
  assertEquals(qwen2.architecture, {
    family: "qwen2",
    ...common,
    headDim: 16,
    rope: { base: 1e6, dims: 16, pairs: "halves", scale: 1 },
  });
  await using qwen3 = await open({ family: "qwen3", headDim: 32, ...shape });
  assertEquals(qwen3.architecture, {
    family: "qwen3",
    ...common,
    headDim: 32,
    rope: { base: 1e6, dims: 32, pairs: "halves", scale: 1 },
  });
  await refuses(
    { family: "qwen2", metadata: { "qwen2.rope.scaling.type": text("yarn") } },
    "unsupported",
    `"yarn"`,
  );
  await refuses(
    { family: "qwen3", metadata: { "qwen3.block_count": text("1") } },
    "corrupt",
    "qwen3.block_count",
  );
});

Deno.test("openGguf refuses in words what it would compute wrongly", async () => {
  const refusesKey = (key: string, value: GgufValue, part: string) =>
    refuses({ metadata: { [key]: value } }, "unsupported", part);
  await refusesKey("general.architecture", text("qwen3moe"), `"qwen3moe"`);
  await refusesKey("general.architecture", text("toString"), `"toString"`);
  await refusesKey("llama.rope.scaling.type", text("yarn"), `"yarn"`);
  await refusesKey("llama.expert_count", u32(8), "mixture of experts");
  await refusesKey("split.count", u32(3), "one of 3 parts");
  await refusesKey("llama.attention.causal", { type: "bool", value: false }, "embedding model");
  await refusesKey("llama.attention.value_length", u32(8), "wanted as many");
  await refusesKey(
    "llama.attention.head_count_kv",
    { type: "i32s", value: [2, 1] },
    "differs from block to block",
  );
});

Deno.test("openGguf finds numbers that cannot be corrupt", async () => {
  const corrupt = (key: string, value: GgufValue, part: string) =>
    refuses({ metadata: { [key]: value } }, "corrupt", part);
  await corrupt("llama.block_count", u32(0), "blocks of 0");
  await corrupt("llama.block_count", u32(4e9), "blocks of 4000000000");
  await corrupt("llama.attention.head_count", text("four"), "llama.attention.head_count");
  await corrupt("llama.attention.head_count_kv", u32(3), "cannot share 3");
  await corrupt("llama.rope.dimension_count", u32(18), "rotated dimensions");
  await corrupt("llama.rope.dimension_count", u32(7), "even number");
  await corrupt("llama.rope.freq_base", f32(NaN), "rope base");
  await corrupt("llama.attention.layer_norm_rms_epsilon", f32(-1), "norm epsilon");
});

Deno.test("openGguf minds a tensor of a format it cannot read only when that is needed", async () => {
  const data = new Uint8Array(84 * 2);
  await using model = await open({
    moreTensors: [{ name: "blk.4.ffn_up.weight", type: 10, shape: [2, 256], data }],
  });
  requireBlocks(model, { start: 0, end: TINY.blocks });
  assert(!model.tensors.has("blk.4.ffn_up.weight"));
  const error = await assertRejects(
    () => model.read("blk.4.ffn_up.weight", signal),
    NodeError,
    "stored as Q2_K",
  );
  assertEquals(error.code, "unsupported");
  const absent = await assertRejects(
    () => model.read("blk.9.ffn_up.weight", signal),
    NodeError,
    "blk.9.ffn_up.weight",
  );
  assertEquals(absent.code, "not_found");
});

Deno.test("openGguf stops when its signal aborts", async () => {
  const aborted = AbortSignal.abort(new NodeError("aborted", "Enough"));
  const ranges = memoryRanges(tinyGgufBytes());
  await assertRejects(() => openGgufRanges(ranges, "a.gguf", aborted), NodeError, "Enough");
});

Deno.test("openGguf says when there is no such file", async () => {
  const error = await assertRejects(() => openGguf("/nowhere/a.gguf", signal), NodeError, "no such file");
  assertEquals(error.code, "not_found");
});
