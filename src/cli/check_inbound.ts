/**
 * The way in: whether others can call this node. Proven by them, or not known.
 *
 * @module
 */
import type { StatusDocument } from "../api/status.ts";
import { codeOf, messageOf } from "../base/errors.ts";
import { areLocal } from "../device/addresses.ts";
import type { NodeVerdicts, StandInVerdicts, Verdict } from "../node/probe_inbound.ts";
import { type Check, type CheckContext, type Diagnosis, nobodyCure, tellOf } from "./checks.ts";

const tell = tellOf("inbound");
const tellRelay = tellOf("relay");

/** Asks peers whether they can reach the node's addresses; where none runs, a stand-in's. */
export const inboundCheck: Check = {
  name: "inbound",
  limitMs: 45_000,
  async run(context, signal) {
    const verdict = await verdictOf(context, signal);
    return [verdict, relayOf(verdict)];
  },
};

async function verdictOf(context: CheckContext, signal: AbortSignal): Promise<Diagnosis> {
  const { node, lookouts } = context;
  const { bootstraps, others } = await lookouts.swarm();
  const there = [...bootstraps, ...others].filter(({ away }) => away === undefined);
  if (there.length === 0) {
    return tell(
      "unknown",
      `no other peer is there to call back${ownWords(node)}`,
      nobodyCure(context),
    );
  }
  if (!there.some(({ checks }) => checks)) {
    return tell(
      "unknown",
      `none of ${there.length} peers offers to call back (rpc_check)${ownWords(node)}`,
      "name a bootstrap that does: Petals' own and kwaainet's do",
    );
  }
  if (node.state === "running") return ofNode(node.status, await lookouts.askAboutNode(signal));
  try {
    return ofStandIn(await lookouts.askAboutStandIn(signal));
  } catch (error) {
    signal.throwIfAborted();
    if (codeOf(error, "corrupt") === "corrupt") throw error;
    const see = node.state === "silent" ? "see node" : "see port";
    return tell("unknown", `nothing could listen in the node's place: ${messageOf(error)}`, see);
  }
}

const ownWords = (node: CheckContext["node"]): string =>
  node.state === "running" ? `; the node itself says: ${node.status.reachability.reason}` : "";

/** What a running node's peers say. */
export function ofNode(status: StatusDocument, { says, cameIn, kept }: NodeVerdicts): Diagnosis {
  const where = placesOf(status.addresses);
  const [yes, no] = [countOf(says, "yes"), countOf(says, "no")];
  const asked = yes + no;
  const isLoading = status.serving !== null && status.serving.engine === "";
  if (yes === 0 && no > 0 && isLoading) {
    return tell(
      "unknown",
      "the node still loads its blocks and answers no check yet",
      "ask again when it is ready",
    );
  }
  if (cameIn && no === 0) {
    return tell("ok", `proven: connections of others come in at ${where}, ${yes} of ${asked} peers reach it`);
  }
  if (cameIn) {
    return tell(
      "warn",
      `connections of others come in at ${where}, but ${no} of ${asked} peers did not reach it`,
      CURE,
    );
  }
  if (kept !== undefined) {
    return tell(
      "fail",
      `what peers send to ${where} is ${kept}: a firewall or a router between them and this node keeps new connections out` +
        (yes > 0 ? " (calls still come over connections that the node opened)" : ""),
      CURE,
    );
  }
  if (asked === 0) {
    return tell("unknown", "no peer could tell whether it reaches this node", "ask again later");
  }
  if (yes === 0) return tell("fail", `${no} of ${asked} peers cannot reach this node at ${where}`, CURE);
  if (no > 0) return tell("warn", `${no} of ${asked} peers cannot reach this node at ${where}`, CURE);
  return areLocal(status.addresses)
    ? tell("ok", `${yes} of ${asked} peers on this machine reach it at ${where}`)
    : tell(
      "unknown",
      `${yes} of ${asked} peers call this node, perhaps over connections that it opened; a new one was not seen to come in ` +
        `at ${where}`,
      CURE,
    );
}

/** What peers say of the stand-in. */
export function ofStandIn({ addresses, says }: StandInVerdicts): Diagnosis {
  const where = placesOf(addresses);
  const [yes, no] = [countOf(says, "yes"), countOf(says, "no")];
  if (yes + no === 0) {
    return tell("unknown", "no peer could tell whether it reaches this machine", "ask again later");
  }
  if (no === 0) {
    return tell("ok", `proven: ${yes} of ${yes} peers called back at ${where} (a stand-in, no node runs)`);
  }
  if (yes > 0) return tell("warn", `${no} of ${yes + no} peers cannot reach this machine at ${where}`, CURE);
  return tell(
    "fail",
    `none of ${no} peers can open a connection to this machine at ${where}: a firewall or a router keeps them out`,
    CURE,
  );
}

const CURE =
  "listen on a fixed port (--listen /ip4/0.0.0.0/tcp/31337), let TCP in to it (sudo ufw allow 31337/tcp, or nft), " +
  "forward it in the router, and tell others the address outside: --set p2p.announce=/ip4/PUBLIC/tcp/31337";

/** There is none in this version: who cannot be reached is to know that waiting does not help. */
function relayOf({ severity }: Diagnosis): Diagnosis {
  if (severity === "ok") return tellRelay("info", "none is needed; this version has none");
  return tellRelay(
    severity === "fail" ? "warn" : "unknown",
    "this version has no relay: a node that others cannot reach can ask the swarm, and serves nobody but itself",
    "open the way in (see inbound)",
  );
}

const countOf = (says: readonly Verdict[], verdict: Verdict): number =>
  says.filter((each) => each === verdict).length;

/** Addresses without peer ids, the first few; loopback only where there is nothing else. */
function placesOf(addresses: readonly string[]): string {
  const wide = addresses.filter((address) => !areLocal([address]));
  const short = (wide.length > 0 ? wide : addresses).map((address) => address.replace(/\/p2p\/[^/]+$/, ""));
  return short.slice(0, 3).join(", ") + (short.length > 3 ? ` and ${short.length - 3} more` : "");
}
