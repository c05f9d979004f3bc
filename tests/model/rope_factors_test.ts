import { assertAlmostEquals, assertEquals } from "@std/assert";
import { llama3RopeFactors } from "../../src/model/rope_factors.ts";
import { weightVectors } from "../support/weight_vectors.ts";

Deno.test("llama3RopeFactors gives the divisors of Llama 3.2's published formula", () => {
  const { scaling, divisors } = weightVectors.llama3;
  const factors = llama3RopeFactors({
    base: scaling.base,
    dims: scaling.dims,
    factor: scaling.factor,
    lowFrequencyFactor: scaling.low,
    highFrequencyFactor: scaling.high,
    originalContext: scaling.context,
  });
  assertEquals(factors.length, divisors.length);
  factors.forEach((factor, i) => assertAlmostEquals(factor, divisors[i]!, divisors[i]! * 1e-6));
});
