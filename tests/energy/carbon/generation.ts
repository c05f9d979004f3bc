/** Documents in the shape of ENTSO-E's actual generation per type (A75). */

interface Generation {
  /** In the hour that is told of; the hour itself is used. */
  readonly atMs: number;
  /** Megawatts by fuel. */
  readonly mix: Readonly<Record<string, number>>;
  /** Of the hour after. */
  readonly next?: Readonly<Record<string, number>>;
  /** Megawatts that pumps take. */
  readonly pumping?: number;
  readonly domain?: string;
}

const iso = (atMs: number) => new Date(atMs).toISOString().slice(0, 16) + "Z";

/** One series of hours. `curve` A03 leaves out what repeats. */
export function seriesXml(
  psrType: string,
  values: readonly (number | undefined)[],
  options: {
    readonly startMs: number;
    readonly curve?: string;
    readonly taken?: boolean;
    readonly domain?: string;
    readonly minutes?: number;
  },
): string {
  const { startMs, curve = "A01", taken = false, domain = "10YFR-RTE------C", minutes = 60 } = options;
  const side = taken ? "outBiddingZone_Domain.mRID" : "inBiddingZone_Domain.mRID";
  const points = values.map((value, i) =>
    value === undefined ? "" : `<Point><position>${i + 1}</position><quantity>${value}</quantity></Point>`
  );
  return `  <TimeSeries>
    <mRID>1</mRID><businessType>A01</businessType><objectAggregation>A08</objectAggregation>
    <${side} codingScheme="A01">${domain}</${side}>
    <quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name>
    <curveType>${curve}</curveType>
    <MktPSRType><psrType>${psrType}</psrType></MktPSRType>
    <Period>
      <timeInterval><start>${iso(startMs)}</start><end>${
    iso(startMs + values.length * minutes * 60_000)
  }</end></timeInterval>
      <resolution>PT${minutes}M</resolution>${points.join("")}
    </Period>
  </TimeSeries>`;
}

/** A whole document. */
export const documentXml = (...series: readonly string[]): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0">
  <mRID>731ff11ed02a40a88d8e35c6daec9254</mRID><type>A75</type>
  <!-- a note -->
${series.join("\n")}
</GL_MarketDocument>`;

/** A document of one or two hours. */
export function generationXml({ atMs, mix, next, pumping, domain }: Generation): string {
  const startMs = Math.floor(atMs / 3_600_000) * 3_600_000;
  const options = { startMs, ...(domain === undefined ? {} : { domain }) };
  const series = Object.entries(mix).map(([psrType, value]) =>
    seriesXml(
      psrType,
      next === undefined ? [value] : [value, next[psrType]].filter((each) => each !== undefined),
      options,
    )
  );
  if (pumping !== undefined) series.push(seriesXml("B10", [pumping], { ...options, taken: true }));
  return documentXml(...series);
}
