/**
 * `kwaainet certificates import` and `verify`: what files of strangers are worth.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { parseJson } from "../energy/certificates/bounded_json.ts";
import { bundlesOf } from "../energy/certificates/bundle.ts";
import { readIssuerKeys } from "../energy/certificates/issuer_keys.ts";
import { toIsoSeconds } from "../energy/certificates/quantities.ts";
import { checkDocument, isIntervalDocument } from "../energy/certificates/sign.ts";
import { EXPORT_STATEMENT, IMPORT_STATEMENT } from "../energy/certificates/statement.ts";
import type { CertificateBundle, StoredCertificate } from "../energy/certificates/types.ts";
import type { Addition, Offer } from "../energy/certificates/used_ranges.ts";
import { judge } from "../energy/certificates/verify.ts";
import { vouchFor } from "../energy/certificates/vouch.ts";
import { readBooks } from "./certificates_books.ts";
import { registryOf } from "./certificates_registry.ts";
import { openBooks, readTextOf, termsOf, type Work } from "./certificates_work.ts";

/** What came of one bundle of a file. */
interface Finding {
  readonly file: string;
  /** Place in the file, from 1. */
  readonly place: number;
  readonly bundle: CertificateBundle | undefined;
  readonly certificate: Omit<StoredCertificate, "importedAtMs"> | undefined;
  readonly outcome: "counted" | "shown" | "known" | "refused";
  readonly reasons: readonly string[];
}

/** Imports the bundles of files; 1 when some were refused. */
export async function importFiles(work: Work): Promise<number> {
  const findings = await examine(work, await readFiles(work), "add");
  return report(work, findings, { imported: true });
}

/** Tells what a file is worth, and writes nothing: a signed file of intervals, or bundles as an import would take them. */
export async function verifyFile(work: Work): Promise<number> {
  const [path = ""] = work.words;
  const value = parseJson(await readTextOf(path), `"${path}"`);
  if (isIntervalDocument(value)) return await verifyIntervals(work, path, value);
  const findings = await examine(work, readEntries(value, path), "preview");
  return report(work, findings, { imported: false });
}

async function verifyIntervals(
  { invocation: { output, flags } }: Work,
  path: string,
  value: unknown,
): Promise<number> {
  const check = await checkDocument(value);
  const base = { schema: 1, issued: false, statement: EXPORT_STATEMENT, file: path };
  if (!check.valid) {
    if (flags.has("json")) output.json({ ...base, valid: false, why: check.why });
    else output.line(`${path}: not what a device signed: ${check.why}`);
    return 1;
  }
  const { document, peerId } = check;
  const rows = { consumption: document.consumption.length, production: document.production.length };
  if (flags.has("json")) {
    output.json({ ...base, valid: true, peerId, from: document.from, to: document.to, ...rows });
  } else {
    output.line(
      `${path}: signed by ${peerId}, ${document.from} to ${document.to}, ${rows.consumption} h of consumption, ${rows.production} h of production`,
    );
    output.line("It is a claim of that device, not a certificate: nothing was issued for it.");
  }
  return 0;
}

interface Entry {
  readonly file: string;
  readonly place: number;
  readonly bundle: CertificateBundle | undefined;
  readonly why: string | undefined;
}

async function readFiles({ words }: Work): Promise<Entry[]> {
  if (words.length === 0) {
    throw new NodeError(
      "usage",
      "Cannot import: no file is named, wanted kwaainet certificates import FILE…",
    );
  }
  const entries: Entry[] = [];
  for (const path of words) {
    entries.push(...readEntries(parseJson(await readTextOf(path), `"${path}"`), path));
  }
  return entries;
}

const readEntries = (value: unknown, file: string): Entry[] =>
  bundlesOf(value, `"${file}"`).map((read, at) => ({
    file,
    place: at + 1,
    bundle: read.bundle,
    why: read.bundle === undefined ? read.why : undefined,
  }));

