import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { type ErrorCode, NodeError } from "../../src/base/errors.ts";
import { dequantize } from "../../src/model/dequantize.ts";
import { openModel } from "../../src/model/open_model.ts";
import { requireBlocks, requireHead } from "../../src/model/slice.ts";
import { quantize } from "../support/quantize.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import {
  ggufNameOf,
  type TinyCheckpointOptions,
  tinyWeights,
  writeTinyCheckpoint,
} from "../support/tiny_model.ts";

const signal = AbortSignal.timeout(60_000);
const ALL = { start: 0, end: 4 };

async function checkpoint(options: TinyCheckpointOptions) {
  const folder = await temporaryFolder();
  await writeTinyCheckpoint(folder.path, options);
  return folder;
}

async function architectureOf(config: Record<string, unknown>) {
  await using folder = await checkpoint({ blocks: 1, config });
  await using model = await openModel(folder.path, signal);
  return model.architecture;
}

async function refuses(config: Record<string, unknown>, code: ErrorCode, part: string): Promise<void> {
  const error = await assertRejects(() => architectureOf(config), NodeError, part);
  assertEquals(error.code, code);
}

for (const dtype of ["F32", "F16", "BF16"] as const) {
  for (const blocksPerFile of [undefined, 3]) {
    Deno.test(`openModel reads a checkpoint of ${dtype} in ${blocksPerFile ? "several files" : "one file"}`, async () => {
      await using folder = await checkpoint({ dtype, ...(blocksPerFile ? { blocksPerFile } : {}) });
      await using model = await openModel(folder.path, signal);
      requireBlocks(model, ALL);
      requireHead(model);
      assertEquals(model.architecture.rope, { base: 10000, dims: 16, pairs: "halves", scale: 1 });
      for (const [name, { data, shape }] of tinyWeights()) {
        const ggufName = ggufNameOf(name);
        assertEquals(model.tensors.get(ggufName)?.shape, shape);
        const bytes = await model.read(ggufName, signal);
        assertEquals(dequantize(dtype, bytes), dequantize(dtype, quantize(data, dtype)));
      }
    });
  }
}

Deno.test("openModel of a folder has its name for id and reads rows", async () => {
  await using folder = await checkpoint({});
  await Deno.mkdir(`${folder.path}/sub`);
  await writeTinyCheckpoint(`${folder.path}/sub/My-Llama`, {});
  await using model = await openModel(`${folder.path}/sub/My-Llama/`, signal);
  assertEquals([model.id, model.path], ["My-Llama", `${folder.path}/sub/My-Llama`]);
  const embeddings = tinyWeights().get("model.embed_tokens.weight")!;
  const rows = await model.readRows("token_embd.weight", 7, 9, signal);
  assertEquals(dequantize("F32", rows), embeddings.data.slice(7 * 64, 9 * 64));
});

Deno.test("openModel misses a file of a checkpoint only when its blocks are needed", async () => {
  await using folder = await checkpoint({ blocksPerFile: 2 });
  await Deno.remove(`${folder.path}/model-00003-of-00003.safetensors`);
  await using model = await openModel(folder.path, signal);
  requireBlocks(model, { start: 0, end: 2 });
  const error = await assertRejects(
    () => Promise.resolve().then(() => requireBlocks(model, ALL)),
    NodeError,
    "model-00003-of-00003.safetensors",
  );
  assertEquals(error.code, "not_found");
});

Deno.test("openModel knows rope_theta, llama3 and linear scaling in the old and the new form of config.json", async () => {
  const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
  const old = await architectureOf({ rope_theta: 5e5, rope_scaling: { rope_type: "llama3", ...llama3 } });
  const modern = await architectureOf({
    rope_theta: undefined,
    rope_parameters: { rope_theta: 5e5, rope_type: "llama3", ...llama3 },
  });
  assertEquals(old.rope, modern.rope);
  assertEquals([old.rope.base, old.rope.factors?.length, old.rope.factors?.at(-1)], [5e5, 8, 8]);
  const linear = await architectureOf({ rope_scaling: { type: "linear", factor: 4 } });
  assertAlmostEquals(linear.rope.scale, 0.25);
  const plain = await architectureOf({
    rope_theta: undefined,
    rope_parameters: { rope_type: "default", rope_theta: 7 },
  });
  assertEquals([plain.rope.base, plain.rope.factors], [7, undefined]);
});

Deno.test("openModel serves a model with a sliding window as far as that window", async () => {
  const config = { model_type: "mistral", max_position_embeddings: 32768, sliding_window: 4096 };
  assertEquals((await architectureOf(config)).contextLength, 4096);
  assertEquals((await architectureOf({ ...config, sliding_window: null })).contextLength, 32768);
});

Deno.test("openModel takes the window of a Qwen for off unless its file says that it is on", async () => {
  for (const model_type of ["qwen2", "qwen3"]) {
    const config = { model_type, max_position_embeddings: 32768, sliding_window: 4096 };
    assertEquals((await architectureOf(config)).contextLength, 32768);
    assertEquals((await architectureOf({ ...config, use_sliding_window: false })).contextLength, 32768);
    assertEquals((await architectureOf({ ...config, use_sliding_window: true })).contextLength, 4096);
  }
});

