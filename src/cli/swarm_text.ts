/**
 * A model that answers through the swarm, for as long as a verb runs.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import { dhtPrefixOf } from "../config/network_profile.ts";
import { findModel, resolveContext } from "../node/find_model.ts";
import { openClient } from "../node/open_client.ts";
import { openEngine } from "../node/open_compute.ts";
import { draftSource } from "../node/open_draft.ts";
import { openText, textLimits } from "../node/open_text.ts";
import type { TextModel } from "../text/types.ts";
import { tellNode } from "./ask_node.ts";
import { VERSION } from "./build_info.ts";
import type { Output } from "./output.ts";
import { transferOn } from "./progress.ts";
import type { Settings } from "./settings.ts";
import type { SwarmTarget } from "./swarm_target.ts";

/** Where to ask, and who hears of long work. */
export interface SwarmTextOptions {
  readonly settings: Settings;
  readonly target: SwarmTarget;
  readonly output: Output;
  readonly environment: Readonly<Record<string, string>>;
}

/** Opens swarm and model at the same time; `rooms` closes whatever was opened. */
export async function openSwarmText(
  world: World,
  { settings: { config, paths }, target, output, environment }: SwarmTextOptions,
  rooms: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<TextModel> {
  const context = resolveContext(world, { paths, environment }, transferOn(output));
  const { source: model } = await findModel(context, target.model, signal);
  rooms.use(model);
  const openings = await Promise.allSettled([
    openClient(world, { bootstraps: target.bootstraps, version: VERSION }, signal).then((client) =>
      rooms.use(client)
    ),
    openEngine(world, { config, paths }, signal).then((engine) => rooms.use(engine)),
  ]);
  const [client, engine] = openings;
  if (client.status === "rejected") throw client.reason;
  if (engine.status === "rejected") throw engine.reason;
  const base = {
    model,
    prefix: target.prefix ?? dhtPrefixOf(model.id, target.network),
    engine: engine.value,
    draft: draftSource(world, { config, paths, environment }),
  };
  const { paused } = target;
  const isOwn = paused !== undefined && paused.prefix === base.prefix;
  if (isOwn) await tellNode(paths, "/api/v1/own-peers", { peerId: client.value.rpc.self }, signal);
  const text = rooms.use(openText(world, {
    ...client.value,
    also: isOwn ? [paused] : [],
    base: () => Promise.resolve(base),
    loaded: () => undefined,
    ...textLimits(config),
  }));
  return await text.open(undefined, signal);
}
