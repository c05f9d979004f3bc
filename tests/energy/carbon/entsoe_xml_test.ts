import { assertEquals, assertThrows } from "@std/assert";
import { decodeUtf8, encodeUtf8 } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { parseGeneration } from "../../../src/energy/carbon/entsoe_xml.ts";
import { assertBounded } from "../../support/decoders.ts";
import { documentXml, seriesXml } from "./generation.ts";

const START = Date.UTC(2026, 10, 20, 12);
const MINUTE = 60_000;

const seriesOf = (text: string) => {
  const document = parseGeneration(text);
  if (document.state !== "data") throw new Error(document.reason);
  return document.series;
};

Deno.test("parseGeneration reads fuels, zones, times and megawatts", () => {
  const text = documentXml(
    seriesXml("B16", [100, 120.5], { startMs: START, minutes: 15 }),
    seriesXml("B10", [50], { startMs: START, taken: true }),
  );
  assertEquals(seriesOf(text), [
    {
      psrType: "B16",
      consumption: false,
      domain: "10YFR-RTE------C",
      points: [{ atMs: START, megawatts: 100 }, { atMs: START + 15 * MINUTE, megawatts: 120.5 }],
    },
    {
      psrType: "B10",
      consumption: true,
      domain: "10YFR-RTE------C",
      points: [{ atMs: START, megawatts: 50 }],
    },
  ]);
});

Deno.test("parseGeneration repeats what curve A03 leaves out, and no other curve", () => {
  const values = [100, undefined, undefined, 70, undefined];
  const read = (curve: string) =>
    seriesOf(documentXml(seriesXml("B04", values, { startMs: START, curve })))[0]!.points.map((point) =>
      point.megawatts
    );
  assertEquals(read("A03"), [100, 100, 100, 70, 70]);
  assertEquals(read("A01"), [100, 70]);
});

Deno.test("parseGeneration ends in a value or a NodeError for every cut, flip and random text", () => {
  const text = documentXml(seriesXml("B16", [100, undefined, 3], { startMs: START, curve: "A03" }));
  assertBounded((bytes) => parseGeneration(decodeUtf8(bytes)), encodeUtf8(text));
});

Deno.test("parseGeneration expands nothing and has bounds for depth, elements, notes and periods", () => {
  const bomb =
    '<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><GL_MarketDocument>&b;</GL_MarketDocument>';
  const wide = `<GL_MarketDocument>${"<a/>".repeat(50_000)}</GL_MarketDocument>`;
  const deep = `<GL_MarketDocument>${"<a>".repeat(20)}${"</a>".repeat(20)}</GL_MarketDocument>`;
  const long = documentXml(seriesXml("B16", [1], { startMs: START })).replace(
    /<end>[^<]*/,
    "<end>2036-01-01T00:00Z",
  );
  for (
    const text of [
      bomb,
      wide,
      deep,
      long,
      `<GL_MarketDocument><!--${"x".repeat(1000)}--></GL_MarketDocument>`,
      "<GL_MarketDocument><![CDATA[x]]></GL_MarketDocument>",
      "<GL_MarketDocument>",
      "<GL_MarketDocument></TimeSeries>",
      "<GL_MarketDocument/><GL_MarketDocument/>",
      "<Publication_MarketDocument/>",
      "<!--".repeat(100_000),
      "<?".repeat(100_000),
      "<a ".repeat(100_000),
      "",
    ]
  ) assertEquals(assertThrows(() => parseGeneration(text), NodeError).code, "malformed", text.slice(0, 60));
});

Deno.test("parseGeneration takes no numbers that are none and positions that are outside", () => {
  const good = documentXml(seriesXml("B16", [7, 8], { startMs: START }));
  for (const bad of ["1e9", "0x10", "", "NaN", "-", "1,5", "9".repeat(13)]) {
    assertThrows(
      () => parseGeneration(good.replace("<quantity>7", `<quantity>${bad}`)),
      NodeError,
      "quantity",
    );
  }
  const outside = good.replace("<position>1<", "<position>99<");
  assertEquals(seriesOf(outside)[0]!.points.map(({ megawatts }) => megawatts), [8]);
  assertEquals(seriesOf("<GL_MarketDocument/>"), []);
  assertEquals(parseGeneration("<Acknowledgement_MarketDocument/>"), {
    state: "refused",
    reason: "it has no data",
  });
});
