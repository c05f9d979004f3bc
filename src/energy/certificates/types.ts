/**
 * What energy certificates and the claims about them are made of. Energy is counted in integers: microjoules in the
 * books, milliwatt-hours where meters count, watt-hours in certificates.
 *
 * @module
 */
import type { SOURCE_TYPES } from "../../config/keys_certificates.ts";
import type { EnergyKind } from "../types.ts";

/**
 * How far a statement about green energy can be believed. `A`: own production, metered beside what the site uses, and
 * signed. `B`: a cancelled granular certificate of at most an hour from the same zone. `C`: a yearly certificate. `D`: the
 * average of the grid. `E`: the operator's word. Only A and B count as green.
 */
export type EvidenceClass = "A" | "B" | "C" | "D" | "E";

/** Classes that count as green. */
export const GREEN_CLASSES = ["A", "B"] as const satisfies readonly EvidenceClass[];

/** An energy source as the EnergyTag registry names it. */
export type SourceType = (typeof SOURCE_TYPES)[number];

/** One hour of the node's books. Hours that nobody measured are absent, not 0. */
export interface ConsumptionHour {
  /** Unix milliseconds, a whole UTC hour. */
  readonly startMs: number;
  /** One hour later. */
  readonly endMs: number;
  readonly microjoules: bigint;
  /** Measured time by elapsed time, 0 to 1. */
  readonly coverage: number;
  readonly kind: EnergyKind;
  /** Half width of the 95 % interval, relative; null where it is not known. */
  readonly uncertainty: number | null;
  /** That part of it which own production gave, where the books were kept beside the meters that tell. */
  readonly own?: {
    readonly microjoules: bigint;
    readonly evidence: EvidenceClass;
    readonly source: SourceType;
  };
}

/** One hour of a production device. */
export interface ProductionHour {
  /** Plain word for the device, such as `roof`. */
  readonly device: string;
  readonly source: SourceType;
  /** Unix milliseconds, a whole UTC hour. */
  readonly startMs: number;
  readonly endMs: number;
  readonly milliwattHours: bigint;
  /** What the whole site used in that hour; absent where no meter tells. Without it the production is only a word. */
  readonly siteMilliwattHours?: bigint;
  /** Measured time by elapsed time, 0 to 1. */
  readonly coverage: number;
  readonly kind: EnergyKind;
  readonly uncertainty: number | null;
}

/** A bundle of granular certificates as some registry wrote it, with the fields that decide anything here. */
export interface CertificateBundle {
  readonly issuanceId: string;
  readonly status: string;
  readonly accountId: number | undefined;
  /** First and last certificate number, both included. */
  readonly rangeStart: number;
  readonly rangeEnd: number;
  /** Certificates in the bundle. */
  readonly quantity: number;
  /** Watt-hours of each. */
  readonly faceValue: number;
  readonly beneficiary: string | undefined;
  readonly carrier: string;
  readonly source: SourceType;
  readonly deviceId: string;
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly isStorage: boolean;
  /** Grams of CO2 equivalent for each kWh, as the device's own factor. */
  readonly gramsPerKwh: number | undefined;
  /** Market zone, else country, of the issue, as the bundle itself says. */
  readonly statedZone: string | undefined;
  /** The same, else as metadata beside the bundle say. */
  readonly zone: string | undefined;
  readonly issuer: string | undefined;
  /** The issuer's signature, base64, over all other fields of the bundle. */
  readonly signature: string | undefined;
  /** The registry's own number of the bundle. */
  readonly registryId: number | undefined;
  /** Fields that nobody here understands; they decide nothing. */
  readonly unknown: Readonly<Record<string, unknown>>;
  /** The object as it stood in the file: what an issuer would have signed. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** Watt-hours of a bundle. */
export const wattHoursOf = (
  { quantity, faceValue }: Pick<CertificateBundle, "quantity" | "faceValue">,
): bigint => BigInt(quantity) * BigInt(faceValue);

/** A bundle that was imported. */
export interface StoredCertificate {
  readonly issuanceId: string;
  readonly deviceId: string;
  readonly rangeStart: number;
  readonly rangeEnd: number;
  readonly wattHours: bigint;
  readonly source: SourceType;
  readonly zone: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly gramsPerKwh: number | undefined;
  readonly evidence: "B" | "C" | "E";
  /** Who vouches for it: `key:<issuer>`, `registry:<address>`, or in words why nobody does. */
  readonly by: string;
  readonly importedAtMs: number;
}
