import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { Architecture, RopeParameters } from "../../src/model/source.ts";
import { addInto, attend, gateBySilu, multiply, rmsNorm, rotate } from "../../src/compute/reference_math.ts";
import { ropeAngles } from "../../src/compute/rope_angles.ts";

const floats = (...values: number[]) => Float32Array.from(values);

function assertClose(got: Float32Array, wanted: readonly number[]): void {
  assertEquals(got.length, wanted.length);
  wanted.forEach((value, i) => assertAlmostEquals(got[i]!, value, 1e-6));
}

Deno.test("rmsNorm scales each row by itself and each column by its weight", () => {
  assertClose(rmsNorm(floats(3, 4, 0, 2), floats(1, 10), 0), [
    3 / Math.sqrt(12.5),
    40 / Math.sqrt(12.5),
    0,
    10 * Math.SQRT2,
  ]);
  assertClose(rmsNorm(floats(0, 0), floats(1, 1), 1e-5), [0, 0]);
});

Deno.test("multiply takes the columns of both in pairs, whatever their number", () => {
  assertEquals(multiply(floats(1, 2, 3, 4), floats(1, 1, 1, -1, 0, 2), 2), floats(3, -1, 4, 7, -1, 8));
  const five = floats(1, 2, 3, 4, 5);
  assertEquals(multiply(five, five, 5), floats(55));
});

const QUARTER: RopeParameters = { base: 1, dims: 4, pairs: "halves", scale: Math.PI / 2 };

Deno.test("rotate turns pairs side by side or half a head apart, each token by its position, in every head", () => {
  const shape = { tokens: 2, heads: 2, headDim: 4 };
  const x = () => floats(...[1, 2, 3, 4], ...[5, 6, 7, 8], ...[1, 2, 3, 4], ...[5, 6, 7, 8]);
  const halves = x(), adjacent = x();
  rotate(halves, shape, QUARTER, ropeAngles(QUARTER, 0, 2));
  assertClose(halves, [1, 2, 3, 4, 5, 6, 7, 8, -3, -4, 1, 2, -7, -8, 5, 6]);
  rotate(adjacent, shape, { ...QUARTER, pairs: "adjacent" }, ropeAngles(QUARTER, 0, 2));
  assertClose(adjacent, [1, 2, 3, 4, 5, 6, 7, 8, -2, 1, -4, 3, -6, 5, -8, 7]);
});

Deno.test("rotate starts again with the first position in each row, and leaves dimensions beyond alone", () => {
  const shape = { tokens: 1, heads: 1, headDim: 6 };
  const x = floats(...[1, 2, 3, 4, 5, 6], ...[1, 2, 3, 4, 5, 6]);
  rotate(x, shape, QUARTER, ropeAngles(QUARTER, 1, 1));
  assertClose(x, [-3, -4, 1, 2, 5, 6, -3, -4, 1, 2, 5, 6]);
});

Deno.test("ropeAngles divides frequencies by factors and multiplies positions by the scale", () => {
  const rope: RopeParameters = {
    base: 100,
    dims: 4,
    pairs: "halves",
    scale: 0.5,
    factors: floats(1, 2),
  };
  const { cos, sin } = ropeAngles(rope, 6, 2);
  assertClose(cos, [3, 0.15, 3.5, 0.175].map(Math.cos));
  assertClose(sin, [3, 0.15, 3.5, 0.175].map(Math.sin));
});

Deno.test("attend sees earlier positions of its own row only, and shares key-value heads", () => {
  const architecture = { heads: 4, kvHeads: 2, headDim: 1 } as Architecture;
  // [capacity 3, batch 2, kvHeads 2]: equal keys weigh all positions alike
  const memory = {
    keys: new Float32Array(12),
    values: floats(1, 2, 10, 20, 3, 6, 30, 60, 500, 500, 500, 500),
  };
  const queries = new Float32Array(8).fill(1);
  const place = { batch: 2, tokens: 1, position: 1 };
  assertClose(attend(queries, place, memory, architecture), [2, 2, 4, 4, 20, 20, 40, 40]);
  assertClose(
    attend(queries, { batch: 1, tokens: 2, position: 0 }, memory, architecture),
    [1, 1, 2, 2, 5.5, 5.5, 11, 11],
  );
});

Deno.test("attend weighs positions by the exponential of the scaled product", () => {
  const architecture = { heads: 1, kvHeads: 1, headDim: 4 } as Architecture;
  const memory = {
    keys: floats(2, 0, 0, 0, 0, 0, 0, 0),
    values: floats(1, 0, 0, 0, 0, 1, 0, 0),
  };
  const out = attend(floats(3, 0, 0, 0), { batch: 1, tokens: 1, position: 1 }, memory, architecture);
  const first = Math.exp(3) / (Math.exp(3) + 1);
  assertClose(out, [first, 1 - first, 0, 0]);
});

Deno.test("gateBySilu and addInto work in place, also where the exponential overflows", () => {
  const gate = floats(1, -1000, 1000);
  gateBySilu(gate, floats(2, 1, 1));
  assertClose(gate, [2 / (1 + Math.exp(-1)), 0, 1000]);
  addInto(gate, floats(0, 5, -1000));
  assertClose(gate, [2 / (1 + Math.exp(-1)), 5, 0]);
});
