import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { COUNTRY_COUNT, yearlyIntensity } from "../../../src/energy/carbon/yearly_table.ts";
import countries from "../../../src/energy/carbon/tables/country_yearly.json" with { type: "json" };
import canada from "../../../src/energy/carbon/tables/canada_mix.json" with { type: "json" };

const NOW = Date.UTC(2026, 10, 20);

Deno.test("yearlyIntensity knows a country by two letters, by three, in any case, and by its parts", () => {
  const germany = yearlyIntensity("DE", NOW)!;
  assertEquals(germany, {
    zone: "DE",
    quality: "yearly",
    method: "lifecycle",
    provider: "table",
    atMs: Date.UTC(2023, 0, 1),
    gramsPerKwh: 380.95,
    renewableRatio: germany.renewableRatio,
    uncertainty: 0.3,
    attribution: "Our World in Data / Ember, CC BY 4.0",
  });
  for (const zone of ["DEU", "de", "DE-LU", "deu-x"]) {
    assertEquals(yearlyIntensity(zone, NOW)?.gramsPerKwh, germany.gramsPerKwh, zone);
  }
  for (const zone of ["XX", "", "constructor", "__proto__", "D", "CAISO_NORTH"]) {
    assertEquals(yearlyIntensity(zone, NOW), undefined, zone);
  }
});

Deno.test("yearlyIntensity is less certain with each year, and never surer than 15 % or worse than 100 %", () => {
  const at = (year: number) => yearlyIntensity("DE", Date.UTC(year, 5, 1))!.uncertainty;
  assertEquals([2023, 2024, 2028, 2020, 2099].map(at), [0.15, 0.2, 0.4, 0.15, 1]);
});

Deno.test("the yearly table has 213 countries, all with credible figures but the one that rounding made 0", () => {
  assertEquals(COUNTRY_COUNT, 213);
  const absent: string[] = [];
  for (const [code, row] of Object.entries(countries.countries)) {
    const intensity = yearlyIntensity(code, NOW);
    if (intensity === undefined) {
      absent.push(code);
      continue;
    }
    assert(intensity.gramsPerKwh > 10 && intensity.gramsPerKwh < 1400, code);
    assert(intensity.renewableRatio! >= 0 && intensity.renewableRatio! <= 1, code);
    assertEquals(yearlyIntensity(String(row[0]), NOW)?.gramsPerKwh, intensity.gramsPerKwh, code);
  }
  assertEquals(absent, ["CAF"]);
});

Deno.test("yearlyIntensity weighs what the provinces of Canada generate", () => {
  const quebec = yearlyIntensity("CA-QC", NOW)!;
  const alberta = yearlyIntensity("CA-AB", NOW)!;
  assertAlmostEquals(
    quebec.gramsPerKwh,
    (0.2 * 490 + 0.3 * 650 + 0.7 * 230 + 0.01 * 48 + 6.7 * 11 + 92.1 * 24) / 100.01,
    0.01,
  );
  assert(alberta.gramsPerKwh > 400 && quebec.gramsPerKwh < 40);
  assertEquals([quebec.uncertainty, quebec.attribution], [0.4, canada.about.attribution]);
  assertEquals(yearlyIntensity("CA-XX", NOW)?.gramsPerKwh, yearlyIntensity("CA", NOW)?.gramsPerKwh);
});

Deno.test("README shows whom the yearly figures are from", () => {
  const readme = Deno.readTextFileSync(new URL("../../../README.md", import.meta.url));
  assert(readme.includes("Our World in Data / Ember"), "CC BY 4.0 wants it shown");
});
