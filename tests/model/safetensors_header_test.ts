import { assertEquals, assertThrows } from "@std/assert";
import { fromHex } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { parseSafetensorsHeader, safetensorsHeaderLength } from "../../src/model/safetensors_header.ts";
import { assertBounded } from "../support/decoders.ts";
import { safetensorsHead } from "../support/safetensors_writer.ts";
import { weightVectors } from "../support/weight_vectors.ts";

const GOLDEN = fromHex(weightVectors.safetensors_hex);

function parse(file: Uint8Array, size = file.length) {
  const length = safetensorsHeaderLength(file.subarray(0, 8), size, "a.safetensors");
  return parseSafetensorsHeader(file.subarray(8, 8 + length), size, "a.safetensors");
}
function failure(header: unknown, part: string): void {
  const error = assertThrows(() => parse(safetensorsHead(header), 1000), NodeError, part);
  assertEquals(error.code, "corrupt");
}

Deno.test("parseSafetensorsHeader reads what the package safetensors writes", () => {
  const entries = parse(GOLDEN);
  const one = entries.get("one")!, two = entries.get("two")!;
  assertEquals([one.dtype, one.shape, one.bytes], ["F32", [3], 12]);
  assertEquals([two.dtype, two.shape, two.bytes], ["F16", [2, 3], 12]);
  const values = new Float32Array(GOLDEN.slice(one.offset, one.offset + 12).buffer);
  assertEquals(values, Float32Array.of(0, 1, 2));
});

Deno.test("parseSafetensorsHeader ends in a value or a NodeError for damaged and random bytes", () => {
  assertBounded(parse, GOLDEN);
});

Deno.test("parseSafetensorsHeader refuses lengths, shapes and places that cannot be", () => {
  failure({ a: { dtype: "F32", shape: [3], data_offsets: [0, 8] } }, `"a" of [3] F32 has 8 bytes, wanted 12`);
  failure({ a: { dtype: "F32", shape: [-1], data_offsets: [0, 4] } }, `"a" is broken`);
  failure({ a: { dtype: "F32", shape: [1], data_offsets: [4, 0] } }, `"a"`);
  failure({ a: { dtype: "F32", shape: [1e6], data_offsets: [0, 4e6] } }, `inside the tensor "a"`);
  failure({
    a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
    b: { dtype: "F32", shape: [2], data_offsets: [4, 12] },
  }, `"a" and "b" overlap`);
  failure({ a: 7 }, `"a" is broken`);
  failure([], "wanted an object");
  const endless = new Uint8Array(64).fill(255);
  assertThrows(() => parse(endless), NodeError, "its header claims");
});
