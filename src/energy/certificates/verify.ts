/**
 * Whether a certificate bundle may be counted, and how far it can be believed. Pure: who vouches for it was asked before,
 * whether its range is free is asked after (`used_ranges.ts`).
 *
 * @module
 */
import { HOUR_MS, hourOf, ofWattHours, toIsoSeconds } from "./quantities.ts";
import { type CertificateBundle, type StoredCertificate, wattHoursOf } from "./types.ts";

/** Longest interval of a yearly certificate: a leap year and an hour of a time zone. */
const MAX_YEARLY_MS = 366 * 24 * HOUR_MS + HOUR_MS;

/** What bundles are measured against. */
export interface Terms {
  /** Names under which certificates are cancelled for this node. */
  readonly beneficiaries: readonly string[];
  /** Our account at the registry: its holder is the beneficiary where none is named. */
  readonly accountId: number | undefined;
  /** Names of the market zone that the node takes its electricity from. */
  readonly zones: readonly string[];
  /** Microjoules that the node used in the UTC hour that begins then; `undefined` where the books have no figure. */
  consumedIn(hourStartMs: number): bigint | undefined;
}

/** Who vouches for a bundle, and for which zone; or why nobody does; or what speaks against it. */
export type Voucher =
  | { readonly by: string; readonly zone: string | undefined }
  | { readonly by: undefined; readonly why: string; readonly against?: true };

/** What came of a bundle. `most` is how many watt-hours its hour can take; absent for yearly ones. */
export type Judgement =
  | {
    readonly verdict: "accepted";
    readonly certificate: Omit<StoredCertificate, "importedAtMs">;
    readonly mostWattHours: bigint | undefined;
  }
  | { readonly verdict: "refused"; readonly reasons: readonly string[] };

/** Judges `bundle`, with every reason against it. */
export function judge(bundle: CertificateBundle, terms: Terms, voucher: Voucher): Judgement {
  const reasons = [
    ...whatItIs(bundle),
    ...whoseItIs(bundle, terms),
    ...whereItIs(bundle, terms),
    ...whenItIs(bundle, terms),
    ...(voucher.by === undefined && voucher.against === true ? [voucher.why] : []),
  ];
  if (reasons.length > 0) return { verdict: "refused", reasons };
  const { evidence, by } = evidenceOf(bundle, terms, voucher);
  return {
    verdict: "accepted",
    certificate: {
      issuanceId: bundle.issuanceId,
      deviceId: bundle.deviceId,
      rangeStart: bundle.rangeStart,
      rangeEnd: bundle.rangeEnd,
      wattHours: wattHoursOf(bundle),
      source: bundle.source,
      zone: bundle.zone ?? "",
      startMs: bundle.startMs,
      endMs: bundle.endMs,
      gramsPerKwh: bundle.gramsPerKwh,
      evidence,
      by,
    },
    mostWattHours: isHourly(bundle)
      ? (terms.consumedIn(hourOf(bundle.startMs)) ?? 0n) / ofWattHours(1n)
      : undefined,
  };
}

const isHourly = ({ startMs, endMs }: CertificateBundle): boolean => endMs - startMs <= HOUR_MS;

function* whatItIs({ quantity, rangeStart, rangeEnd, carrier, isStorage, status }: CertificateBundle) {
  if (status !== "Cancelled" && status !== "Claimed") {
    yield `its status is ${status}, wanted Cancelled or Claimed: others could still use it`;
  }
  // the registry's rule (bundle_quantity in its schema); a bundle that its partial cancellation split breaks it by one
  if (BigInt(quantity) !== BigInt(rangeEnd) - BigInt(rangeStart) + 1n) {
    yield `it counts ${quantity} certificates in the range ${rangeStart} to ${rangeEnd}, wanted end - start + 1`;
  }
  if (carrier.toLowerCase() !== "electricity") yield "it is of another energy carrier, wanted electricity";
  if (isStorage) yield "it is of a storage device: what charged it cannot be checked here";
}

function* whoseItIs({ beneficiary, accountId }: CertificateBundle, terms: Terms) {
  if (beneficiary !== undefined) {
    if (!terms.beneficiaries.includes(beneficiary)) {
      yield `its beneficiary is another, wanted ${
        terms.beneficiaries.join(" or ")
      } (certificates.beneficiary)`;
    }
  } else if (accountId === undefined || accountId !== terms.accountId) {
    yield "it names no beneficiary and is not in our account (certificates.account_id)";
  }
}

function* whereItIs({ zone }: CertificateBundle, { zones }: Terms) {
  if (zone !== undefined && zones.length > 0 && !isZone(zone, zones)) {
    yield `its zone is another, wanted ${zones.join(" or ")} (certificates.zones)`;
  }
}

function* whenItIs(bundle: CertificateBundle, terms: Terms) {
  const { startMs, endMs } = bundle;
  if (endMs <= startMs) yield "its interval ends before it begins";
  else if (isHourly(bundle)) {
    if (endMs > hourOf(startMs) + HOUR_MS) yield "its interval lies in two hours of UTC, wanted one";
    else if (terms.consumedIn(hourOf(startMs)) === undefined) {
      yield `the books have no consumption for ${toIsoSeconds(hourOf(startMs))}`;
    }
  } else if (endMs - startMs > MAX_YEARLY_MS) yield "its interval is longer than a year";
}

const isZone = (zone: string, zones: readonly string[]): boolean =>
  zones.some((ours) => ours.toLowerCase() === zone.toLowerCase());

function evidenceOf(
  bundle: CertificateBundle,
  { zones }: Terms,
  voucher: Voucher,
): Pick<StoredCertificate, "evidence" | "by"> {
  const word = (why: string) => ({ evidence: "E", by: `unverified: ${why}` }) as const;
  if (voucher.by === undefined) return word(voucher.why);
  if (zones.length === 0) return word("no zone is set to compare with (certificates.zones)");
  if (voucher.zone === undefined) return word(`${voucher.by} says nothing of its zone`);
  if (!isZone(voucher.zone, zones)) return word(`${voucher.by} says that its zone is another`);
  return { evidence: isHourly(bundle) ? "B" : "C", by: voucher.by };
}
