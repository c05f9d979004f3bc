/**
 * What a node tells about itself.
 *
 * @module
 */
import { energyStatusOf, policyStatus, type ServingStatus, type StatusDocument } from "../api/status.ts";
import type { World } from "../base/world.ts";
import type { EnergyMeter } from "../energy/meter.ts";
import type { Account } from "./account.ts";
import type { Contribution } from "./contribute.ts";
import type { Health } from "./health.ts";
import type { NodeModel } from "./node_model.ts";
import type { NodeText } from "./open_text.ts";
import type { Network } from "./parts.ts";
import type { NodePlan } from "./plan.ts";

/** What the status is put together from. */
export interface StatusParts {
  readonly world: World;
  readonly plan: NodePlan;
  readonly network: Network;
  readonly health: Health;
  readonly account: Account;
  readonly contribution: Contribution;
  readonly meter: EnergyMeter;
  readonly model: NodeModel;
  readonly text: Pick<NodeText, "load">;
  readonly startedAtMs: number;
}

/** What a node tells about itself, as of now. */
export function nodeStatus(
  { world, plan, network, health, account, contribution, meter, model: { serving }, text, startedAtMs }:
    StatusParts,
): StatusDocument {
  const { sessions: _, ...work } = account.totals;
  return {
    schema: 1,
    version: plan.version,
    peerId: network.rpc.self,
    addresses: network.addresses(),
    network: plan.network.name,
    reachability: verdictOf(network),
    dht: { ...network.dht.status(), lastAnnounceAt: serving?.announcedAtMs ?? null },
    serving: plan.model === undefined ? null : serving?.status() ?? loadingStatus(plan),
    answers: text.load,
    energy: energyStatusOf(meter.snapshot()),
    work,
    policy: policyStatus(contribution.decision),
    ...(contribution.device === undefined ? {} : { device: contribution.device }),
    readiness: health.readiness,
    degraded: health.degraded,
    uptimeSeconds: Math.round(world.clock.monotonic() - startedAtMs) / 1000,
  };
}

/** Who knows nobody could ask nobody. */
function verdictOf({ reachability, dht }: Network): StatusDocument["reachability"] {
  const isAlone = reachability.checkedAt === undefined && reachability.state === "unknown" &&
    dht.status().peers === 0;
  return isAlone
    ? { state: "unknown", reason: "no other node is known yet that could call back" }
    : reachability;
}

const loadingStatus = ({ model, range, config }: NodePlan): ServingStatus => ({
  model: model!,
  prefix: config.dht_prefix ?? "",
  blocks: [range?.start ?? 0, range?.end ?? 0],
  engine: "",
  sessions: 0,
  cacheTokensLeft: 0,
});
