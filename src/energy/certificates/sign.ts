/**
 * Documents of energy intervals, signed by the node's identity key over their canonical JSON (RFC 8785), so that whoever
 * has the file alone can check it: the key is in it, and the peer id follows from the key.
 *
 * @module
 */
import canonicalize from "canonicalize";
import * as v from "valibot";
import { encodeUtf8 } from "../../base/bytes.ts";
import { NodeError } from "../../base/errors.ts";
import type { PeerId } from "../../base/tensor.ts";
import { SOURCE_TYPES } from "../../config/keys_certificates.ts";
import type { Identity } from "../../identity/keys.ts";
import { type Signature, SIGNATURE_ALGORITHMS, signBytes, signerOf } from "../../identity/sign.ts";
import { checkShape, plainText, wholeNumber } from "./bounded_json.ts";
import {
  type ConsumptionRow,
  consumptionRows,
  isMeasured,
  MAX_HOURS,
  type ProductionRow,
  productionRows,
} from "./intervals.ts";
import { HOUR_MS, isWholeHour, readTime, toIsoSeconds } from "./quantities.ts";
import { EXPORT_STATEMENT } from "./statement.ts";
import { type ConsumptionHour, type ProductionHour } from "./types.ts";

/** What a document says of itself. */
const TYPE = "kwaainet-energy-intervals";

