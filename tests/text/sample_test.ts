import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { adjustScores, checkSampling, seededDraw } from "../../src/text/sample.ts";

Deno.test("seededDraw repeats itself, differs between seeds and stays in [0, 1)", () => {
  const take = (seed: number) => {
    const draw = seededDraw(seed);
    return Array.from({ length: 1000 }, draw);
  };
  assertEquals(take(42), take(42));
  assert(take(42)[0] !== take(43)[0]);
  assert(take(5)[0] !== take(5 + 2 ** 32)[0]);
  assert(take(42).every((value) => value >= 0 && value < 1));
  assertAlmostEquals(take(42).reduce((a, b) => a + b) / 1000, 0.5, 0.03);
});

Deno.test("seededDraw is xoshiro128**: it gives the numbers of a plain bigint twin", () => {
  const draw = seededDraw(12345);
  const twin = twinDraw(12345);
  for (let i = 0; i < 100; i++) assertEquals(draw(), twin());
});

/** The same generator written after the published C code, in arithmetic of arbitrary length. */
function twinDraw(seed: number): () => number {
  const M = 0xffffffffn;
  let mixState = BigInt(seed);
  const mix = () => {
    mixState = (mixState + 0x9e3779b9n) & M;
    let z = ((mixState ^ (mixState >> 16n)) * 0x85ebca6bn) & M;
    z = ((z ^ (z >> 13n)) * 0xc2b2ae35n) & M;
    return z ^ (z >> 16n);
  };
  const s = [mix(), mix(), mix(), mix() | 1n];
  const rotl = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & M;
  const next = () => {
    const result = (rotl((s[1]! * 5n) & M, 7n) * 9n) & M;
    const t = (s[1]! << 9n) & M;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotl(s[3]!, 11n);
    return result;
  };
  return () => {
    const high = next() >> 5n;
    return Number((high << 26n) | (next() >> 6n)) / 2 ** 53;
  };
}

Deno.test("seededDraw and checkSampling refuse figures without meaning", () => {
  for (const seed of [-1, 0.5, 2 ** 53, NaN]) assertThrows(() => seededDraw(seed), NodeError, "Cannot seed");
  const wrong = [
    { temperature: -1 },
    { temperature: NaN },
    { temperature: Infinity },
    { temperature: 1, topK: 0 },
    { temperature: 1, topP: 0 },
    { temperature: 1, topP: 1.1 },
  ];
  for (const sampling of wrong) assertThrows(() => checkSampling(sampling), NodeError, "Cannot sample");
  checkSampling({ temperature: 0.7, topK: 40, topP: 0.9 });
});

Deno.test("penalties and bias change what is chosen, and only as they say", () => {
  const soFar = { prompt: new Set([3]), answer: new Map([[0, 2]]) };
  const adjusted = (sampling: object) => {
    const scores = Float32Array.of(4, 3, -2, 2);
    adjustScores(scores, { temperature: 0, ...sampling }, soFar);
    return [...scores];
  };
  assertEquals(adjusted({}), [4, 3, -2, 2]);
  assertEquals(adjusted({ repetitionPenalty: 2 }), [2, 3, -2, 1]);
  assertEquals(adjusted({ frequencyPenalty: 0.5, presencePenalty: 1 }), [2, 3, -2, 2]);
  assertEquals(adjusted({ bias: new Map([[2, 10], [99, 1]]) }), [4, 3, 8, 2]);
});

Deno.test("checkSampling names the figure that is out of range", () => {
  const wrong: [object, string][] = [
    [{ minP: 2 }, "minP"],
    [{ repetitionPenalty: 0 }, "repetitionPenalty"],
    [{ frequencyPenalty: 3 }, "frequencyPenalty"],
    [{ presencePenalty: Number.NaN }, "presencePenalty"],
    [{ bias: new Map([[1, Infinity]]) }, "bias"],
  ];
  for (const [sampling, name] of wrong) {
    assertThrows(() => checkSampling({ temperature: 1, ...sampling }), NodeError, name);
  }
});
