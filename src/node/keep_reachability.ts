/**
 * Whether others can call this node, asked of them again and again while it runs.
 *
 * @module
 */
import type { StatusDocument } from "../api/status.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { counted } from "../base/words.ts";
import { areLocal } from "../device/addresses.ts";
import type { NodeVerdicts } from "./probe_inbound.ts";

/** After joining, before the first question: the addresses have to reach others first. */
const FIRST_MS = 10_000;
/** Between questions. */
const AGAIN_MS = 15 * 60_000;
/** The same while nobody could tell. */
const SOON_MS = 2 * 60_000;

type Reachability = StatusDocument["reachability"];

/** What is asked, and who is told. */
export interface ReachabilityParts {
  /** Resolves when the node has tried to join. */
  readonly joined: Promise<void>;
  readonly addresses: () => readonly string[];
  readonly peers: () => number;
  /** Asks some peers: `probe_inbound.ts`. */
  readonly ask: (signal: AbortSignal) => Promise<NodeVerdicts>;
  readonly tell: (reachability: Reachability) => void;
}

/** Asks in the background. Dispose to ask no more. */
export function keepReachability(world: World, parts: ReachabilityParts): AsyncDisposable {
  const end = new AbortController();
  const life = keepAsking(world, parts, end.signal).catch((error) => {
    if (!end.signal.aborted) throw error;
  });
  return {
    async [Symbol.asyncDispose]() {
      end.abort(new NodeError("aborted", "The node stops"));
      await life;
    },
  };
}

async function keepAsking(world: World, parts: ReachabilityParts, signal: AbortSignal): Promise<void> {
  const { clock, log } = world;
  await parts.joined;
  for (let waitMs = FIRST_MS;;) {
    await clock.sleep(waitMs, signal);
    waitMs = SOON_MS;
    if (parts.peers() === 0) continue;
    try {
      const found = reachabilityOf(await parts.ask(signal), parts.addresses());
      // nobody could tell: what was known before stands
      if (found.askedPeers === 0) continue;
      parts.tell({ ...found, checkedAt: Math.round(clock.now()) });
      if (found.state !== "unknown") waitMs = AGAIN_MS;
      log.info("Reachability asked", { state: found.state, reason: found.reason });
    } catch (error) {
      signal.throwIfAborted();
      log.debug("Reachability not asked", { reason: messageOf(error) });
    }
  }
}

/**
 * What peers' words and new connections mean. A peer that answers "reachable" may do so over a connection that this node
 * opened: only one that comes in anew is a proof, except on loopback, where nothing stands between.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const wide = ["/ip4/192.0.2.7/tcp/4001"];
 * const found = reachabilityOf({ says: ["yes"], cameIn: false, kept: "dropped" }, wide);
 * assertEquals(found.state, "unreachable");
 * ```
 */
export function reachabilityOf(
  { says, cameIn, kept }: NodeVerdicts,
  addresses: readonly string[],
): Reachability & { readonly askedPeers: number; readonly reachedBy: number } {
  const askedPeers = says.filter((said) => said !== "cannot_tell").length;
  const reachedBy = says.filter((said) => said === "yes").length;
  const verdict = (state: Reachability["state"], reason: string) => ({
    state,
    reason,
    askedPeers,
    reachedBy,
  });
  const seen = `seen by ${reachedBy} of ${counted(askedPeers, "peer")}`;
  if (kept !== undefined) {
    return verdict(
      "unreachable",
      `a firewall or router ${
        kept === "dropped" ? "drops" : "refuses"
      } what peers send: open the port, or name addresses with p2p.announce (kwaainet doctor says more)`,
    );
  }
  if (reachedBy === 0 && askedPeers > 0) {
    return verdict(
      "unreachable",
      `none of ${
        counted(askedPeers, "peer")
      } could call back: open the port, or name addresses with p2p.announce`,
    );
  }
  if (cameIn || areLocal(addresses)) {
    return verdict("reachable", `${seen}, over connections that they opened`);
  }
  return verdict(
    "unknown",
    `${seen}, perhaps over connections that this node opened; no new one came in (kwaainet doctor says more)`,
  );
}