/** What goes into a document. */
export interface IntervalClaim {
  readonly peerId: PeerId;
  /** When it is written, Unix milliseconds. */
  readonly atMs: number;
  /** Whole UTC hours, half-open: the period that was looked through. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly country: string | undefined;
  readonly zone: string | undefined;
  readonly consumption: readonly ConsumptionHour[];
  readonly production: readonly ProductionHour[];
}

/** A document before it is signed. */
export interface IntervalDocument {
  readonly schema: 1;
  readonly type: typeof TYPE;
  readonly issued: false;
  readonly certificate_bundle_status: "unissued";
  readonly statement: string;
  readonly peer_id: PeerId;
  readonly created: string;
  readonly country: string | null;
  readonly zone: string | null;
  readonly from: string;
  readonly to: string;
  /** Hours of the period without a figure of consumption. */
  readonly missing_hours: number;
  readonly consumption: readonly ConsumptionRow[];
  readonly production: readonly ProductionRow[];
}

/** A document with its signature. */
export type SignedDocument = IntervalDocument & { readonly signature: Signature };

/** Puts hours into a document. Throws `NodeError` `malformed`, `too_large` for hours that are none. */
export function intervalDocument(claim: IntervalClaim): IntervalDocument {
  const { peerId, fromMs, toMs } = claim;
  const within = <T extends { readonly startMs: number; readonly endMs: number }>(hours: readonly T[]) =>
    hours.filter(({ startMs, endMs }) => startMs >= fromMs && endMs <= toMs);
  const consumption = consumptionRows(peerId, within(claim.consumption));
  return {
    schema: 1,
    type: TYPE,
    issued: false,
    certificate_bundle_status: "unissued",
    statement: EXPORT_STATEMENT,
    peer_id: peerId,
    created: toIsoSeconds(claim.atMs),
    country: claim.country ?? null,
    zone: claim.zone ?? null,
    from: toIsoSeconds(fromMs),
    to: toIsoSeconds(toMs),
    missing_hours: Math.max(0, Math.floor((toMs - fromMs) / HOUR_MS) - consumption.length),
    consumption,
    production: productionRows(peerId, within(claim.production)),
  };
}

/** Signs a document of `identity`'s own. */
export async function signDocument(
  identity: Identity,
  document: IntervalDocument,
): Promise<SignedDocument> {
  if (document.peer_id !== identity.peerId) throw new TypeError("A node signs no document of another");
  return { ...document, signature: await signBytes(identity, canonicalBytes(document)) };
}

/**
 * The bytes that are signed: RFC 8785 of `value` in UTF-8. Throws `NodeError` `malformed` for what JSON cannot say
 * without loss, such as half a surrogate pair.
 */
export function canonicalBytes(value: object): Uint8Array<ArrayBuffer> {
  try {
    return encodeUtf8(canonicalize(value)!);
  } catch (cause) {
    throw new NodeError("malformed", "Cannot sign or check: the document has no canonical form (RFC 8785)", {
      cause,
    });
  }
}

const time = v.pipe(v.string("a time"), v.check((text) => readTime(text) !== undefined, "a time of UTC"));
const origin = {
  device_id: plainText,
  certificate_bundle_status: v.literal("unissued"),
  measured: v.boolean("true or false"),
  kind: v.picklist(["measured", "modelled", "mixed"], "measured, modelled or mixed"),
  coverage: v.pipe(v.number("a number"), v.minValue(0, "0 or more"), v.maxValue(1, "1 or less")),
  relative_uncertainty: v.nullable(v.pipe(v.number("a number"), v.minValue(0, "0 or more"))),
};
const consumptionRow = v.object({
  ...origin,
  interval_start_datetime: time,
  interval_end_datetime: time,
  interval_usage: wholeNumber(0),
  own_usage: v.nullable(wholeNumber(0)),
  own_source: v.nullable(v.picklist(SOURCE_TYPES, "an energy source")),
  own_evidence: v.nullable(v.picklist(["A", "B", "C", "D", "E"], "a class from A to E")),
  gross_net_indicator: v.literal("gross"),
});
const productionRow = v.object({
  ...origin,
  energy_carrier: v.literal("electricity"),
  energy_source: v.picklist(SOURCE_TYPES, "an energy source"),
  production_starting_interval: time,
  production_ending_interval: time,
  bundle_quantity: wholeNumber(0),
  site_usage: v.nullable(wholeNumber(0)),
  face_value: v.literal(1),
});
const signedDocument = v.object({
  schema: v.literal(1),
  type: v.literal(TYPE),
  issued: v.literal(false),
  certificate_bundle_status: v.literal("unissued"),
  statement: v.pipe(v.string("a text"), v.maxLength(2000, "at most 2000 characters")),
  peer_id: plainText,
  created: time,
  country: v.nullable(plainText),
  zone: v.nullable(plainText),
  from: time,
  to: time,
  missing_hours: wholeNumber(0),
  consumption: v.pipe(v.array(consumptionRow), v.maxLength(MAX_HOURS, `at most ${MAX_HOURS} rows`)),
  production: v.pipe(v.array(productionRow), v.maxLength(MAX_HOURS, `at most ${MAX_HOURS} rows`)),
  signature: v.object({
    algorithm: v.picklist(Object.values(SIGNATURE_ALGORITHMS), "a known algorithm"),
    publicKey: plainKey(),
    value: plainKey(),
  }),
});

function plainKey() {
  return v.pipe(v.string("base64"), v.maxLength(1000, "at most 1000 characters"));
}

/** Whether a value of JSON says that it is a document of intervals. */
export const isIntervalDocument = (value: unknown): boolean =>
  typeof value === "object" && value !== null && (value as { type?: unknown }).type === TYPE;

/** What checking a document found. */
export type DocumentCheck =
  | { readonly valid: true; readonly peerId: PeerId; readonly document: SignedDocument }
  | { readonly valid: false; readonly why: string };

/**
 * Whether the device that a document names has signed it as it stands, and its rows are whole hours of that device, none
 * twice. Throws `NodeError` `malformed` for what is no such document, `unsupported` for other kinds of keys.
 */
export async function checkDocument(value: unknown): Promise<DocumentCheck> {
  const document = checkShape(signedDocument, value, "the intervals") as SignedDocument;
  // what is signed is all that stands in the file, also what is not understood here
  const { signature: _, ...unsigned } = value as Record<string, unknown>;
  const peerId = await signerOf(canonicalBytes(unsigned), document.signature);
  if (peerId === undefined) {
    return { valid: false, why: "it was changed after it was signed, or its key is another" };
  }
  if (peerId !== document.peer_id) {
    return { valid: false, why: "it names another device than the one that signed it" };
  }
  const why = wrongRow(document);
  return why === undefined ? { valid: true, peerId, document } : { valid: false, why };
}

function wrongRow({ peer_id, consumption, production }: SignedDocument): string | undefined {
  const seen = new Set<string>();
  const rows = [
    ...consumption.map((row) => [row, row.interval_start_datetime, row.interval_end_datetime] as const),
    ...production.map((row) =>
      [row, row.production_starting_interval, row.production_ending_interval] as const
    ),
  ];
  for (const [row, start, end] of rows) {
    if (!row.device_id.startsWith(`${peer_id}:`)) {
      return "a row is of another device than the one that signed it";
    }
    const startMs = readTime(start)!;
    if (!isWholeHour(startMs, readTime(end)!)) return "a row is no whole UTC hour";
    if (row.measured && !isMeasured(row)) {
      return "a row calls measured what was not";
    }
    const name = `${startMs} ${row.device_id}`;
    if (seen.has(name)) return "an hour comes twice";
    seen.add(name);
  }
  return undefined;
}
