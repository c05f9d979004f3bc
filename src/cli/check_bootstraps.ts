/**
 * The bootstraps, each by itself.
 *
 * @module
 */
import { counted } from "../base/words.ts";
import type { AwayKind, ProbedPeer } from "../node/probe_swarm.ts";
import { DIAL_CAUSES } from "../p2p/dial_failure.ts";
import { type Check, type CheckContext, type Diagnosis, NETWORK_LIMIT_MS, tellOf } from "./checks.ts";

const tell = tellOf("bootstraps");

/** What helps against each kind of absence. */
const CURES: Readonly<Record<AwayKind, string>> = {
  refused: "ask its operator, or name another",
  no_route: "see network; check cable, Wi-Fi and the default route: ip route",
  no_name: "see dns",
  silent: "let TCP out to its port; ask its operator whether it is up; or name another with --initial-peers",
  other_peer:
    "correct the peer id at the end of its address; if it was right yesterday, ask its operator first",
  no_libp2p: "correct its port: that of its API is another; or ask its operator",
  no_transport: "name an address of it with /tcp/ in --initial-peers",
  unknown_peer: "name an address of it with --initial-peers",
  no_dht: "name a peer of the DHT in its place",
  failed: "check its address, or name another with --initial-peers",
};
const CAUSES: Readonly<Record<AwayKind, string>> = {
  ...DIAL_CAUSES,
  no_dht: "it takes connections and does not answer hivemind's rpc_ping",
};

/** Dials every bootstrap and says which are away, and why. */
export const bootstrapsCheck: Check = {
  name: "bootstraps",
  limitMs: NETWORK_LIMIT_MS,
  async run({ lookouts, node, bootstraps: named }) {
    if (named.length === 0) return [noneOf(node)];
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

/** A node that runs may have met others all the same: they came by themselves, or are known from earlier. */
function noneOf(node: CheckContext["node"]): Diagnosis {
  const met = node.state === "running" ? node.status.dht.peers : 0;
  const others = met === 0 ? "" : `; ${counted(met, "peer is", "peers are")} known to it all the same`;
  return tell("info", `none are named: this node meets nobody by itself (--initial-peers)${others}`);
}

function awayOf({ address, peer, away }: ProbedPeer, isAlone: boolean): Diagnosis {
  const { kind, why } = away!;
  // others still let the node in
  return tell(
    isAlone ? "fail" : "warn",
    `${address ?? peer} is away: ${CAUSES[kind]} (${why})`,
    CURES[kind],
  );
}
