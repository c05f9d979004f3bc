import { assertEquals, assertThrows } from "@std/assert";
import { concatBytes, fromHex } from "../../src/base/bytes.ts";
import { bytesOf, dequantize, WEIGHT_BLOCK } from "../../src/model/dequantize.ts";
import type { WeightFormat } from "../../src/model/source.ts";
import { quantize } from "../support/quantize.ts";
import { randomNumbers } from "../support/tiny_model.ts";
import { floatsOf, weightVectors } from "../support/weight_vectors.ts";

for (
  const [format, vector] of Object.entries(weightVectors.formats) as [
    WeightFormat,
    { stored_hex: string; float32_hex: string },
  ][]
) {
  Deno.test(`dequantize gives gguf's own numbers for ${format}, bit for bit`, () => {
    assertEquals(dequantize(format, fromHex(vector.stored_hex)), floatsOf(vector.float32_hex));
  });

  Deno.test(`dequantize takes ${format} from the middle of a buffer`, () => {
    const shifted = concatBytes([7], fromHex(vector.stored_hex)).subarray(1);
    assertEquals(dequantize(format, shifted), floatsOf(vector.float32_hex));
  });

  Deno.test(`dequantize refuses ${format} that is not whole blocks`, () => {
    const { bytes, elements } = WEIGHT_BLOCK[format];
    assertThrows(() => dequantize(format, new Uint8Array(bytes + 1)), RangeError);
    if (elements > 1) assertThrows(() => bytesOf(format, elements + 1), RangeError);
    assertEquals(dequantize(format, new Uint8Array(0)).length, 0);
  });
}

Deno.test("dequantize comes back near what the quantisers of the tests were given", () => {
  const next = randomNumbers(3);
  const values = Float32Array.from({ length: 512 }, next);
  const largest: Record<WeightFormat, number> = {
    F32: 0,
    F16: 1e-3,
    BF16: 1e-2,
    Q8_0: 1e-2,
    Q6_K: 5e-2,
    Q5_0: 0.1,
    Q5_1: 0.1,
    Q5_K: 0.1,
    Q4_0: 0.2,
    Q4_1: 0.2,
    Q4_K: 0.2,
  };
  for (const [format, limit] of Object.entries(largest) as [WeightFormat, number][]) {
    const back = dequantize(format, quantize(values, format));
    const worst = values.reduce((max, value, i) => Math.max(max, Math.abs(value - back[i]!)), 0);
    assertEquals(worst <= limit, true, `${format}: ${worst}`);
  }
});
