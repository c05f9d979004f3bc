/**
 * Entering a network through peers that are in it.
 *
 * @module
 */
import { messageOf, NodeError, wordsOf } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import { clockErrorOf, isSkewTooLarge, skewOf } from "./clock_rule.ts";
import { JOIN_PAUSE_MS, JOIN_TRIES } from "./constants.ts";
import type { DhtProtocol, PingAnswer } from "./protocol.ts";

/** What became of one bootstrap. */
export interface JoinedPeer {
  readonly peer: PeerId;
  readonly outcome: "joined" | "clock_wrong" | "no_answer";
  /** Seconds that its clock is ahead of ours beyond what the call explains. */
  readonly skewSeconds: number;
  /** Whether it could call us back. */
  readonly canCallUs: boolean;
  /** Why it did not answer. */
  readonly reason?: string;
}

/** What became of all of them. */
export interface JoinReport {
  readonly peers: readonly JoinedPeer[];
  /** Those that can be worked with. */
  readonly joined: readonly PeerId[];
  /** Whether anybody could call us back: if not, others cannot reach us and a server needs a relay or client mode. */
  readonly isReachable: boolean;
}

/**
 * Pings every bootstrap on its own, the ones that fail up to three times: right after a dial a go peer may not yet know
 * how to call back. One that is down, or whose clock is wrong, does not spoil the others.
 * Throws `NodeError` `clock_wrong` when our clock is the wrong one.
 */
export async function pingBootstraps(
  protocol: DhtProtocol,
  peers: readonly PeerId[],
  signal: AbortSignal,
): Promise<JoinReport> {
  const others = [...new Set(peers)].filter((peer) => peer !== protocol.self.peer);
  const judged = await Promise.all(others.map((peer) => pingBootstrap(protocol, peer, signal)));
  const answering = judged.filter(({ outcome }) => outcome !== "no_answer");
  const clockError = clockErrorOf(answering.map(({ skewSeconds }) => skewSeconds));
  for (const { peer, outcome } of judged) {
    if (outcome === "clock_wrong") protocol.table.remove(peer);
  }
  if (clockError !== undefined) throw clockError;
  const joined = judged.filter(({ outcome }) => outcome === "joined");
  return {
    peers: judged,
    joined: joined.map(({ peer }) => peer),
    isReachable: joined.some(({ canCallUs }) => canCallUs),
  };
}

/** What to say when nobody is left to work with. */
export function unreachableError({ peers }: JoinReport): NodeError {
  const reasons = peers.map(reasonOf);
  const words = reasons.length === 1
    ? `Cannot join through ${reasons[0]}`
    : `Cannot join: none of ${peers.length} bootstraps answered, wanted one that does; ${
      reasons.map(withoutWanted).join("; ")
    }`;
  return new NodeError("unreachable", words);
}

/** What each would have to be is said by `doctor`: here it would stand there as often as there are bootstraps. */
const withoutWanted = (reason: string): string => reason.replace(/, wanted .*$/s, "");

/** Whom, and why: a failure to connect names the peer itself, with the address where one was dialled. */
function reasonOf({ peer, reason = "" }: JoinedPeer): string {
  const whom = reason.match(/^Cannot connect to (\S+): /)?.[1] ?? peer;
  return `${whom}: ${wordsOf(reason)}`;
}

async function pingBootstrap(protocol: DhtProtocol, peer: PeerId, signal: AbortSignal): Promise<JoinedPeer> {
  let last: JoinedPeer | undefined;
  for (let tries = 1; tries <= JOIN_TRIES; tries++) {
    if (tries > 1) await protocol.world.clock.sleep(JOIN_PAUSE_MS, signal);
    try {
      last = judge(peer, await protocol.ping(peer, true, signal));
      if (last.canCallUs || last.outcome === "clock_wrong" || protocol.options.clientMode) return last;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NodeError)) throw error;
      last ??= { peer, outcome: "no_answer", skewSeconds: 0, canCallUs: false, reason: messageOf(error) };
    }
  }
  return last!;
}

function judge(peer: PeerId, answer: PingAnswer): JoinedPeer {
  const skewSeconds = skewOf(answer.clock);
  return {
    peer,
    outcome: isSkewTooLarge(skewSeconds) ? "clock_wrong" : "joined",
    skewSeconds,
    canCallUs: answer.available,
  };
}
