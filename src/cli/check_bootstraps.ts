/**
 * The bootstraps, each by itself.
 *
 * @module
 */
import type { AwayKind, ProbedPeer } from "../node/probe_swarm.ts";
import { type Check, type Diagnosis, NETWORK_LIMIT_MS, tellOf } from "./checks.ts";

const tell = tellOf("bootstraps");

/** What each kind of absence means, and what helps. */
const ABSENCE: Readonly<Record<AwayKind, readonly [cause: string, cure: string]>> = {
  refused: ["its machine answers and nothing listens at that port", "ask its operator, or name another"],
  no_route: [
    "no way leads to its address",
    "see network; check cable, Wi-Fi and the default route: ip route",
  ],
  no_name: ["its name is not resolved", "see dns"],
  silent: [
    "nothing comes back: it is down, or a firewall drops what goes out to it or comes back",
    "let TCP out to its port; ask its operator whether it is up; or name another with --initial-peers",
  ],
  other_peer: [
    "somebody with another key answers there",
    "correct the peer id at the end of its address; if it was right yesterday, ask its operator first",
  ],
  no_dht: [
    "it takes connections and does not answer hivemind's rpc_ping",
    "name a peer of the DHT in its place",
  ],
  failed: ["the connection failed", "check its address, or name another with --initial-peers"],
};

/** Dials every bootstrap and says which are away, and why. */
export const bootstrapsCheck: Check = {
  name: "bootstraps",
  limitMs: NETWORK_LIMIT_MS,
  async run({ lookouts, bootstraps: named }) {
    if (named.length === 0) {
      return [tell("info", "none are named: this node meets nobody by itself (--initial-peers)")];
    }
    const { bootstraps } = await lookouts.swarm();
    if (bootstraps.length === 0) return [tell("ok", "this node is the only one")];
    const away = bootstraps.filter((peer) => peer.away !== undefined);
    const there = bootstraps.length - away.length;
    const count = `${there} of ${bootstraps.length} answer`;
    return [
      ...(there > 0 ? [tell("ok", count)] : []),
      ...away.map((peer) => awayOf(peer, there === 0)),
    ];
  },
};

function awayOf({ address, peer, away }: ProbedPeer, isAlone: boolean): Diagnosis {
  const [cause, cure] = ABSENCE[away!.kind];
  // others still let the node in
  return tell(isAlone ? "fail" : "warn", `${address ?? peer} is away: ${cause} (${away!.why})`, cure);
}
