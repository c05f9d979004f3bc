/**
 * One key, one node: two of them shadow each other in the swarm.
 *
 * @module
 */
import { messageOf } from "../base/errors.ts";
import { isDataLocked, readHolder } from "../node/lock.ts";
import {
  type Check,
  type CheckContext,
  type Diagnosis,
  NETWORK_LIMIT_MS,
  nobodyCure,
  tellOf,
} from "./checks.ts";

const tell = tellOf("key");

/** Whether another process holds the folder, and whether somebody elsewhere answers to this node's name. */
export const keyCheck: Check = {
  name: "key",
  limitMs: NETWORK_LIMIT_MS + 15_000,
  async run(context, signal) {
    const { world, node, settings: { paths }, lookouts } = context;
    if (node.state !== "running" && await isDataLocked(world.clock, paths)) return [heldOf(context)];
    let peer: string | undefined;
    try {
      peer = node.state === "running" ? node.status.peerId : await lookouts.identity();
    } catch (error) {
      return [tell("unknown", messageOf(error), "see permissions")];
    }
    if (peer === undefined) return [tell("ok", "there is no key yet; the first start makes one")];
    const own = node.state === "running" ? node.status.addresses : [];
    const { bootstraps, others } = await lookouts.swarm();
    if (![...bootstraps, ...others].some(({ away }) => away === undefined)) {
      return [
        tell(
          "unknown",
          `nobody was there to ask who answers to ${peer}`,
          nobodyCure(context),
        ),
      ];
    }
    const twin = await lookouts.findTwin(peer, own.map(withoutPeer), signal);
    if (twin === undefined) return [tell("ok", `nobody else answers to ${peer}`)];
    return [tell(
      "fail",
      `two nodes on one key: ${peer} answers at ${twin} too, which is not the node of ${paths.root}; each shadows the other ` +
        "in the swarm",
      `end one of them, or give this one a key of its own: move ${paths.identity} away and start again`,
    )];
  },
};

function heldOf({ settings: { paths } }: CheckContext): Diagnosis {
  const holder = readHolder(paths);
  const who = holder === undefined ? "another process" : `process ${holder.pid}`;
  return tell(
    "fail",
    `${who} holds ${paths.root} and its key, and its API does not answer: a second node cannot use them meanwhile`,
    `wait if it has just been started; else end it${
      holder === undefined ? "" : ` (kill ${holder.pid})`
    }, or choose another ` +
      "folder with --data-dir",
  );
}

const withoutPeer = (address: string): string => address.replace(/\/p2p\/[^/]+$/, "");
