import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { match, type MatchInput } from "../../../src/energy/certificates/matching.ts";
import { HOUR_MS } from "../../../src/energy/certificates/quantities.ts";
import { consumed, produced, stored, TEN, wh } from "./some.ts";

const ELEVEN = TEN + HOUR_MS;

const matched = (input: Partial<MatchInput>) =>
  match({
    fromMs: TEN,
    toMs: TEN + 2 * HOUR_MS,
    consumption: [consumed(TEN, 100), consumed(ELEVEN, 50)],
    production: [],
    certificates: [],
    counted: ["solar_pv", "wind"],
    productionCertified: false,
    gridIn: () => undefined,
    ...input,
  });

Deno.test("match sums what is smaller of each hour: a surplus of one hour does not reach another", () => {
  const found = matched({
    certificates: [stored(1, 120), stored(1, 10, { startMs: ELEVEN, endMs: ELEVEN + HOUR_MS })],
  });
  assertEquals(found.greenMicrojoules, wh(110));
  assertEquals(found.consumedMicrojoules, wh(150));
  assertEquals(found.cfeMillionths, 733_333n);
  assertEquals(found.hours.map(({ surplusMicrojoules }) => surplusMicrojoules), [wh(20), 0n]);
  assertEquals(found.hours.map(({ evidence }) => evidence), ["B", "D"]);
});

Deno.test("match counts own production by the share that the site's meter gives this node", () => {
  // half of the site's use was produced there: half of the node's 100 Wh
  const half = matched({ production: [produced(TEN, 1000, { siteMilliwattHours: 2_000_000n })] });
  assertEquals(half.hours[0]!.parts, [{
    class: "A",
    source: "solar_pv",
    microjoules: wh(50),
    gramsPerKwh: 0,
  }]);
  // more than the site used: all of it, and never more
  const all = matched({ production: [produced(TEN, 3000)] });
  assertEquals([all.greenMicrojoules, all.hours[0]!.evidence], [wh(100), "A"]);
  const two = matched({
    production: [
      produced(TEN, 300, { siteMilliwattHours: 1_200_000n }),
      produced(TEN, 300, { siteMilliwattHours: 1_000_000n, device: "mill", source: "wind" }),
    ],
  });
  assertEquals(two.bySource, [
    { class: "A", source: "solar_pv", microjoules: wh(25) },
    { class: "A", source: "wind", microjoules: wh(25) },
  ]);
});

Deno.test("match believes the books about what own production gave, as far as their evidence goes", () => {
  const own = (evidence: "A" | "E") => [
    consumed(TEN, 100, { own: { microjoules: wh(30), evidence, source: "solar_pv" } }),
  ];
  const a = matched({
    consumption: own("A"),
    production: [produced(TEN, 3000)],
    gridIn: () => ({ gramsPerKwh: 100 }),
  });
  assertEquals([a.greenMicrojoules, a.wordMicrojoules], [wh(30), 0n]);
  // own production was not bought: it is in neither line
  assertEquals([a.emissions!.locationMilligrams, a.emissions!.marketMilligrams], [7000n, 7000n]);
  const e = matched({ consumption: own("E") });
  assertEquals([e.greenMicrojoules, e.wordMicrojoules], [0n, wh(30)]);
  assertEquals(matched({ consumption: own("A"), productionCertified: true }).greenMicrojoules, 0n);
  assertEquals(matched({ consumption: own("A"), counted: ["wind"] }).greenMicrojoules, 0n);
});

Deno.test("match takes production that is not measured beside the site's use, or certified, for no green", () => {
  const { siteMilliwattHours: _, ...noMeter } = produced(TEN, 1000);
  const words = [
    noMeter,
    produced(TEN, 1000, { siteMilliwattHours: 0n }),
    produced(TEN, 1000, { kind: "modelled" }),
    produced(TEN, 1000, { coverage: 0.9 }),
    produced(TEN, 1000, { source: "nuclear" }),
  ];
  for (const production of words) {
    const found = matched({ production: [production] });
    assertEquals(
      [found.greenMicrojoules, found.wordMicrojoules],
      [0n, wh(1000)],
      JSON.stringify(production.kind),
    );
    assertEquals(found.hours[0]!.evidence, "D");
  }
  const certified = matched({ production: [produced(TEN, 1000)], productionCertified: true });
  assertEquals([certified.greenMicrojoules, certified.wordMicrojoules], [0n, 0n]);
});

Deno.test("match counts classes A and B alone, A first, and shows the others", () => {
  const found = matched({
    production: [produced(TEN, 1000)],
    certificates: [
      stored(1, 30),
      stored(100, 40, { evidence: "E" }),
      stored(200, 500, { evidence: "C", endMs: TEN + 8760 * HOUR_MS }),
      stored(1000, 30, { source: "chp" }),
    ],
  });
  assertEquals(found.greenMicrojoules, wh(80));
  assertEquals(found.bySource, [
    { class: "A", source: "solar_pv", microjoules: wh(50) },
    { class: "B", source: "solar_pv", microjoules: wh(30) },
  ]);
  assertEquals([found.yearlyWattHours, found.wordMicrojoules], [500n, wh(40)]);
});

