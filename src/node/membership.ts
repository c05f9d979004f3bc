/**
 * Being, and staying, part of the swarm.
 *
 * @module
 */
import { codeOf, type ErrorCode, messageOf, NodeError } from "../base/errors.ts";
import type { Clock } from "../base/world.ts";
import type { Health } from "./health.ts";

/** The part of a network that can be joined. */
export interface Joinable {
  /**
   * Makes contact through bootstraps and peers known from earlier runs. Throws `NodeError` `unreachable` when none
   * answers, `clock_wrong`.
   */
  join(signal: AbortSignal): Promise<void>;
  /** Peers in the routing table. */
  peers(): number;
  /** Whether there is anybody to join; a lone private node is its own bootstrap. */
  readonly hasBootstraps: boolean;
}

/** A member of the swarm. Dispose to stop trying. */
export interface Membership extends AsyncDisposable {
  /** Resolves when the first try to join has ended, well or not: until then nothing is known of others. */
  readonly tried: Promise<void>;
}

/** First pause after a failed try; doubled with each further one. */
const FIRST_PAUSE_MS = 1_000;
/** Longest pause between tries. */
const MAX_PAUSE_MS = 60_000;
/** How often a member looks whether it is still one. */
const WATCH_MS = 15_000;

/** Joins in the background, with back-off, forever; joins again when all peers are gone. */
export function keepMembership(clock: Clock, network: Joinable, health: Health): Membership {
  const end = new AbortController();
  const tried = Promise.withResolvers<void>();
  if (network.hasBootstraps) health.pending("network", "the node has not joined the swarm yet");
  const life = live(clock, network, { health, tried: tried.resolve }, end.signal).catch((error) => {
    if (!end.signal.aborted) throw error;
  }).finally(tried.resolve);
  return {
    tried: tried.promise,
    async [Symbol.asyncDispose]() {
      end.abort(new NodeError("aborted", "The node stops"));
      await life;
    },
  };
}

async function live(
  clock: Clock,
  network: Joinable,
  { health, tried }: { readonly health: Health; readonly tried: () => void },
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS;
  while (true) {
    const failure = await tryToJoin(network, signal);
    signal.throwIfAborted();
    if (failure === undefined) {
      health.recover("network");
      health.done("network");
      pauseMs = FIRST_PAUSE_MS;
    } else {
      health.degrade("network", failure);
    }
    tried();
    if (failure === undefined) await becomesLonely(clock, network, signal);
    else {
      await clock.sleep(pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
    }
  }
}

/** Why it failed, with the cure; `undefined` when it did not. */
async function tryToJoin(network: Joinable, signal: AbortSignal): Promise<string | undefined> {
  if (!network.hasBootstraps && network.peers() === 0) return undefined;
  try {
    await network.join(signal);
    return undefined;
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    const cure = CURES[codeOf(error, "unreachable")];
    return cure === undefined ? messageOf(error) : `${messageOf(error)}; ${cure}`;
  }
}

const CURES: Partial<Record<ErrorCode, string>> = {
  unreachable: "check the connection or name other peers with --initial-peers; it is tried again",
  timeout: "check the connection or name other peers with --initial-peers; it is tried again",
  refused: "name peers of the swarm with --initial-peers; it is tried again",
};

/** Waits until no peer is left where there were some, or where there should be some. */
async function becomesLonely(clock: Clock, network: Joinable, signal: AbortSignal): Promise<void> {
  let had = network.hasBootstraps;
  while (true) {
    await clock.sleep(WATCH_MS, signal);
    if (network.peers() > 0) had = true;
    else if (had) return;
  }
}
