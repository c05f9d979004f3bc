/**
 * From a model's name to blocks that the swarm can use, and back.
 *
 * @module
 */
import { openFirstOf } from "../base/deadline.ts";
import { blocksOf } from "../api/status.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import { type BlockRange, lengthOf } from "../base/tensor.ts";
import { dhtPrefixOf } from "../config/network_profile.ts";
import { requireBlocks } from "../model/slice.ts";
import type { ModelSource } from "../model/source.ts";
import { openAnnouncer } from "../petals/server/announce.ts";
import { requirePrefix } from "../petals/uid.ts";
import { announcedInfo } from "./announced_info.ts";
import type { TextBase } from "./open_text.ts";
import type { Serving, ServingContext } from "./parts.ts";
import { serveUntilDeath } from "./serve_blocks.ts";
import type { ServingParts, Span } from "./serving_parts.ts";
import { ServingState } from "./serving_state.ts";
import { blocksThatFit, chooseRange, configuredNeed, megabytes, requireRange } from "./span.ts";

/** Longest wait for the first try to join: blocks are chosen by what others serve, but not at any price. */
const JOIN_WAIT_MS = 10_000;
/** First pause after the engine died; doubled each time it dies again soon. */
const FIRST_PAUSE_MS = 1_000;
/** Longest such pause. */
const MAX_PAUSE_MS = 60_000;
/** An engine that lived this long starts with the first pause again. */
const STEADY_MS = 300_000;

/** Begins to serve in the background. Dispose to say OFFLINE, end streams with words and free everything. */
export function openServing(context: ServingContext, parts: ServingParts): Serving {
  const end = new AbortController();
  const state = new ServingState();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const base = Promise.withResolvers<TextBase>();
  base.promise.catch(() => {});
  context.health.pending("blocks", "blocks are not served yet");
  const life = serve(context, parts, { state, open: base.resolve }, end.signal).catch((error) => {
    base.reject(end.signal.aborted ? end.signal.reason : error);
    if (!end.signal.aborted) failed.reject(error);
  });
  return {
    get served() {
      return state.served;
    },
    get announcedAtMs() {
      return state.announcedAtMs(context.plan.network.recordLifeMs);
    },
    get loaded() {
      return state.loaded;
    },
    base: base.promise,
    status: () => state.status(),
    failed: failed.promise,
    async [Symbol.asyncDispose]() {
      end.abort(new NodeError("aborted", "The node stops"));
      await life;
    },
  };
}

async function serve(
  context: ServingContext,
  parts: ServingParts,
  { state, open }: { readonly state: ServingState; readonly open: (base: TextBase) => void },
  signal: AbortSignal,
): Promise<void> {
  const { plan, network, tell, world } = context;
  const say = (text: string) => tell({ kind: "progress", text });
  const grow = (text: string, share: number) => tell({ kind: "progress", text, share });
  const { source, repository } = await parts.openModel(plan, grow, signal);
  await using model = source;
  const prefix = plan.config.dht_prefix ?? dhtPrefixOf(model.id, plan.network);
  requirePrefix(prefix);
  const { blocks } = model.architecture;
  requireBlocks(model, requireRange(plan.range ?? { start: 0, end: blocks }, model));
  await using engine = await parts.openEngine(context, model, signal);
  open({ model, prefix, engine, draft: parts.draft });
  await joinedOrLate(context, signal);
  const range = await rangeOf(context, { model, prefix, availableBytes: parts.availableBytes() }, signal);
  state.modelBlocks = blocks;
  state.choose({ model: model.id, prefix, blocks: range, engine: engine.name });
  say(`Loading blocks ${blocksOf(range).join(":")} of ${model.id} with ${engine.name} (${engine.reason})`);

  const announcer = await openAnnouncer(world, {
    dht: network.dht,
    self: network.rpc.self,
    profile: plan.network,
    prefix,
    range,
    model: { blocks, repository },
    info: () => state.announced = announcedInfo(context, state, model),
  }, signal);
  state.announcer = announcer;
  let farewell: Promise<void> | undefined;
  const goodbye = () => farewell ??= Promise.resolve(announcer[Symbol.asyncDispose]());
  try {
    await keepServing({ context, parts, state, model, engine, announcer, range, goodbye }, signal);
  } finally {
    await goodbye();
  }
}

async function joinedOrLate(
  { joined, world: { clock } }: ServingContext,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  using either = openFirstOf(signal, done.signal);
  const late = clock.sleep(JOIN_WAIT_MS, either.signal).catch(() => {});
  await Promise.race([joined, late]);
  done.abort(new NodeError("aborted", "The wait is over"));
  signal.throwIfAborted();
}

async function rangeOf(
  { plan, network }: ServingContext,
  { model, prefix, availableBytes }: {
    readonly model: ModelSource;
    readonly prefix: string;
    readonly availableBytes: number;
  },
  signal: AbortSignal,
): Promise<BlockRange> {
  if (plan.range !== undefined) return plan.range;
  const { config } = plan;
  const need = configuredNeed(model, config);
  const total = model.architecture.blocks;
  const fit = blocksThatFit(need, availableBytes, config["compute.reserve_bytes"]);
  if (fit === 0) {
    throw new NodeError(
      "no_memory",
      `Cannot serve ${model.id}: ${megabytes(availableBytes)} are free and ${
        megabytes(config["compute.reserve_bytes"])
      } are reserved, wanted ${
        megabytes(need.blockBytes)
      } for one block and its sessions (name blocks with --blocks to try all the same)`,
    );
  }
  const count = Math.min(fit, total, config["compute.max_blocks"]);
  return await chooseRange(network.dht, { prefix, count, total, self: network.rpc.self }, signal);
}

/** Serves, and again whenever the engine died, until `signal` aborts. Throws when blocks cannot be loaded at first. */
async function keepServing(span: Span, signal: AbortSignal): Promise<void> {
  const { health, world: { clock }, plan, contribution } = span.context;
  let pauseMs = FIRST_PAUSE_MS;
  for (let life = 1;; life++) {
    const startedAtMs = clock.monotonic();
    let why: string;
    try {
      why = await serveUntilDeath(span, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (life === 1) throw error;
      why = messageOf(error);
    }
    signal.throwIfAborted();
    if (clock.monotonic() - startedAtMs > STEADY_MS) pauseMs = FIRST_PAUSE_MS;
    health.pending("blocks", `the engine is started again: ${why}`);
    health.degrade(
      "engine",
      `${why}; its sessions ended, ${lengthOf(span.range)} blocks of ${plan.model} are loaded again`,
    );
    // who takes no work stays OFFLINE
    if (contribution.decision.share > 0) await span.announcer.announce("joining", signal);
    await clock.sleep(pauseMs, signal);
    pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
  }
}
