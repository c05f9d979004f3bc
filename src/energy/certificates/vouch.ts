/**
 * Who vouches for bundles: their issuer's signature, else the registry that is asked.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import { type IssuerKeys, vouchByKey } from "./issuer_keys.ts";
import { askForBundle, askForBundles, issuanceRequests, type RegistryAccount } from "./registry.ts";
import type { RegistryAccess } from "./registry_http.ts";
import type { CertificateBundle } from "./types.ts";
import type { Voucher } from "./verify.ts";

/** A registry to ask, as the operator knows it. */
export interface KnownRegistry {
  readonly access: RegistryAccess;
  readonly account: RegistryAccount;
  /** Zone of all its certificates, where it does not say so itself. */
  readonly zone: string | undefined;
}

/** Who may be asked. */
export interface Vouchers {
  readonly keys: IssuerKeys;
  /** Absent where no registry is to be asked. */
  readonly registry: KnownRegistry | undefined;
}

/** A bundle as it is to be judged: as its issuer signed it, or as its registry has it. */
export interface VouchedBundle {
  readonly bundle: CertificateBundle;
  readonly voucher: Voucher;
}

/**
 * Looks for a voucher for each bundle, in order. What a registry does not know, or knows otherwise, it speaks against.
 * Throws as `ask` does when a registry that is to be asked does not answer.
 */
export async function vouchFor(
  world: World,
  bundles: readonly CertificateBundle[],
  { keys, registry }: Vouchers,
  signal: AbortSignal,
): Promise<VouchedBundle[]> {
  const byKey = bundles.map((bundle) => ({ bundle, voucher: vouchByKey(bundle, keys) }));
  if (registry === undefined) return byKey;
  const open = new Set(byKey.filter(({ voucher }) => voucher.by === undefined && voucher.against !== true));
  const known = await bundlesOfRegistry(
    world,
    registry,
    [...open].map(({ bundle }) => bundle.issuanceId),
    signal,
  );
  const zoneOf = async (registryId: number) =>
    (await askForBundle(world, registry.access, registryId, signal))?.statedZone;
  const vouched: VouchedBundle[] = [];
  for (const each of byKey) {
    vouched.push(open.has(each) ? await vouchByRegistry(each.bundle, known, registry, zoneOf) : each);
  }
  return vouched;
}

/** What a registry answered: bundles by their range, and how many it wrote in a form that is not read here. */
interface Answered {
  readonly bundles: ReadonlyMap<string, CertificateBundle>;
  readonly unreadable: number;
}

async function bundlesOfRegistry(
  world: World,
  { access, account }: KnownRegistry,
  issuanceIds: readonly string[],
  signal: AbortSignal,
): Promise<Answered> {
  const bundles = new Map<string, CertificateBundle>();
  let unreadable = 0;
  for (const request of issuanceRequests(account, issuanceIds)) {
    for (const { bundle } of await askForBundles(world, access, request, signal)) {
      if (bundle === undefined) unreadable++;
      // a query by issuance also gives the parents of bundles that were split
      else if (bundle.status !== "Bundle Split") bundles.set(rangeOf(bundle), bundle);
    }
  }
  return { bundles, unreadable };
}

const rangeOf = ({ deviceId, rangeStart, rangeEnd }: CertificateBundle): string =>
  `${rangeStart} ${rangeEnd} ${deviceId}`;

async function vouchByRegistry(
  bundle: CertificateBundle,
  { bundles, unreadable }: Answered,
  { access, zone }: KnownRegistry,
  zoneOf: (registryId: number) => Promise<string | undefined>,
): Promise<VouchedBundle> {
  const against = (why: string): VouchedBundle => ({
    bundle,
    voucher: { by: undefined, why, against: true },
  });
  const theirs = bundles.get(rangeOf(bundle));
  if (theirs === undefined) {
    return unreadable > 0
      ? { bundle, voucher: { by: undefined, why: "the registry's answer could not be read whole" } }
      : against("the registry has no such bundle");
  }
  const other = whatDiffers(theirs, bundle);
  if (other !== undefined) return against(`the registry has another ${other} for it`);
  const by = `registry:${new URL(access.url).host}`;
  const stated = theirs.statedZone ?? zone ??
    (theirs.registryId === undefined ? undefined : await zoneOf(theirs.registryId));
  return { bundle: { ...theirs, zone: stated }, voucher: { by, zone: stated } };
}

function whatDiffers(theirs: CertificateBundle, ours: CertificateBundle): string | undefined {
  const fields = ["startMs", "endMs", "quantity", "faceValue", "source"] as const;
  const words = {
    startMs: "start",
    endMs: "end",
    quantity: "quantity",
    faceValue: "face value",
    source: "source",
  };
  const field = fields.find((each) => theirs[each] !== ours[each]);
  return field === undefined ? undefined : words[field];
}