Deno.test("match leaves gaps out and says how many; an hour that was not measured is marked", () => {
  const found = matched({
    toMs: TEN + 5 * HOUR_MS,
    consumption: [
      consumed(TEN, 100, { kind: "modelled" }),
      consumed(ELEVEN, 100, { kind: "none" }),
      consumed(TEN + 3 * HOUR_MS, 100, { coverage: 0.5, kind: "mixed" }),
      consumed(TEN + 9 * HOUR_MS, 100),
    ],
    certificates: [stored(1, 60)],
  });
  assertEquals(found.missingHours, 3);
  assertEquals(found.hours.map(({ measured, kind }) => [measured, kind]), [[false, "modelled"], [
    false,
    "mixed",
  ]]);
  assertEquals(found.cfeMillionths, 300_000n);
  const nothing = matched({ consumption: [] });
  assertEquals([nothing.cfeMillionths, nothing.missingHours, nothing.emissions], [undefined, 2, undefined]);
  assertEquals(matched({ consumption: [consumed(TEN, 0)] }).hours[0]!.evidence, "D");
});

Deno.test("match gives location-based, market-based and avoided emissions as three lines", () => {
  const found = matched({
    certificates: [stored(1, 40, { gramsPerKwh: 50 }), stored(41, 20)],
    gridIn: (startMs) =>
      startMs === TEN ? { gramsPerKwh: 400 } : { gramsPerKwh: 200.0001, residualGramsPerKwh: 500 },
  });
  assertEquals(found.emissions, {
    // 100 Wh at 400 g and 50 Wh at 200.001 g (a factor is rounded up to milligrams), the sum rounded up
    locationMilligrams: 50_001n,
    // 40 Wh at 50 g, 20 Wh at 0, 40 Wh at 400 g; 50 Wh at the residual mix
    marketMilligrams: 43_000n,
    // 40 Wh at 350 g, 20 Wh at 400 g
    avoidedMilligrams: 22_000n,
    hours: 2,
    residualMix: false,
  });
  const half = matched({ gridIn: (startMs) => startMs === TEN ? { gramsPerKwh: 400 } : undefined });
  assertEquals([half.emissions?.hours, half.emissions?.locationMilligrams], [1, 40_000n]);
});

Deno.test("match never finds more green than consumption or than what there was, over random hours", () => {
  const amount = fc.bigInt({ min: 0n, max: 10n ** 13n });
  const hours = fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { maxLength: 20 });
  const certificate = fc.record({
    hour: fc.integer({ min: 0, max: 20 }),
    wattHours: fc.integer({ min: 1, max: 3000 }),
    evidence: fc.constantFrom("B" as const, "C" as const, "E" as const),
    source: fc.constantFrom("solar_pv" as const, "wind" as const, "chp" as const),
  });
  const production = fc.record({
    hour: fc.integer({ min: 0, max: 20 }),
    milliwattHours: fc.bigInt({ min: 0n, max: 10n ** 7n }),
    site: fc.option(fc.bigInt({ min: 0n, max: 10n ** 7n }), { nil: undefined }),
  });
  fc.assert(fc.property(
    hours,
    fc.array(amount, { minLength: 20, maxLength: 20 }),
    fc.array(certificate, { maxLength: 30 }),
    fc.uniqueArray(production, { maxLength: 20, selector: ({ hour }) => hour }),
    (at, amounts, certificates, roofs) => {
      const found = matched({
        toMs: TEN + 21 * HOUR_MS,
        consumption: at.map((hour, i) => consumed(TEN + hour * HOUR_MS, 0, { microjoules: amounts[i]! })),
        certificates: certificates.map(({ hour, wattHours, evidence, source }, i) =>
          stored(i * 10_000, wattHours, { startMs: TEN + hour * HOUR_MS, evidence, source })
        ),
        production: roofs.map(({ hour, milliwattHours, site }) => {
          const { siteMilliwattHours: _, ...roof } = produced(TEN + hour * HOUR_MS, 0, { milliwattHours });
          return site === undefined ? roof : { ...roof, siteMilliwattHours: site };
        }),
        gridIn: () => ({ gramsPerKwh: 300 }),
      });
      let green = 0n;
      for (const hour of found.hours) {
        const parts = hour.parts.reduce((sum, { microjoules }) => sum + microjoules, 0n);
        assertEquals(parts, hour.greenMicrojoules);
        assert(parts <= hour.microjoules);
        const hourOf = (hour.startMs - TEN) / HOUR_MS;
        const certified = certificates.filter((each) =>
          each.hour === hourOf && each.evidence === "B" && each.source !== "chp"
        ).reduce((sum, { wattHours }) => sum + wh(wattHours), 0n);
        const own = roofs.filter((each) => each.hour === hourOf && each.site !== undefined)
          .reduce((sum, { milliwattHours }) => sum + milliwattHours * 3_600_000n, 0n);
        if (own === 0n) assertEquals(parts, certified < hour.microjoules ? certified : hour.microjoules);
        green += parts;
      }
      assertEquals(found.greenMicrojoules, green);
      assertEquals(found.bySource.reduce((sum, { microjoules }) => sum + microjoules, 0n), green);
      if (found.cfeMillionths !== undefined) assert(found.cfeMillionths <= 1_000_000n);
      if (found.emissions) {
        const { locationMilligrams, marketMilligrams, avoidedMilligrams } = found.emissions;
        assert(marketMilligrams <= locationMilligrams);
        assert(avoidedMilligrams * wh(1000) <= found.consumedMicrojoules * 300_000n);
      }
    },
  ));
});
