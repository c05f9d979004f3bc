/**
 * The running whole.
 *
 * @module
 */
import { carbonMetrics } from "../api/metrics_input.ts";
import { energyDocument, todayDocument } from "../api/energy.ts";
import type { StatusDocument } from "../api/status.ts";
import type { World } from "../base/world.ts";
import { machineRests } from "../policy/own_use.ts";
import { Account } from "./account.ts";
import type { Tell } from "./events.ts";
import { Health } from "./health.ts";
import { carbonAwareSource } from "./open_carbon.ts";
import { openText, textLimits } from "./open_text.ts";
import { keepMembership } from "./membership.ts";
import { NodeModel } from "./node_model.ts";
import type { NodeParts } from "./parts.ts";
import { runningSettings } from "./running_settings.ts";
import { nodeStatus } from "./status.ts";
import { swarmSource } from "./swarm_view.ts";
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
  const model = new NodeModel();
  const account = new Account({ meter, self: network.rpc.self });
  const health = new Health(tell, () => {
    const { rpc } = network;
    const addresses = network.addresses();
    const { version } = plan;
    tell({
      kind: "ready",
      peerId: rpc.self,
      addresses,
      api: api.url,
      served: model.serving?.served,
      version,
    });
  });
  health.pending("start", "the node starts");
  const contribution = rooms.use(parts.openContribution(world, plan, {
    health,
    table: network.table("policy"),
    servedBytes: () => account.totals.bytesIn + account.totals.bytesOut,
    gramsPerKwh: () => carbon.books.snapshot().intensity ?? undefined,
  }));
  const text = rooms.use(openText(world, {
    rpc: network.rpc,
    dht: network.dht,
    observer: account,
    base: () => model.base,
    loaded: () => model.loaded,
    rests: () => machineRests(contribution.decision),
    ...textLimits(plan.config),
  }));
  const status = (): StatusDocument =>
    nodeStatus({ world, plan, network, health, account, contribution, meter, model, text, startedAtMs });
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
      swarm: swarmSource(world, plan.network.name, network, () => model.announced),
      text,
      pause: (untilMs) => contribution.pause(untilMs),
      own: (peerId) => contribution.own(peerId),
    }),
  );
  tell({ kind: "answering", api: api.url });
  const named = plan.model ?? plan.asks;
  lock.describe({
    pid: Deno.pid,
    api: api.url,
    ...(api.ownKey === undefined ? {} : { key: api.ownKey }),
    ...(named === undefined ? {} : { model: named }),
    settings: runningSettings(plan.config),
  });

  const membership = rooms.use(keepMembership(world.clock, network, health));
  rooms.use(network.keepReachability(membership.tried));
  const { tried: joined } = membership;
  const lastAnswers = () => text.leave();
  const context = { world, plan, network, health, account, contribution, tell, joined, lastAnswers };
  const work = model.open(parts, context);
  // answers come to their end while the swarm is told that the blocks are leaving
  rooms.defer(async () => void await Promise.all([text.leave(), work[Symbol.asyncDispose]()]));
  health.done("start");
  const running = rooms.move();
  return {
    status,
    failed: model.failed,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
