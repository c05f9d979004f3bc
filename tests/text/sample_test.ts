import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { adjustScores, checkSampling, sampleToken, seededDraw } from "../../src/text/sample.ts";

const never = () => {
  throw new Error("drew");
};

Deno.test("sampleToken is greedy at temperature 0: the lowest id among equals, no draw", () => {
  assertEquals(sampleToken(Float32Array.of(-1, 5, 5, 2), { temperature: 0 }, never), 1);
});

Deno.test("sampleToken passes over scores that are no numbers", () => {
  assertEquals(sampleToken(Float32Array.of(NaN, -3, Infinity, -Infinity), { temperature: 0 }, never), 1);
  for (const drawn of [0, 0.5, 0.999]) {
    assertEquals(
      sampleToken(Float32Array.of(NaN, -3, -Infinity, Infinity), { temperature: 1 }, () => drawn),
      1,
    );
  }
  assertThrows(
    () => sampleToken(Float32Array.of(NaN, Infinity), { temperature: 0 }, never),
    NodeError,
    "finite",
  );
});

Deno.test("sampleToken draws each token as often as its softmax says", () => {
  const scores = Float32Array.from([0.1, 0.2, 0.7], Math.log);
  const draw = seededDraw(1);
  const counts = [0, 0, 0];
  for (let i = 0; i < 20_000; i++) counts[sampleToken(scores, { temperature: 1 }, draw)]!++;
  [0.1, 0.2, 0.7].forEach((share, id) => assertAlmostEquals(counts[id]! / 20_000, share, 0.015));
});

Deno.test("sampleToken sharpens towards greedy as the temperature falls and flattens as it rises", () => {
  const scores = Float32Array.from([0.4, 0.6], Math.log);
  const share = (temperature: number) => {
    const draw = seededDraw(2);
    let count = 0;
    for (let i = 0; i < 5000; i++) count += sampleToken(scores, { temperature }, draw);
    return count / 5000;
  };
  assert(share(0.1) > 0.97);
  assertAlmostEquals(share(100), 0.5, 0.03);
});

Deno.test("sampleToken keeps to topK and topP", () => {
  const scores = Float32Array.from([0.1, 0.5, 0.15, 0.25], Math.log);
  const chosen = (more: object) => {
    const draw = seededDraw(3);
    return [
      ...new Set(Array.from({ length: 500 }, () => sampleToken(scores, { temperature: 1, ...more }, draw))),
    ]
      .sort();
  };
  assertEquals(chosen({}), [0, 1, 2, 3]);
  assertEquals(chosen({ topK: 2 }), [1, 3]);
  assertEquals(chosen({ topP: 0.6 }), [1, 3]);
  assertEquals(chosen({ topP: 0.4 }), [1]);
  assertEquals(chosen({ topK: 3, topP: 0.99 }), [1, 2, 3]);
});

Deno.test("sampleToken keeps the lowest ids among equals at the border of topK and topP", () => {
  for (const more of [{ topK: 2 }, { topP: 0.5 }]) {
    const ids = Array.from(
      { length: 100 },
      (_, i) => sampleToken(Float32Array.of(1, 1, 1, 1), { temperature: 1, ...more }, () => i / 100),
    );
    assertEquals([...new Set(ids)], [0, 1]);
  }
});

Deno.test("sampleToken returns a token for the largest draw", () => {
  assertEquals(sampleToken(Float32Array.of(1, 1), { temperature: 1 }, () => 1 - Number.EPSILON), 1);
});

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

Deno.test("minP keeps tokens that are likely enough beside the likeliest", () => {
  const scores = Float32Array.from([0.6, 0.25, 0.1, 0.05], Math.log);
  const drawn = new Set(
    Array.from({ length: 200 }, (_, i) => sampleToken(scores, { temperature: 1, minP: 0.2 }, () => i / 200)),
  );
  assertEquals([...drawn].sort(), [0, 1]);
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
