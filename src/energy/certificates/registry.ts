/**
 * A client for certificate registries of the EnergyTag GC Registry API V2, as the reference registry (Apache-2.0,
 * Future Energy Associates) serves it. Nothing here runs by itself: each request is one that the operator asked for.
 *
 * @module
 */
import * as v from "valibot";
import { codeOf, messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import { checkShape, plainText, wholeNumber } from "./bounded_json.ts";
import { bundlesOf, type ReadBundle } from "./bundle.ts";
import type { ConsumptionRow, ProductionRow } from "./intervals.ts";
import { HOUR_MS, toIsoSeconds } from "./quantities.ts";
import { ask, type RegistryAccess, type RegistryRequest } from "./registry_http.ts";
import type { CertificateBundle } from "./types.ts";

/** Whose account it is. */
export interface RegistryAccount {
  readonly accountId: number;
  readonly userId: number;
}

/** Longest period of one query, as the reference registry allows. */
const WINDOW_MS = 30 * 24 * HOUR_MS;
/** Longest period of all its queries together. */
const MAX_PERIOD_MS = 366 * 24 * HOUR_MS;
/** Issuances asked for at once. */
const ISSUANCES = 50;
/** Most bundles cancelled or claimed at once. */
const MAX_ACTED_ON = 1_000;

/** Questions for the bundles of a period: one for each 30 days, as no longer period is answered. */
export function queryRequests(
  account: RegistryAccount,
  { fromMs, toMs, status }: { readonly fromMs: number; readonly toMs: number; readonly status?: string },
): RegistryRequest[] {
  if (!(toMs > fromMs) || toMs - fromMs > MAX_PERIOD_MS) {
    throw new NodeError("usage", "Cannot query the registry: the period is empty or longer than a year");
  }
  const requests: RegistryRequest[] = [];
  for (let startMs = fromMs; startMs < toMs; startMs += WINDOW_MS) {
    requests.push(query(account, {
      certificate_period_start: toIsoSeconds(startMs),
      certificate_period_end: toIsoSeconds(Math.min(startMs + WINDOW_MS, toMs)),
      ...(status === undefined ? {} : { certificate_bundle_status: status }),
    }));
  }
  return requests;
}

/** Questions for bundles by their issuance. */
export function issuanceRequests(
  account: RegistryAccount,
  issuanceIds: readonly string[],
): RegistryRequest[] {
  const unique = [...new Set(issuanceIds)];
  return Array.from(
    { length: Math.ceil(unique.length / ISSUANCES) },
    (_, at) => query(account, { issuance_ids: unique.slice(at * ISSUANCES, (at + 1) * ISSUANCES) }),
  );
}

const query = ({ accountId, userId }: RegistryAccount, filter: Record<string, unknown>): RegistryRequest => ({
  method: "POST",
  path: "/certificate/query",
  body: { source_id: accountId, user_id: userId, localise_time: false, ...filter },
  reads: true,
});

/**
 * Cancels or claims whole bundles. Parts are not offered: the reference registry gives the part that it splits off a
 * range of one certificate too many. The action's name and its target stand in the body because its routes and its
 * schema ask for one each.
 */
export function actionRequest(
  { accountId, userId }: RegistryAccount,
  action: "cancel" | "claim",
  bundleIds: readonly number[],
  beneficiary: string,
): RegistryRequest {
  if (bundleIds.length === 0 || bundleIds.length > MAX_ACTED_ON) {
    throw new NodeError(
      "usage",
      `Cannot ${action}: ${bundleIds.length} bundles, wanted 1 to ${MAX_ACTED_ON}`,
    );
  }
  return {
    method: "POST",
    path: `/certificate/${action}`,
    body: {
      source_id: accountId,
      user_id: userId,
      granular_certificate_bundle_ids: bundleIds,
      localise_time: false,
      beneficiary,
      action_type: action,
      ...(action === "claim" ? { target_id: accountId } : {}),
    },
    reads: false,
  };
}

/** Submits one hour's reading of the device that the registry knows by `deviceId`. Only what was measured is a reading. */
export function measurementRequest(deviceId: number, row: ConsumptionRow | ProductionRow): RegistryRequest {
  if (!row.measured) throw new TypeError("An hour that was not measured is no meter reading");
  const isConsumption = "interval_usage" in row;
  return {
    method: "POST",
    path: "/measurement/create",
    body: {
      device_id: deviceId,
      interval_start_datetime: isConsumption ? row.interval_start_datetime : row.production_starting_interval,
      interval_end_datetime: isConsumption ? row.interval_end_datetime : row.production_ending_interval,
      interval_usage: isConsumption ? row.interval_usage : row.bundle_quantity,
      gross_net_indicator: "gross",
    },
    reads: false,
  };
}

/**
 * The bundles that answer `request`; none where the registry says that there are none, which it does by a failure.
 * Throws as `ask` does.
 */
export async function askForBundles(
  world: World,
  access: RegistryAccess,
  request: RegistryRequest,
  signal: AbortSignal,
): Promise<ReadBundle[]> {
  try {
    const answer = await ask(world, access, request, signal);
    const list = Array.isArray(answer)
      ? answer
      : (answer as QueryAnswer | null)?.granular_certificate_bundles;
    if (Array.isArray(list)) return bundlesOf(list, "the registry's answer");
  } catch (error) {
    const code = codeOf(error as Error, "remote");
    if ((code === "not_found" || code === "refused") && /no certificates found/i.test(messageOf(error))) {
      return [];
    }
    throw error;
  }
  throw new NodeError("malformed", "Cannot read the registry's answer: it holds no list of bundles");
}

interface QueryAnswer {
  readonly granular_certificate_bundles?: unknown;
}

const receipt = v.object({
  id: v.nullish(wholeNumber(0)),
  action_response_status: v.nullish(plainText),
});

/** What a registry answers to an action or a reading: the number under which it keeps it. */
export interface Receipt {
  readonly id: number | undefined;
}

/** Sends an action or a reading. Throws as `ask` does, and `refused` when the registry took it only to reject it. */
export async function act(
  world: World,
  access: RegistryAccess,
  request: RegistryRequest,
  signal: AbortSignal,
): Promise<Receipt> {
  const answer = await ask(world, access, request, signal);
  // one version of the reference registry answers with a list of one
  const one = Array.isArray(answer) && answer.length === 1 ? answer[0] : answer;
  const { id, action_response_status: status } = checkShape(receipt, one, "the registry's receipt");
  if (status === "rejected") {
    throw new NodeError("refused", `Cannot use ${request.path} of the registry: it was rejected there`);
  }
  return { id: id ?? undefined };
}

/**
 * The full view of one bundle, which states zone and issuer; `undefined` from a registry that has no such view.
 * Throws as `ask` does.
 */
export async function askForBundle(
  world: World,
  access: RegistryAccess,
  registryId: number,
  signal: AbortSignal,
): Promise<CertificateBundle | undefined> {
  const path = `/certificate/${registryId}`;
  try {
    const answer = await ask(world, access, { method: "GET", path, body: undefined, reads: true }, signal);
    return bundlesOf(answer, "the registry's answer")[0]?.bundle;
  } catch (error) {
    const code = codeOf(error as Error, "remote");
    // 405: the path exists for other methods only
    if (code === "not_found" || (code === "refused" && /it answered 405/.test(messageOf(error)))) {
      return undefined;
    }
    throw error;
  }
}