async function examine(work: Work, entries: readonly Entry[], how: "add" | "preview"): Promise<Finding[]> {
  const { world, settings: { config }, invocation, signal } = work;
  const bundles = entries.flatMap(({ bundle }) => bundle === undefined ? [] : [bundle]);
  const terms = await termsOf(work, await readBooks(work, timesOf(bundles)));
  const keys = readIssuerKeys(config["certificates.issuer_keys"]);
  const registry = invocation.flags.has("ask-registry") ? registryOf(work) : undefined;
  const vouched = await vouchFor(world, bundles, { keys, registry }, signal);
  const importedAtMs = Math.round(world.clock.now());
  let next = 0;
  const judged = entries.map((entry) => {
    if (entry.bundle === undefined) return { entry, reasons: [entry.why!] };
    const { bundle, voucher } = vouched[next++]!;
    const judgement = judge(bundle, terms, voucher);
    return judgement.verdict === "refused" ? { entry: { ...entry, bundle }, reasons: judgement.reasons } : {
      entry: { ...entry, bundle },
      offer: {
        certificate: { ...judgement.certificate, importedAtMs },
        mostWattHours: judgement.mostWattHours,
      } satisfies Offer,
    };
  });
  using ranges = await openBooks(work, { make: how === "add" });
  const additions = ranges[how](judged.flatMap(({ offer }) => offer === undefined ? [] : [offer]));
  let taken = 0;
  return judged.map(({ entry, offer, reasons = [] }) =>
    findingOf(
      entry,
      offer,
      offer === undefined ? { outcome: "refused", reason: reasons.join("; ") } : additions[taken++]!,
    )
  );
}

function findingOf({ file, place, bundle }: Entry, offer: Offer | undefined, addition: Addition): Finding {
  const refused = addition.outcome === "refused";
  const certificate = refused ? undefined : offer!.certificate;
  return {
    file,
    place,
    bundle,
    certificate,
    outcome: refused || addition.outcome === "known"
      ? addition.outcome
      : certificate!.evidence === "B"
      ? "counted"
      : "shown",
    reasons: refused ? [addition.reason] : [],
  };
}

function timesOf(bundles: readonly CertificateBundle[]): { fromMs: number; toMs: number } {
  const starts = bundles.map(({ startMs }) => startMs);
  const ends = bundles.map(({ endMs }) => endMs);
  return {
    fromMs: starts.reduce((least, at) => Math.min(least, at), Infinity),
    toMs: ends.reduce((most, at) => Math.max(most, at), -Infinity),
  };
}

function report(
  { invocation: { output, flags } }: Work,
  findings: readonly Finding[],
  { imported }: { imported: boolean },
): number {
  const count = (outcome: Finding["outcome"]) => findings.filter((each) => each.outcome === outcome).length;
  const refused = count("refused");
  if (flags.has("json")) {
    output.json({
      schema: 1,
      issued: false,
      statement: IMPORT_STATEMENT,
      imported,
      counted: count("counted"),
      shown: count("shown"),
      known: count("known"),
      refused,
      bundles: findings.map(asJson),
    });
  } else {
    for (const finding of findings) output.line(asLine(finding));
    output.line(
      `${count("counted")} count (class B), ${count("shown")} are shown and count nothing, ${
        count("known")
      } were here already, ${refused} refused${imported ? "" : "; nothing was written"}`,
    );
  }
  return refused > 0 ? 1 : 0;
}

function asJson({ file, place, bundle, certificate, outcome, reasons }: Finding) {
  return {
    file,
    place,
    outcome,
    evidence: certificate?.evidence ?? null,
    by: certificate?.by ?? null,
    reasons,
    issuanceId: bundle?.issuanceId ?? null,
    range: bundle === undefined ? null : [bundle.rangeStart, bundle.rangeEnd],
    wattHours: certificate === undefined ? null : Number(certificate.wattHours),
    source: bundle?.source ?? null,
    zone: bundle?.zone ?? null,
    start: bundle === undefined ? null : toIsoSeconds(bundle.startMs),
    end: bundle === undefined ? null : toIsoSeconds(bundle.endMs),
    unknownFields: Object.keys(bundle?.unknown ?? {}),
  };
}

function asLine({ file, place, bundle, certificate, outcome, reasons }: Finding): string {
  const name = bundle === undefined
    ? `${file} bundle ${place}`
    : `${bundle.issuanceId} ${bundle.rangeStart}–${bundle.rangeEnd} ${bundle.source}`;
  if (certificate === undefined) return `${name}: refused: ${reasons.join("; ")}`;
  return `${name}: ${certificate.wattHours} Wh, ${outcome}, class ${certificate.evidence}, ${certificate.by}`;
}