Deno.test("openModel reads Qwen 2 and 3, whose heads are wider than their share only where the file says so", async () => {
  const headDimOf = async (config: Record<string, unknown>) => {
    const { family, headDim, rope: { dims, pairs } } = await architectureOf({
      head_dim: undefined,
      ...config,
    });
    return [family, headDim, dims, pairs];
  };
  assertEquals(await headDimOf({ model_type: "qwen2" }), ["qwen2", 16, 16, "halves"]);
  assertEquals(await headDimOf({ model_type: "qwen3", head_dim: 32 }), ["qwen3", 32, 32, "halves"]);
  assertEquals(await headDimOf({ model_type: "qwen3" }), ["qwen3", 128, 128, "halves"]);
});

for (const family of ["qwen2", "qwen3"] as const) {
  Deno.test(`openModel finds every tensor of a checkpoint of ${family}`, async () => {
    const options = { family, headDim: 32, tied: true, blocksPerFile: 3 };
    await using folder = await checkpoint(options);
    await using model = await openModel(folder.path, signal);
    requireBlocks(model, ALL);
    requireHead(model);
    assertEquals(model.tensors.size, tinyWeights(options).size);
    for (const [name, { data, shape }] of tinyWeights(options)) {
      assertEquals(model.tensors.get(ggufNameOf(name))?.shape, shape);
      assertEquals(dequantize("F32", await model.read(ggufNameOf(name), signal)), data);
    }
  });
}

Deno.test("openModel refuses in words what it would compute wrongly", async () => {
  const unsupported = (config: Record<string, unknown>, part: string) => refuses(config, "unsupported", part);
  await unsupported({ model_type: "qwen3_moe" }, `"qwen3_moe"`);
  await unsupported({ model_type: "qwen3", attention_bias: true }, "biases");
  await unsupported({ attention_bias: true }, "biases");
  await unsupported({ mlp_bias: true }, "biases");
  await unsupported({ hidden_act: "gelu" }, `"gelu"`);
  await unsupported({ rope_scaling: { rope_type: "yarn", factor: 4 } }, `"yarn"`);
  await unsupported({ rope_scaling: { type: "dynamic", factor: 4 } }, `"dynamic"`);
  await unsupported({ quantization_config: { quant_method: "gptq" } }, `"gptq"`);
  await unsupported({ partial_rotary_factor: 0.5 }, "rotates 0.5");
});

Deno.test("openModel finds a config.json corrupt that lacks numbers or contradicts itself", async () => {
  await refuses({ hidden_size: undefined }, "corrupt", `"hidden_size"`);
  await refuses({ num_key_value_heads: 3 }, "corrupt", "cannot share 3");
  await refuses({ num_hidden_layers: 1e9 }, "corrupt", "blocks of 1000000000");
  await refuses({ rope_scaling: { rope_type: "llama3", factor: 8 } }, "corrupt", "low_freq_factor");
});

Deno.test("openModel ties the output matrix as transformers does", async () => {
  await using tied = await checkpoint({ config: { tie_word_embeddings: true } });
  await using model = await openModel(tied.path, signal);
  assertEquals(model.tensors.has("output.weight"), false);
  requireHead(model);
  await using untied = await checkpoint({ tied: true, config: { tie_word_embeddings: false } });
  await using headless = await openModel(untied.path, signal);
  const error = await assertRejects(
    () => Promise.resolve().then(() => requireHead(headless)),
    NodeError,
    "lm_head",
  );
  assertEquals(error.code, "not_found");
});

Deno.test("openModel says how to make safetensors of pickled weights", async () => {
  await using folder = await checkpoint({});
  await Deno.rename(`${folder.path}/model.safetensors`, `${folder.path}/pytorch_model.bin`);
  const error = await assertRejects(
    () => openModel(folder.path, signal),
    NodeError,
    "safe_serialization=True",
  );
  assertEquals(error.code, "unsupported");
  await Deno.remove(`${folder.path}/pytorch_model.bin`);
  assertEquals((await assertRejects(() => openModel(folder.path, signal), NodeError)).code, "not_found");
});

Deno.test("openModel never leaves the folder for a file that an index names", async () => {
  await using folder = await checkpoint({ blocksPerFile: 4 });
  for (const file of ["../other.safetensors", "/etc/passwd", "sub/a.safetensors", 7, "a.bin"]) {
    const index = { weight_map: { "model.norm.weight": file } };
    await Deno.writeTextFile(`${folder.path}/model.safetensors.index.json`, JSON.stringify(index));
    assertEquals((await assertRejects(() => openModel(folder.path, signal), NodeError)).code, "corrupt");
  }
});

Deno.test("openModel names the tensor that a cut file ends in", async () => {
  await using folder = await checkpoint({ blocks: 1 });
  const path = `${folder.path}/model.safetensors`;
  const { size } = await Deno.stat(path);
  await Deno.truncate(path, size - 1);
  const error = await assertRejects(() => openModel(folder.path, signal), NodeError, "lm_head.weight");
  assertEquals(error.code, "corrupt");
});

Deno.test("openModel tells what a path is that it cannot open", async () => {
  await using folder = await temporaryFolder();
  const code = async (path: string, part: string) =>
    (await assertRejects(() => openModel(path, signal), NodeError, part)).code;
  assertEquals(await code(folder.path, "no config.json"), "not_found");
  assertEquals(await code(`${folder.path}/nothing`, "no such file"), "not_found");
  await Deno.writeTextFile(`${folder.path}/model.safetensors`, "x");
  assertEquals(await code(`${folder.path}/model.safetensors`, "folder with config.json"), "unsupported");
  await Deno.writeTextFile(`${folder.path}/config.json`, "[1");
  assertEquals(await code(folder.path, "no JSON"), "corrupt");
});
