/**
 * `kwaainet certificates export` and `match`: what this node says of its own hours.
 *
 * @module
 */
import {
  type EmissionLines,
  match,
  type MatchedHour,
  type Matching,
} from "../energy/certificates/matching.ts";
import { matchingJson } from "../energy/certificates/matching_json.ts";
import { toIsoSeconds, toWattHours } from "../energy/certificates/quantities.ts";
import { intervalDocument, signDocument } from "../energy/certificates/sign.ts";
import { CLASS_WORDS, MATCH_STATEMENT } from "../energy/certificates/statement.ts";
import { type GridOrigin, ownBooks, readBooks } from "./certificates_books.ts";
import { identityOf, openBooks, periodOf, type Work, writeOut, zonesOf } from "./certificates_work.ts";

/** Writes the node's own hours, signed. Hours of a file are not taken: a device signs what it has in its books. */
export async function exportHours(work: Work): Promise<number> {
  const { world, settings: { config }, invocation: { output, flags } } = work;
  const period = periodOf(work);
  const identity = await identityOf(work);
  const document = intervalDocument({
    peerId: identity.peerId,
    atMs: world.clock.now(),
    ...period,
    country: config["certificates.country"],
    zone: zonesOf(config)[0],
    ...await ownBooks(work, period),
  });
  await writeOut(
    work,
    JSON.stringify(await signDocument(identity, document), null, flags.has("json") ? 0 : 1),
  );
  if (flags.has("output")) {
    const { consumption, production, missing_hours } = document;
    output.error(
      `Wrote ${consumption.length} h of consumption and ${production.length} h of production, ${missing_hours} h are missing. It is a claim of this device, not a certificate.`,
    );
  }
  return 0;
}

/** Reports how much of what was used is matched with green energy, hour by hour. */
export async function matchHours(work: Work): Promise<number> {
  const { settings: { config }, invocation: { output, flags } } = work;
  const period = periodOf(work);
  const books = await readBooks(work, period);
  using ranges = await openBooks(work, { make: false });
  const found = match({
    ...period,
    ...books,
    certificates: ranges.between(period.fromMs, period.toMs),
    counted: config["certificates.counted_sources"],
    productionCertified: config["certificates.production_certified"],
    gridIn: books.gridIn,
  });
  if (flags.has("json")) {
    const report = matchingJson(found, { ...period, zones: zonesOf(config) });
    output.json({ ...report, device: books.device ?? null, grid: books.grid ?? null });
  } else for (const line of lines(found, books.grid)) output.line(line);
  return 0;
}

function* lines(found: Matching, grid: GridOrigin | undefined): Generator<string> {
  yield "hour                    Wh used  kind         A Wh    B Wh  class";
  for (const hour of found.hours) yield hourLine(hour);
  const percent = found.cfeMillionths === undefined
    ? "nothing was used"
    : `${Number(found.cfeMillionths / 100n) / 100} %`;
  const [green, used] = [toWattHours(found.greenMicrojoules), toWattHours(found.consumedMicrojoules)];
  yield `CFE: ${percent} (${green} of ${used} Wh); ${found.missingHours} hours have no figure`;
  for (const { class: kind, source, microjoules } of found.bySource) {
    yield `${kind}  ${source}  ${toWattHours(microjoules)} Wh  ${CLASS_WORDS[kind]}`;
  }
  if (found.yearlyWattHours > 0n) yield `C  ${found.yearlyWattHours} Wh  ${CLASS_WORDS.C}`;
  if (found.wordMicrojoules > 0n) yield `E  ${toWattHours(found.wordMicrojoules)} Wh  ${CLASS_WORDS.E}`;
  if (found.emissions === undefined || grid === undefined) {
    yield "Emissions: the books have no figure of the grid";
  } else yield* emissionLines(found.emissions, grid);
  yield MATCH_STATEMENT;
}

function hourLine(hour: MatchedHour): string {
  const of = (wanted: string) =>
    hour.parts.reduce((sum, part) => part.class === wanted ? sum + part.microjoules : sum, 0n);
  return [
    toIsoSeconds(hour.startMs),
    `${toWattHours(hour.microjoules)}`.padStart(9),
    (hour.measured ? "measured" : hour.kind === "measured" ? "gaps" : hour.kind).padEnd(8),
    `${toWattHours(of("A"))}`.padStart(6),
    `${toWattHours(of("B"))}`.padStart(6),
    hour.evidence,
  ].join("  ");
}

function* emissionLines(emissions: EmissionLines, grid: GridOrigin): Generator<string> {
  const grams = (milligrams: bigint) => `${Number(milligrams) / 1000} g CO2e`;
  const rest = emissions.residualMix ? "residual mix" : "average of the grid";
  yield `Location-based: ${grams(emissions.locationMilligrams)}`;
  yield `Market-based: ${grams(emissions.marketMilligrams)} (the rest by the ${rest})`;
  yield `Avoided, against the average of the grid: ${grams(emissions.avoidedMilligrams)}`;
  yield `Grid: ${grid.method} grams of ${grid.zones.join(", ")} in ${emissions.hours} hours; ${
    grid.attributions.join("; ")
  }`;
}
