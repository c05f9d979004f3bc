import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { marginOf, scoreToken } from "../../src/text/score.ts";

const textOf = (id: number) => `t${id}`;

Deno.test("scoreToken gives the softmax in logarithms, also for scores that would overflow", () => {
  const scores = Float32Array.of(1000, 999, 998, Number.NaN, -Infinity);
  const { id, text, logprob, top } = scoreToken(scores, 1, { top: 3, textOf });
  const total = Math.log(1 + Math.exp(-1) + Math.exp(-2));
  assertEquals([id, text, top.map((entry) => entry.id)], [1, "t1", [0, 1, 2]]);
  assertAlmostEquals(logprob!, -1 - total, 1e-6);
  assertAlmostEquals(top.reduce((sum, entry) => sum + Math.exp(entry.logprob), 0), 1, 1e-6);
});

Deno.test("scoreToken puts the lowest id first among equals, and no more than there are", () => {
  const scores = Float32Array.of(2, 3, 3, 2);
  assertEquals(scoreToken(scores, 0, { top: 3, textOf }).top.map(({ id }) => id), [1, 2, 0]);
  assertEquals(scoreToken(scores, 0, { top: 9, textOf }).top.length, 4);
  assertEquals(scoreToken(scores, 0, { top: 0, textOf }).top, []);
});

Deno.test("marginOf is the distance of the best two", () => {
  assertEquals(marginOf(Float32Array.of(1, 4, 2)), 2);
  assertEquals(marginOf(Float32Array.of(4, 4)), 0);
  assert(marginOf(Float32Array.of(4)) === Infinity);
});
