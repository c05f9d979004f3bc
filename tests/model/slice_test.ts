import { assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { memoryRanges } from "../../src/model/byte_ranges.ts";
import { openGgufRanges } from "../../src/model/gguf.ts";
import {
  blockBytes,
  headBytes,
  outputTensorName,
  requireBlocks,
  requireHead,
} from "../../src/model/slice.ts";
import type { TensorInfo } from "../../src/model/source.ts";
import { GGML_TYPE, u32 } from "../support/gguf_writer.ts";
import { tinyGgufBytes, type TinyGgufOptions } from "../support/tiny_model.ts";

const signal = AbortSignal.timeout(60_000);
const open = (options: TinyGgufOptions) =>
  openGgufRanges(memoryRanges(tinyGgufBytes(options)), "tiny.gguf", signal);
const ALL = { start: 0, end: 4 };

Deno.test("requireBlocks and requireHead accept a whole model, quantised or not", async () => {
  for (const format of ["F32", "Q8_0", "Q4_0"] as const) {
    await using model = await open({ format });
    requireBlocks(model, ALL);
    requireHead(model);
  }
});

Deno.test("blockBytes and headBytes count stored bytes", async () => {
  await using model = await open({ format: "Q8_0" });
  const matrices = 64 * 64 * 2 + 32 * 64 * 2 + 3 * 64 * 96;
  assertEquals(blockBytes(model, 0), (matrices / 32) * 34 + 2 * 64 * 4);
  assertEquals(headBytes(model), 2 * (320 * 64 / 32) * 34 + 64 * 4);
});

Deno.test("the output matrix of a tied model is its embedding matrix, counted once", async () => {
  await using tied = await open({ tied: true });
  assertEquals(outputTensorName(tied), "token_embd.weight");
  assertEquals(headBytes(tied), 320 * 64 * 4 + 64 * 4);
  await using apart = await open({});
  assertEquals(outputTensorName(apart), "output.weight");
});

Deno.test("requireBlocks names the first tensor that is missing or has another shape", async () => {
  await using more = await open({ metadata: { "llama.block_count": u32(5) } });
  requireBlocks(more, ALL);
  const missing = assertThrows(
    () => requireBlocks(more, { start: 3, end: 5 }),
    NodeError,
    "blk.4.attn_norm.weight",
  );
  assertEquals(missing.code, "not_found");
  await using wider = await open({ metadata: { "llama.feed_forward_length": u32(128) } });
  const shape = assertThrows(() => requireBlocks(wider, ALL), NodeError, "[96, 64], wanted [128, 64]");
  assertEquals(shape.code, "corrupt");
});

Deno.test("requireBlocks refuses biases and formats it cannot read, by the name of the tensor", async () => {
  const bias = { name: "blk.2.attn_q.bias", type: GGML_TYPE.F32, shape: [64], data: new Uint8Array(256) };
  await using biased = await open({ moreTensors: [bias] });
  requireBlocks(biased, { start: 0, end: 2 });
  assertEquals(
    assertThrows(() => requireBlocks(biased, ALL), NodeError, "blk.2.attn_q.bias").code,
    "unsupported",
  );
  const strange = { name: "blk.4.attn_norm.weight", type: 20, shape: [64], data: new Uint8Array(36) };
  await using model = await open({ metadata: { "llama.block_count": u32(5) }, moreTensors: [strange] });
  const error = assertThrows(() => requireBlocks(model, { start: 4, end: 5 }), NodeError, "stored as IQ4_NL");
  assertEquals(error.code, "unsupported");
});

Deno.test("requireBlocks wants the biases of Qwen 2 and the norms of Qwen 3, and those of no other family", async () => {
  const part = (name: string, size: number) => (
    { name, type: GGML_TYPE.F32, shape: [size], data: new Uint8Array(4 * size) }
  );
  const refused = async (options: TinyGgufOptions, name: string) => {
    await using model = await open(options);
    return assertThrows(() => requireBlocks(model, ALL), NodeError, name).code;
  };
  const more = (tensor: ReturnType<typeof part>) => ({ moreTensors: [tensor] });
  assertEquals(await refused(more(part("blk.1.attn_q_norm.weight", 16)), "attn_q_norm"), "unsupported");
  const output = more(part("blk.1.attn_output.bias", 64)), keys = more(part("blk.1.attn_k.bias", 32));
  assertEquals(await refused({ family: "qwen2", ...output }, "blk.1.attn_output.bias"), "unsupported");
  assertEquals(await refused({ family: "qwen3", ...keys }, "blk.1.attn_k.bias"), "unsupported");
  for (
    const [family, name] of [["qwen2", "blk.2.attn_v.bias"], ["qwen3", "blk.2.attn_k_norm.weight"]] as const
  ) {
    await using model = await open({ family });
    requireBlocks(model, ALL);
    (model.tensors as Map<string, TensorInfo>).delete(name);
    assertEquals(assertThrows(() => requireBlocks(model, ALL), NodeError, name).code, "not_found");
  }
});

Deno.test("requireHead refuses a bias of the output matrix", async () => {
  const bias = { name: "output.bias", type: GGML_TYPE.F32, shape: [320], data: new Uint8Array(4 * 320) };
  await using model = await open({ family: "qwen2", moreTensors: [bias] });
  assertEquals(assertThrows(() => requireHead(model), NodeError, "output.bias").code, "unsupported");
});

Deno.test("blockBytes counts the biases of Qwen 2 and the norms of Qwen 3", async () => {
  await using llama = await open({});
  await using qwen2 = await open({ family: "qwen2" });
  await using qwen3 = await open({ family: "qwen3" });
  assertEquals(blockBytes(qwen2, 0) - blockBytes(llama, 0), 4 * (64 + 32 + 32));
  assertEquals(blockBytes(qwen3, 0) - blockBytes(llama, 0), 4 * (16 + 16));
});

Deno.test("requireBlocks refuses ranges the model does not have", async () => {
  await using model = await open({});
  for (const [start, end] of [[0, 5], [2, 2], [-1, 2], [3, 1]] as const) {
    assertThrows(() => requireBlocks(model, { start, end }), RangeError);
  }
});
