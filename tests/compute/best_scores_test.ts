import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import { packBest, unpackBest } from "../../src/compute/best_scores.ts";

/** Sorted by score, then by index; the slow way. */
function plain(row: readonly number[], best: number): number[] {
  const order = row.map((score, i) => ({ score, i })).filter(({ score }) => !Number.isNaN(score))
    .sort((a, b) => b.score - a.score || a.i - b.i).slice(0, best);
  const dense = row.map(() => -Infinity);
  for (const { score, i } of order) dense[i] = score;
  return dense;
}

Deno.test("packBest keeps the best of each row, the lowest index among equals", () => {
  const score = fc.constantFrom(...[-2, -1, 0, 1, 1, 2, 3, Number.NaN, -Infinity]);
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 12 }),
    fc.array(score, { minLength: 0, maxLength: 40 }),
    (width, best, values) => {
      const rows = Math.floor(values.length / width);
      const scores = Float32Array.from(values.slice(0, rows * width));
      const wanted = Array.from(
        { length: rows },
        (_, row) => plain([...scores.subarray(row * width, (row + 1) * width)], best),
      ).flat();
      assertEquals([...unpackBest(packBest(scores, width, best), width, best)], wanted);
    },
  ));
});

Deno.test("unpackBest refuses what is no packed row", () => {
  assertThrows(() => unpackBest(new Float32Array(3), 4, 1), NodeError, "pairs");
  const packed = packBest(Float32Array.of(1, 2), 2, 1);
  assertThrows(() => unpackBest(packed, 1, 1), NodeError, "index");
});
