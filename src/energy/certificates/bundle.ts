/**
 * Certificate bundles out of files and answers, field names as in the EnergyTag GC Registry API V2 and its reference
 * registry. Reads; judges nothing.
 *
 * @module
 */
import * as v from "valibot";
import { messageOf, NodeError } from "../../base/errors.ts";
import { SOURCE_TYPES } from "../../config/keys_certificates.ts";
import { checkShape, parseJson, plainText, wholeNumber } from "./bounded_json.ts";
import { readTime } from "./quantities.ts";
import { isIntervalDocument } from "./sign.ts";
import { type CertificateBundle } from "./types.ts";

/** Every status that a bundle can have (reference registry). */
export const BUNDLE_STATUSES = [
  "Active",
  "Cancelled",
  "Claimed",
  "Expired",
  "Withdrawn",
  "Locked",
  "Reserved",
  "Bundle Split",
  "Cancelled for Storage",
] as const;

/** Most bundles of one file: a year of hours, and some. */
export const MAX_BUNDLES = 10_000;
/** Most fields of a bundle; the registry's full view has 45. */
const MAX_FIELDS = 100;
/** A certificate stands for 1 Wh; larger face values than 1 MWh are none. */
const MAX_FACE_VALUE = 1_000_000;
/** Most energy of a bundle: a terawatt-hour is no node's. */
const MAX_WATT_HOURS = 1_000_000_000_000n;

const time = v.pipe(
  v.string("a time"),
  v.transform(readTime),
  v.number("a time of UTC, of the years 2000 to 2100"),
);
const number = wholeNumber(0);
const name = v.pipe(v.union([plainText, number], "a text or a whole number"), v.transform(String));

/** Fields that decide something, and those that are known to decide nothing. */
const FIELDS = {
  issuance_id: name,
  certificate_bundle_status: v.picklist(BUNDLE_STATUSES, `one of ${BUNDLE_STATUSES.join(", ")}`),
  account_id: v.nullish(number),
  metadata_id: v.nullish(number),
  certificate_bundle_id_range_start: number,
  certificate_bundle_id_range_end: number,
  bundle_quantity: wholeNumber(1),
  beneficiary: v.nullish(plainText),
  energy_carrier: plainText,
  energy_source: v.picklist(SOURCE_TYPES, `one of ${SOURCE_TYPES.join(", ")}`),
  face_value: wholeNumber(1, MAX_FACE_VALUE),
  device_id: name,
  production_starting_interval: time,
  production_ending_interval: time,
  // the reference registry declares it as a number in one place and as a boolean in another
  is_storage: v.union([v.boolean(), v.picklist([0, 1])], "true or false"),
  is_deleted: v.nullish(v.boolean("true or false")),
  emissions_factor_production_device: v.nullish(
    v.pipe(v.number("a number"), v.minValue(0, "0 or more"), v.maxValue(100_000, "100000 or less")),
  ),
  issue_market_zone: v.nullish(plainText),
  country_of_issuance: v.nullish(plainText),
  issuing_body: v.nullish(plainText),
  id: v.nullish(number),
  issuer_signature: v.nullish(v.pipe(v.string("base64"), v.maxLength(1000, "at most 1000 characters"))),
};
const IGNORED = [
  "hash",
  "expiry_datestamp",
  "issuance_datestamp",
  "created_at",
  "issuance_post_energy_carrier_conversion",
  "emissions_factor_source",
  "storage_efficiency_factor",
  "sdr_allocation_id",
  "connected_grid_identification",
  "registry_configuration",
];
const KNOWN = new Set([...Object.keys(FIELDS), ...IGNORED]);
const bundleShape = v.object(FIELDS);

const metadataShape = v.object({
  id: number,
  issue_market_zone: v.nullish(plainText),
  country_of_issuance: v.nullish(plainText),
  issuing_body: v.nullish(plainText),
});

/** One entry of a file: a bundle, or why it is none. */
export type ReadBundle =
  | { readonly bundle: CertificateBundle }
  | { readonly bundle: undefined; readonly why: string };

/**
 * The bundles in the text of a file: one bundle, a list, the answer to a query, or an object with lists `bundles` and
 * `metadata` (which holds zone and issuer by `metadata_id`). An entry that is no bundle does not spoil the others.
 * Throws `NodeError` `malformed`, `too_large` for a text that holds none.
 */
