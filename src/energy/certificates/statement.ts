/**
 * What is said of certificates, word for word, wherever figures about them leave the program.
 *
 * @module
 */
import type { EvidenceClass } from "./types.ts";

/** Stands in everything that has to do with certificates. */
export const NOTHING_ISSUED = "kwaainet issues no certificates and trades none.";

/** Stands in exported intervals. */
export const EXPORT_STATEMENT =
  "This file is a claim signed by the device that wrote it. It is not a certificate: nothing was issued for it, by this " +
  `node or by anybody else, and it must not be sold or cancelled as one. ${NOTHING_ISSUED} ` +
  "Watt-hours are rounded down; hours without a figure are left out; hours that were not measured are marked.";

/** Stands in matching reports. */
export const MATCH_STATEMENT =
  "Green is consumption matched hour by hour with own metered production (class A) or with cancelled certificates of at " +
  "most an hour from the same zone (class B); classes C, D and E are shown and count nothing. Location-based, " +
  `market-based and avoided emissions are three figures: none is taken from another. ${NOTHING_ISSUED}`;

/** Stands in what an import found. */
export const IMPORT_STATEMENT =
  "An imported bundle is a record of what a registry or a file says. It is counted here once; whether it was used " +
  `elsewhere only its registry knows. ${NOTHING_ISSUED}`;

/** Stands beside requests to a registry. */
export const REGISTRY_STATEMENT =
  "Cancelling and claiming are acts of the account holder at the registry, done because the operator asked for them; " +
  `they cannot be taken back. ${NOTHING_ISSUED}`;

/** What each evidence class means. */
export const CLASS_WORDS: Readonly<Record<EvidenceClass, string>> = {
  A: "own production, metered beside the site's use, and signed",
  B: "cancelled granular certificate of at most an hour, same zone",
  C: "yearly certificate: shown, counts nothing",
  D: "average of the grid: shown, counts nothing",
  E: "the operator's word: shown, counts nothing",
};
