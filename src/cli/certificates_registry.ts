/**
 * `kwaainet certificates registry query | cancel | claim | submit`: a registry is asked when the operator says so.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { BUNDLE_STATUSES } from "../energy/certificates/bundle.ts";
import { consumptionRows } from "../energy/certificates/intervals.ts";
import { toIsoSeconds } from "../energy/certificates/quantities.ts";
import {
  act,
  actionRequest,
  askForBundles,
  measurementRequest,
  queryRequests,
} from "../energy/certificates/registry.ts";
import type { RegistryRequest } from "../energy/certificates/registry_http.ts";
import { NOTHING_ISSUED, REGISTRY_STATEMENT } from "../energy/certificates/statement.ts";
import { type CertificateBundle, wattHoursOf } from "../energy/certificates/types.ts";
import type { KnownRegistry } from "../energy/certificates/vouch.ts";
import { ownBooks } from "./certificates_books.ts";
import { beneficiariesOf, identityOf, periodOf, type Work, writeOut } from "./certificates_work.ts";
import { unknownWord } from "./config.ts";

const ACTIONS = {
  query,
  cancel: (work: Work) => actOn(work, "cancel"),
  claim: (work: Work) => actOn(work, "claim"),
  submit,
} as const;

/** Does what the word after `registry` says. */
export async function useRegistry(work: Work): Promise<number> {
  const [word = "", ...words] = work.words;
  if (!Object.hasOwn(ACTIONS, word)) throw unknownWord("certificates registry", word, Object.keys(ACTIONS));
  return await ACTIONS[word as keyof typeof ACTIONS]({ ...work, words });
}

/** The registry that is set. Throws `NodeError` `usage` that names the setting that is missing. */
export function registryOf({ settings: { config } }: Work): KnownRegistry {
  const needed = <T>(value: T | undefined, path: string): T => {
    if (value !== undefined) return value;
    throw new NodeError(
      "usage",
      `Cannot use a registry: ${path} is not set, wanted it in the configuration or by --set`,
    );
  };
  return {
    access: {
      url: needed(config["certificates.registry"], "certificates.registry"),
      token: config["certificates.registry_token"],
    },
    account: {
      accountId: needed(config["certificates.account_id"], "certificates.account_id"),
      userId: needed(config["certificates.user_id"], "certificates.user_id"),
    },
    zone: config["certificates.registry_zone"],
  };
}

async function query(work: Work): Promise<number> {
  const { world, invocation: { flags, output }, signal } = work;
  const registry = registryOf(work);
  const status = flags.get("status") as string | undefined;
  if (status !== undefined && !(BUNDLE_STATUSES as readonly string[]).includes(status)) {
    throw new NodeError(
      "usage",
      `Cannot query status ${JSON.stringify(status)}, wanted one of ${BUNDLE_STATUSES.join(", ")}`,
    );
  }
  const requests = queryRequests(registry.account, {
    ...periodOf(work),
    ...(status === undefined ? {} : { status }),
  });
  if (flags.has("dry-run")) return showRequests(work, registry, requests);
  const found = [];
  for (const request of requests) found.push(...await askForBundles(world, registry.access, request, signal));
  const bundles = found.flatMap(({ bundle }) => bundle === undefined ? [] : [bundle]);
  if (flags.has("json") || flags.has("output")) {
    const unreadable = found.length - bundles.length;
    // what `import` reads
    await writeOut(
      work,
      JSON.stringify({
        schema: 1,
        issued: false,
        statement: NOTHING_ISSUED,
        unreadable,
        bundles: bundles.map(({ raw }) => raw),
      }),
    );
    return 0;
  }
  for (const read of found) output.line(read.bundle === undefined ? read.why : asLine(read.bundle));
  output.line(`${found.length} bundles`);
  return 0;
}

const asLine = (bundle: CertificateBundle): string =>
  [
    `${bundle.registryId ?? "-"}`.padStart(8),
    bundle.status.padEnd(9),
    toIsoSeconds(bundle.startMs),
    `${wattHoursOf(bundle)} Wh`.padStart(10),
    bundle.source,
    bundle.issuanceId,
  ].join("  ");

async function actOn(work: Work, action: "cancel" | "claim"): Promise<number> {
  const registry = registryOf(work);
  const ids = work.words.map((word) => {
    if (/^\d{1,15}$/.test(word)) return Number(word);
    throw new NodeError(
      "usage",
      `Cannot ${action} ${JSON.stringify(word)}, wanted the registry's number of a bundle`,
    );
  });
  const named = work.settings.config["certificates.beneficiary"];
  const [beneficiary = ""] = named.length > 0 ? named : beneficiariesOf((await identityOf(work)).peerId);
  return await send(work, registry, [actionRequest(registry.account, action, ids, beneficiary)]);
}

async function submit(work: Work): Promise<number> {
  const registry = registryOf(work);
  const deviceId = work.settings.config["certificates.device_id"];
  if (deviceId === undefined) {
    throw new NodeError(
      "usage",
      "Cannot submit readings: certificates.device_id is not set, wanted the registry's number of this device",
    );
  }
  const { consumption } = await ownBooks(work, periodOf(work));
  const { peerId } = await identityOf(work);
  const measured = consumptionRows(peerId, consumption).filter((row) => row.measured);
  return await send(work, registry, measured.map((row) => measurementRequest(deviceId, row)));
}

/** Sends what changes something at the registry, when `--send` says so; else shows what would be sent. */
async function send(
  work: Work,
  registry: KnownRegistry,
  requests: readonly RegistryRequest[],
): Promise<number> {
  const { world, invocation: { flags, output }, signal } = work;
  if (!flags.has("send") || flags.has("dry-run")) return showRequests(work, registry, requests);
  const receipts: (number | null)[] = [];
  for (const request of requests) {
    const { id } = await act(world, registry.access, request, signal);
    receipts.push(id ?? null);
    if (!flags.has("json")) output.line(`${request.path}: accepted${id === undefined ? "" : ` as ${id}`}`);
  }
  if (flags.has("json")) {
    output.json({ schema: 1, issued: false, statement: REGISTRY_STATEMENT, dryRun: false, receipts });
  }
  return 0;
}

function showRequests(
  work: Work,
  { access }: KnownRegistry,
  requests: readonly RegistryRequest[],
): number {
  const { invocation: { flags, output } } = work;
  if (flags.has("json")) {
    const shown = requests.map(({ method, path, body }) => ({ method, path, body: body ?? null }));
    output.json({
      schema: 1,
      issued: false,
      statement: REGISTRY_STATEMENT,
      dryRun: true,
      registry: access.url,
      requests: shown,
    });
    return 0;
  }
  for (const { method, path, body } of requests) {
    output.line(`${method} ${path} ${JSON.stringify(body ?? {})}`);
  }
  output.line(
    `Nothing was sent to ${access.url}: ${requests.length} requests would be, with --send those that change something`,
  );
  return 0;
}
