import { assert, assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import {
  blockHeldBytes,
  cacheTokenBytes,
  headHeldBytes,
  requireRoom,
  requireRoomForBlocks,
  WORKING_BYTES,
} from "../../src/compute/budget.ts";
import { memoryRanges } from "../../src/model/byte_ranges.ts";
import { openGgufRanges } from "../../src/model/gguf.ts";
import type { ModelFamily } from "../../src/model/source.ts";
import { tinyGgufBytes } from "../support/tiny_model.ts";

const signal = new AbortController().signal;
const openTiny = (format: "F16" | "Q8_0", family: ModelFamily = "llama") =>
  openGgufRanges(memoryRanges(tinyGgufBytes({ format, family })), "/tiny.gguf", signal);

/** q, k, v, output, gate, up, down of hidden 64, ffn 96, 4 heads of 16, 2 of them for keys. */
const MATRIX_VALUES = 64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 96 * 64;

Deno.test("budget counts a block as it is held, not as it is stored", async () => {
  await using half = await openTiny("F16");
  const norms = 2 * 64 * 4;
  assertEquals(blockHeldBytes(half, 0, "auto"), 2 * MATRIX_VALUES + norms);
  assertEquals(blockHeldBytes(half, 0, "f32"), 4 * MATRIX_VALUES + norms);
  assertEquals(blockHeldBytes(half, 0, "bf16"), 2 * MATRIX_VALUES + norms);
  await using quantised = await openTiny("Q8_0");
  assertEquals(blockHeldBytes(quantised, 0, "f32"), MATRIX_VALUES * 34 / 32 + norms);
  assertEquals(headHeldBytes(half, "f32"), 2 * 320 * 64 * 4 + 64 * 4);
  assertEquals(cacheTokenBytes(half.architecture, true), 2 * 32 * 4);
  assertEquals(cacheTokenBytes(half.architecture, false), 2 * 32 * 2);
});

Deno.test("budget counts the biases of Qwen 2 and the norms of Qwen 3 in single precision", async () => {
  await using qwen2 = await openTiny("F16", "qwen2");
  await using qwen3 = await openTiny("F16", "qwen3");
  const norms = 2 * 64 * 4;
  assertEquals(blockHeldBytes(qwen2, 0, "auto"), 2 * MATRIX_VALUES + norms + (64 + 32 + 32) * 4);
  assertEquals(blockHeldBytes(qwen3, 0, "auto"), 2 * MATRIX_VALUES + norms + (16 + 16) * 4);
});

Deno.test("budget refuses blocks that do not fit and says how many would", async () => {
  await using model = await openTiny("F16");
  const range = { start: 1, end: 4 };
  const block = blockHeldBytes(model, 0, "auto");
  const enough = WORKING_BYTES + 3 * block;
  requireRoomForBlocks(model, range, "auto", enough);
  for (const [available, fit] of [[enough - 1, 2], [WORKING_BYTES + block, 1], [0, 0]] as const) {
    const error = assertThrows(() => requireRoomForBlocks(model, range, "auto", available), NodeError);
    assertEquals(error.code, "no_memory");
    assert(error.message.endsWith(`${fit} of them would fit`), error.message);
  }
});

Deno.test("budget lets in exactly what fits", () => {
  requireRoom("open a session", 100, 100);
  const error = assertThrows(() => requireRoom("open a session", 101_000_000, 100), NodeError);
  assertEquals(error.message, "Cannot open a session: it needs 101 MB and 1 MB are free");
});
