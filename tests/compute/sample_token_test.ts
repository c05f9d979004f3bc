import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import { sampleToken, type TokenChoice } from "../../src/compute/sample_token.ts";

const never = () => {
  throw new Error("drew");
};

/** Numbers that are the same in each run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
}

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
  const draw = numbers(1);
  const counts = [0, 0, 0];
  for (let i = 0; i < 20_000; i++) counts[sampleToken(scores, { temperature: 1 }, draw)]!++;
  [0.1, 0.2, 0.7].forEach((share, id) => assertAlmostEquals(counts[id]! / 20_000, share, 0.015));
});

Deno.test("sampleToken sharpens towards greedy as the temperature falls and flattens as it rises", () => {
  const scores = Float32Array.from([0.4, 0.6], Math.log);
  const share = (temperature: number) => {
    const draw = numbers(2);
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
    const draw = numbers(3);
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

Deno.test("minP keeps tokens that are likely enough beside the likeliest", () => {
  const scores = Float32Array.from([0.6, 0.25, 0.1, 0.05], Math.log);
  const drawn = new Set(
    Array.from({ length: 200 }, (_, i) => sampleToken(scores, { temperature: 1, minP: 0.2 }, () => i / 200)),
  );
  assertEquals([...drawn].sort(), [0, 1]);
});

Deno.test("sampleToken chooses what sorting all weights would, whatever their spread", () => {
  const score = fc.oneof(
    fc.float({ min: -4, max: 4, noNaN: true }),
    fc.float({ min: -900, max: 0, noNaN: true }),
    fc.constantFrom(0, -Infinity),
  );
  fc.assert(
    fc.property(
      fc.array(score, { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0.1, max: 3, noNaN: true }),
      fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
      fc.option(fc.double({ min: 0.01, max: 1, noNaN: true }), { nil: undefined }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (scores, temperature, topK, topP, drawn) => {
        const all = Float32Array.from([0, ...scores]);
        const choice = { temperature, topK, topP };
        const [few, many] = [-SLACK, SLACK].map((slack) => plainlyAllowed(all, choice, slack));
        assert(many!.has(sampleToken(all, choice, () => drawn)));
        // what is drawn least likely is the first of those that may come
        const first = sampleToken(all, choice, () => 0);
        assert(first >= Math.min(...many!) && first <= Math.min(...few!), `${first}`);
      },
    ),
    { numRuns: 1000, endOnFailure: true },
  );
});

/** Sums of weights depend on their order by so much. */
const SLACK = 1e-9;

/** Ids that may be chosen, by an order of all of them; `slack` is added to the share that is wanted. */
function plainlyAllowed(
  scores: Float32Array,
  { temperature, topK = Infinity, topP = 1 }: TokenChoice,
  slack: number,
) {
  const highest = Math.max(...scores);
  const order = [...scores]
    .map((score, id) => ({ id, weight: Math.exp((score - highest) / temperature) }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || a.id - b.id)
    .slice(0, topK);
  const wanted = topP * order.reduce((sum, { weight }) => sum + weight, 0) + slack;
  let held = 0;
  const allowed = new Set<number>();
  for (const { id, weight } of order) {
    if (topP < 1 && held >= wanted) break;
    held += weight;
    allowed.add(id);
  }
  return allowed;
}