export function readBundles(text: string, what: string): ReadBundle[] {
  return bundlesOf(parseJson(text, what), what);
}

/** As {@linkcode readBundles}, of a value of JSON. */
export function bundlesOf(value: unknown, what: string): ReadBundle[] {
  const { entries, metadata } = unpack(value, what);
  if (entries.length > MAX_BUNDLES) {
    throw new NodeError(
      "too_large",
      `Cannot read ${what}: it holds ${entries.length} bundles, wanted at most ${MAX_BUNDLES}`,
    );
  }
  return entries.map((entry, at): ReadBundle => {
    try {
      return { bundle: readBundle(entry, `bundle ${at + 1} of ${what}`, metadata) };
    } catch (error) {
      if (error instanceof NodeError) return { bundle: undefined, why: messageOf(error) };
      throw error;
    }
  });
}

type Metadata = v.InferOutput<typeof metadataShape>;

function unpack(value: unknown, what: string): { entries: unknown[]; metadata: Map<number, Metadata> } {
  const none = new Map<number, Metadata>();
  if (Array.isArray(value)) return { entries: value, metadata: none };
  if (!isObject(value)) {
    throw new NodeError("malformed", `Cannot read ${what}: wanted certificate bundles in JSON`);
  }
  if (isIntervalDocument(value)) {
    throw new NodeError(
      "malformed",
      `Cannot read ${what}: it holds intervals that a device claims, wanted certificates that a registry issued`,
    );
  }
  const list = value["bundles"] ?? value["granular_certificate_bundles"];
  if (list === undefined) return { entries: [value], metadata: none };
  if (!Array.isArray(list)) throw new NodeError("malformed", `Cannot read ${what}: its bundles are no list`);
  const given = value["metadata"] ?? [];
  const metadata = checkShape(
    v.pipe(v.array(metadataShape), v.maxLength(MAX_BUNDLES)),
    given,
    `metadata of ${what}`,
  );
  return { entries: list, metadata: new Map(metadata.map((each) => [each.id, each])) };
}

function readBundle(
  entry: unknown,
  what: string,
  metadata: ReadonlyMap<number, Metadata>,
): CertificateBundle {
  if (!isObject(entry)) throw new NodeError("malformed", `Cannot read ${what}: wanted an object`);
  if (Object.keys(entry).length > MAX_FIELDS) {
    throw new NodeError("malformed", `Cannot read ${what}: it has more than ${MAX_FIELDS} fields`);
  }
  const read = checkShape(bundleShape, entry, what);
  if (BigInt(read.bundle_quantity) * BigInt(read.face_value) > MAX_WATT_HOURS) {
    throw new NodeError("malformed", `Cannot read ${what}: it holds more than ${MAX_WATT_HOURS} Wh`);
  }
  const more = metadata.get(read.metadata_id ?? -1);
  return {
    issuanceId: read.issuance_id,
    status: read.is_deleted ? "Bundle Split" : read.certificate_bundle_status,
    accountId: read.account_id ?? undefined,
    rangeStart: read.certificate_bundle_id_range_start,
    rangeEnd: read.certificate_bundle_id_range_end,
    quantity: read.bundle_quantity,
    faceValue: read.face_value,
    beneficiary: read.beneficiary ?? undefined,
    carrier: read.energy_carrier,
    source: read.energy_source,
    deviceId: read.device_id,
    startMs: read.production_starting_interval,
    endMs: read.production_ending_interval,
    isStorage: read.is_storage === true || read.is_storage === 1,
    gramsPerKwh: read.emissions_factor_production_device ?? undefined,
    statedZone: read.issue_market_zone ?? read.country_of_issuance ?? undefined,
    zone: read.issue_market_zone ?? read.country_of_issuance ?? more?.issue_market_zone ??
      more?.country_of_issuance ?? undefined,
    issuer: read.issuing_body ?? more?.issuing_body ?? undefined,
    registryId: read.id ?? undefined,
    signature: read.issuer_signature ?? undefined,
    unknown: Object.fromEntries(Object.entries(entry).filter(([field]) => !KNOWN.has(field))),
    raw: entry,
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
