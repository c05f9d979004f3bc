/**
 * A model that is asked and not served: its blocks are elsewhere, or here for this node alone where all of them fit.
 *
 * @module
 */
import { orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { LoadedBlocks } from "../compute/backend.ts";
import { dhtPrefixOf } from "../config/network_profile.ts";
import type { ModelSource } from "../model/source.ts";
import { requirePrefix } from "../petals/uid.ts";
import type { Engine } from "./engine.ts";
import type { TextBase } from "./open_text.ts";
import type { Asking, ServingContext } from "./parts.ts";
import type { ServingParts } from "./serving_parts.ts";
import { blocksThatFit, ownNeed } from "./span.ts";

/** Pause before blocks that an engine lost are loaded again. */
const PAUSE_MS = 1_000;

/** Begins to open the model in the background. */
export function openAsking(context: ServingContext, parts: ServingParts): Asking {
  const end = new AbortController();
  const base = Promise.withResolvers<TextBase>();
  const failed = Promise.withResolvers<never>();
  for (const { promise } of [base, failed]) promise.catch(() => {});
  context.health.pending("model", "the model is not open yet");
  const state: { loaded: LoadedBlocks | undefined } = { loaded: undefined };
  const life = ask(context, parts, { tell: base.resolve, state }, end.signal).catch((error) => {
    base.reject(end.signal.aborted ? end.signal.reason : error);
    if (!end.signal.aborted) failed.reject(error);
  });
  return {
    base: base.promise,
    get loaded() {
      return state.loaded;
    },
    failed: failed.promise,
    async [Symbol.asyncDispose]() {
      end.abort(new NodeError("aborted", "The node stops"));
      await life;
    },
  };
}

interface Told {
  readonly tell: (base: TextBase) => void;
  readonly state: { loaded: LoadedBlocks | undefined };
}

async function ask(
  context: ServingContext,
  parts: ServingParts,
  { tell, state }: Told,
  signal: AbortSignal,
): Promise<void> {
  const { plan, health, tell: say, world } = context;
  const { source } = await parts.openModel(
    plan,
    (text, share) => say({ kind: "progress", text, share }),
    signal,
  );
  await using model = source;
  const prefix = plan.config.dht_prefix ?? dhtPrefixOf(model.id, plan.network);
  requirePrefix(prefix);
  await using engine = await parts.openEngine(context, model, signal);
  tell({ model, prefix, engine, draft: parts.draft });
  const { blocks } = model.architecture;
  const { "compute.reserve_bytes": reserve, "text.solo": solo } = plan.config;
  const fits = blocksThatFit(ownNeed(model, plan.config), parts.availableBytes(), reserve) >= blocks;
  if (solo === "never" || (solo === "auto" && !fits)) {
    const why = solo === "never" ? "text.solo says so" : "it does not fit into this node's memory";
    say({ kind: "progress", text: `${model.id} is asked through the swarm: ${why}` });
    health.done("model");
    return await orAbort(new Promise<never>(() => {}), signal);
  }
  const { clock, log } = world;
  for (let life = 1;; life++) {
    say({ kind: "progress", text: `Loading all ${blocks} blocks of ${model.id} with ${engine.name}` });
    try {
      const why = await holdUntilDeath({ context, state, model, engine }, signal);
      health.pending("model", `the engine is started again: ${why}`);
      health.degrade("engine", why);
    } catch (error) {
      // what cannot be loaded at first never can; later the engine may only need another start
      if (signal.aborted || life === 1) throw error;
      health.degrade("engine", messageOf(error));
    }
    log.warn("The blocks of the model are loaded again", { model: model.id });
    await clock.sleep(PAUSE_MS, signal);
  }
}

interface Held {
  readonly context: ServingContext;
  readonly state: Told["state"];
  readonly model: ModelSource;
  readonly engine: Engine;
}

/** All blocks, from loading to the death of their process; why it died. */
async function holdUntilDeath(
  { context: { account, health, lastAnswers }, state, model, engine }: Held,
  signal: AbortSignal,
): Promise<string> {
  await using loaded = await engine.load(model, { start: 0, end: model.architecture.blocks }, signal);
  state.loaded = loaded;
  account.onAccelerator = loaded.deviceKind === "card";
  health.done("model");
  health.recover("engine");
  try {
    return await engine.death(signal);
  } finally {
    if (signal.aborted) await lastAnswers?.();
    state.loaded = undefined;
  }
}
