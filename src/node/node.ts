/**
 * The running whole.
 *
 * @module
 */
import { carbonMetrics } from "../api/metrics_input.ts";
import { energyDocument, todayDocument } from "../api/energy.ts";
import { energyStatusOf, policyStatus, type ServingStatus, type StatusDocument } from "../api/status.ts";
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { EnergyMeter } from "../energy/meter.ts";
import { Account } from "./account.ts";
import type { Contribution } from "./contribute.ts";
import type { Tell } from "./events.ts";
import { Health } from "./health.ts";
import { carbonAwareSource } from "./open_carbon.ts";
import type { Asking } from "./open_asking.ts";
import { openText, type TextBase } from "./open_text.ts";
import { keepMembership } from "./membership.ts";
import type { Network, NodeParts, Serving } from "./parts.ts";
import type { NodePlan } from "./plan.ts";

/** A running node. Disposing it stops everything in the reverse order of the start. */
export interface RunningNode extends AsyncDisposable {
  readonly status: () => StatusDocument;
  /** Rejects when what was asked for can never run: a model that is not there, too little memory. Never resolves. */
  readonly failed: Promise<never>;
}

/**
 * Starts a node: lock, identity and listening, local API; joining, loading and announcing go on in the background and
 * are told as events. Throws `NodeError` for what cannot be opened at once.
 */
export async function openNode(
  world: World,
  plan: NodePlan,
  parts: NodeParts,
  tell: Tell,
): Promise<RunningNode> {
  await using rooms = new AsyncDisposableStack();
  const startedAtMs = world.clock.monotonic();
  const lock = rooms.use(await parts.openLock(world, plan));
  const network = rooms.use(await parts.openNetwork(world, plan));
  tell({ kind: "listening", peerId: network.rpc.self, addresses: network.addresses() });

  const carbon = rooms.use(await parts.openCarbon(world, plan, network.table("carbon")));
  const { meter } = rooms.use(parts.openEnergy(world, plan));
  const own = rooms.use(await parts.openOwnPower(world, plan, () => meter.figure.watts ?? undefined));
  carbon.keep(() => meter.sums(), own.localOf);
  const modelOpened = Promise.withResolvers<TextBase>();
  modelOpened.promise.catch(() => {});
  const account = new Account({ meter, self: network.rpc.self });
  let serving: Serving | undefined;
  let asking: Asking | undefined;
  const health = new Health(tell, () => {
    const { rpc } = network;
    const addresses = network.addresses();
    const { version } = plan;
    tell({ kind: "ready", peerId: rpc.self, addresses, api: api.url, served: serving?.served, version });
  });
  health.pending("start", "the node starts");
  const contribution = rooms.use(parts.openContribution(world, plan, {
    health,
    table: network.table("policy"),
    servedBytes: () => account.totals.bytesIn + account.totals.bytesOut,
    gramsPerKwh: () => carbon.books.snapshot().intensity ?? undefined,
  }));
  const status = (): StatusDocument =>
    statusOf({ world, plan, network, health, account, contribution, meter, serving, startedAtMs });
  const text = rooms.use(openText(world, {
    rpc: network.rpc,
    dht: network.dht,
    observer: account,
    base: () => modelOpened.promise,
    loaded: () => serving?.loaded ?? asking?.loaded,
    limits: { places: plan.config["text.sessions"], queue: plan.config["text.waiting"] },
    draftTokens: plan.config["text.draft_tokens"],
    spotCheckShare: plan.config["text.spot_check_share"],
  }));
  const api = rooms.use(
    parts.openApi(world, plan, {
      status,
      energy: () =>
        energyDocument(meter.snapshot(), {
          carbon: carbon.books.snapshot(),
          today: todayDocument(carbon.books, world.clock.now()),
          renewable: own.snapshot(),
        }),
      metrics: () => ({
        status: status(),
        energy: meter.snapshot(),
        sums: meter.sums(),
        byKind: meter.byKind,
        carbon: carbonMetrics(carbon.books, own.snapshot()?.share ?? null),
      }),
      carbonAware: carbonAwareSource(world, carbon.intensity),
      text,
      pause: (untilMs) => contribution.pause(untilMs),
    }),
  );
  const named = plan.model ?? plan.asks;
  lock.describe({
    pid: Deno.pid,
    api: api.url,
    ...(api.ownKey === undefined ? {} : { key: api.ownKey }),
    ...(named === undefined ? {} : { model: named }),
  });

  const membership = rooms.use(keepMembership(world.clock, network, health));
  rooms.use(network.keepReachability(membership.tried));
  const context = { world, plan, network, health, account, contribution, tell, joined: membership.tried };
  if (plan.model !== undefined) serving = rooms.use(parts.openServing(context));
  else if (plan.asks !== undefined) asking = rooms.use(parts.openAsking(context));
  modelOpened.resolve((serving ?? asking)?.base ?? Promise.reject(noModel()));
  health.done("start");
  const running = rooms.move();
  return {
    status,
    failed: (serving ?? asking)?.failed ?? new Promise<never>(() => {}),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

const noModel = () =>
  new NodeError(
    "not_found",
    "Cannot answer: this node has no model, wanted one (kwaainet start --model SOURCE, with --no-serve to only ask)",
  );

interface Told {
  readonly world: World;
  readonly plan: NodePlan;
  readonly network: Network;
  readonly health: Health;
  readonly account: Account;
  readonly contribution: Contribution;
  readonly meter: EnergyMeter;
  readonly serving: Serving | undefined;
  readonly startedAtMs: number;
}

function statusOf(
  { world, plan, network, health, account, contribution, meter, serving, startedAtMs }: Told,
): StatusDocument {
  const { sessions: _, ...work } = account.totals;
  return {
    schema: 1,
    version: plan.version,
    peerId: network.rpc.self,
    addresses: network.addresses(),
    network: plan.network.name,
    reachability: network.reachability,
    dht: { ...network.dht.status(), lastAnnounceAt: serving?.announcedAtMs ?? null },
    serving: plan.model === undefined ? null : serving?.status() ?? loadingStatus(plan),
    energy: energyStatusOf(meter.snapshot()),
    work,
    policy: policyStatus(contribution.decision),
    ...(contribution.device === undefined ? {} : { device: contribution.device }),
    readiness: health.readiness,
    degraded: health.degraded,
    uptimeSeconds: Math.round(world.clock.monotonic() - startedAtMs) / 1000,
  };
}

const loadingStatus = ({ model, range, config }: NodePlan): ServingStatus => ({
  model: model!,
  prefix: config.dht_prefix ?? "",
  blocks: [range?.start ?? 0, range?.end ?? 0],
  engine: "",
  sessions: 0,
  cacheTokensLeft: 0,
});
