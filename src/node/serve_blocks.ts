/**
 * One life of loaded blocks: from loading to the death of their process.
 *
 * @module
 */
import { openFirstOf } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import { lengthOf } from "../base/tensor.ts";
import type { LoadedBlocks } from "../compute/backend.ts";
import { type BlockServer, openBlockServer } from "../petals/server/block_server.ts";
import { defaultLimits, type ServerLimits } from "../petals/server/limits.ts";
import type { AnnounceStatus } from "../petals/server/announce.ts";
import { NextPings } from "../petals/server/next_pings.ts";
import { announcedVersion } from "../petals/version.ts";
import type { Action } from "../policy/types.ts";
import { measureBlocks } from "./measure.ts";
import type { Span } from "./serving_parts.ts";
import { cacheTokensThatFit } from "./span.ts";

/** How often it is looked whether somebody took a record, after a round in which nobody did. */
const LOOK_MS = 1_000;

/**
 * Loads, measures, serves and announces ONLINE. Returns why the process died; throws what loading throws, and the reason
 * of `signal` after the streams were ended with words.
 */
export async function serveUntilDeath(span: Span, signal: AbortSignal): Promise<string> {
  const { context: { world, tell }, state, model, engine, range } = span;
  const startedAtMs = world.clock.monotonic();
  await using blocks = await engine.load(model, range, signal);
  const loadMs = world.clock.monotonic() - startedAtMs;
  tell({ kind: "loaded", ...state.served!, weightBytes: blocks.weightBytes, loadMs });
  const over = new AbortController();
  using alive = openFirstOf(signal, over.signal);
  const death = engine.death(alive.signal);
  death.catch(() => {});
  state.loaded = blocks;
  span.context.account.onAccelerator = blocks.deviceKind === "card";
  try {
    state.rates ??= await measureBlocks(world.clock, blocks, signal);
    return await serveLoaded(span, blocks, death, alive.signal);
  } finally {
    over.abort(new NodeError("aborted", "The blocks are no longer served"));
    state.loaded = undefined;
  }
}

async function serveLoaded(
  span: Span,
  blocks: LoadedBlocks,
  death: Promise<string>,
  alive: AbortSignal,
): Promise<string> {
  const { state } = span;
  const over = new AbortController();
  using either = openFirstOf(alive, over.signal);
  const { signal } = either;
  const server = openServer(span, blocks);
  state.server = server;
  const pinging = keepPinging(span, signal);
  const online = takePart(span, signal).then(() => death);
  try {
    return await Promise.race([death, online]);
  } finally {
    over.abort(new NodeError("aborted", "The blocks are no longer served"));
    state.server = undefined;
    state.nextPings = undefined;
    // both at once: clients hear of the end while the swarm is told
    const goodbye = alive.aborted ? [span.goodbye(), span.context.lastAnswers?.()] : [];
    await Promise.all([...goodbye, server[Symbol.asyncDispose]()]);
    await pinging;
  }
}

/** Measures the way to servers that may come next, once a round of announcements, until `signal` aborts. */
async function keepPinging({ context, state, range }: Span, signal: AbortSignal): Promise<void> {
  const { world, network: { rpc, dht }, plan: { network } } = context;
  const pings = new NextPings(world, { rpc, dht, prefix: state.served!.prefix, range });
  state.nextPings = pings;
  while (!signal.aborted) {
    try {
      await pings.refresh(signal);
      await world.clock.sleep(network.announcePeriodMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      world.log.debug("Next servers not measured", { reason: messageOf(error) });
      await world.clock.sleep(network.announcePeriodMs, signal).catch(() => {});
    }
  }
}

function openServer({ context, parts, model, range, state }: Span, blocks: LoadedBlocks): BlockServer {
  const { world, plan: { config, version }, network: { rpc }, account, contribution } = context;
  const defaults = defaultLimits(model.architecture);
  const cacheTokens = config["sessions.cache_tokens"] ?? defaults.cacheTokens;
  const need = { blockBytes: 0, cacheTokenBytes: blocks.cacheBytesPerToken, cacheTokens };
  const limits: ServerLimits = {
    ...defaults,
    maxLength: config["sessions.max_length"] ?? defaults.maxLength,
    cacheTokens: cacheTokensThatFit(need, lengthOf(range), {
      availableBytes: parts.availableBytes(),
      reserveBytes: config["compute.reserve_bytes"],
    }),
    sessions: config["sessions.max_open"],
    sessionsPerPeer: Math.min(defaults.sessionsPerPeer, config["sessions.max_open"]),
  };
  return openBlockServer(world, {
    rpc,
    blocks,
    prefix: state.served!.prefix,
    version: announcedVersion(version),
    clientMode: false,
    limits,
    observer: account,
    willing: (peer) => contribution.willingFor(peer),
  });
}

/**
 * Announces ONLINE while work is taken and OFFLINE while not, until `signal` aborts. What is open when the policy says stop
 * is finished: the blocks stay loaded.
 */
async function takePart(span: Span, signal: AbortSignal): Promise<void> {
  const { context: { health, contribution }, announcer } = span;
  let wasWilling = true;
  while (true) {
    const { action } = contribution.decision;
    const isWilling = action !== "withdraw";
    if (isWilling && !wasWilling) await announcer.announce("joining", signal);
    if (isWilling) await sayOnline(span, action, signal);
    else if (announcer.status.state !== "offline") await announcer.announce("offline", signal);
    health.recover("engine");
    health.done("blocks");
    wasWilling = isWilling;
    await contribution.changed(action, signal);
  }
}

/**
 * Announces until others know of every block, or another action than `action` is decided; a lone private node is its own
 * audience.
 */
async function sayOnline(
  { context, state, announcer, range }: Span,
  action: Action,
  signal: AbortSignal,
): Promise<void> {
  const { world: { clock }, network, tell, health, contribution } = context;
  const isKnown = ({ storedBlocks }: AnnounceStatus) =>
    storedBlocks === lengthOf(range) || (!network.hasBootstraps && network.peers() === 0);
  let status = await announcer.announce("online", signal);
  if (!isKnown(status)) {
    health.degrade("announcement", "nobody has taken the records of all blocks; it is tried again");
    while (!isKnown(status) && contribution.decision.action === action) {
      await clock.sleep(LOOK_MS, signal);
      status = announcer.status;
    }
  }
  health.recover("announcement");
  if (!isKnown(status)) return;
  const { entries, valid } = network.dht.status();
  tell({
    kind: "announced",
    blocks: range,
    acceptedBy: status.acceptedBy,
    modelInfo: !state.served!.prefix.startsWith("_"),
    expiresAtMs: status.expiresAtMs,
    entries,
    valid,
  });
}
