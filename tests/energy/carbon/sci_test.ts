import { assertAlmostEquals, assertEquals } from "@std/assert";
import { gramsOf, kilowattHoursOf } from "../../../src/energy/carbon/grams.ts";
import { intensityOfMix } from "../../../src/energy/carbon/mix.ts";
import { sciOf } from "../../../src/energy/carbon/sci.ts";

const YEAR = 365.25 * 24 * 3_600_000;

Deno.test("sciOf is (E·I + M) / R with R = 1000 block-tokens", () => {
  const embodied = { totalGrams: 200_000, lifetimeMs: 4 * YEAR };
  const input = {
    operationalGrams: 12,
    method: "lifecycle",
    reservedMs: YEAR / 100,
    embodied,
    blockTokens: 250_000,
  } as const;
  const sci = sciOf(input)!;
  assertAlmostEquals(sci.embodiedGrams!, 200_000 / 4 / 100 / 250, 1e-9);
  assertAlmostEquals(sci.grams, 12 / 250 + sci.embodiedGrams!, 1e-12);
  assertEquals(sci.method, "lifecycle");
});

Deno.test("sciOf leaves making the machine out where it is not known, and says nothing before any work", () => {
  const input = {
    operationalGrams: 3,
    method: "operational",
    reservedMs: 1000,
    embodied: undefined,
  } as const;
  assertEquals(sciOf({ ...input, blockTokens: 500 }), {
    grams: 6,
    embodiedGrams: null,
    method: "operational",
  });
  assertEquals(sciOf({ ...input, blockTokens: 0 }), undefined);
});

Deno.test("gramsOf and kilowattHoursOf agree with the units they are named after", () => {
  assertEquals(kilowattHoursOf(3_600_000_000_000n), 1);
  assertEquals(gramsOf(1_800_000_000_000n, 400), 200);
  assertEquals(gramsOf(0n, 400), 0);
});

Deno.test("intensityOfMix leaves out what has no factor, what is negative, and whole mixes that are unknown", () => {
  assertEquals(intensityOfMix({ gas: 50, unknown: 50 }), undefined);
  assertEquals(intensityOfMix({ gas: 60, unknown: 40 }), {
    gramsPerKwh: 490,
    unknownRatio: 0.4,
    renewableRatio: 0,
  });
  assertEquals(intensityOfMix({ hydro: 10, gas: -5, oil: NaN }), {
    gramsPerKwh: 24,
    unknownRatio: 0,
    renewableRatio: 1,
  });
  assertEquals(
    intensityOfMix({ gas: 0 }),
    undefined,
    "a zone that generates nothing has no intensity, not 0",
  );
});
