/**
 * A second node with this node's key: each shadows the other in the swarm.
 *
 * @module
 */
import { openDeadline } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import { createIdentity } from "../identity/keys.ts";
import { type Host, openHost } from "../p2p/host.ts";
import type { SwarmProbe } from "./probe_swarm.ts";

/** Longest wait for a connection. */
const DIAL_MS = 4_000;
/** Longest search for addresses. */
const SEARCH_MS = 5_000;
/** How often is searched: tables of a peer that has just come are still being filled. */
const SEARCHES = 3;
/** Pause between searches. */
const AGAIN_MS = 400;
/** Addresses tried. */
const MAX_TRIED = 12;

/** Who is looked for. */
export interface Twin {
  readonly peer: PeerId;
  /** Where this machine's node says that it listens, without `/p2p/`; none where it does not run. */
  readonly own: readonly string[];
}

/**
 * An address at which somebody else proves to hold the key of `peer`; `undefined` where nobody is known to. Who holds it is
 * somebody else when no node runs here, or when it says that it listens elsewhere.
 */
export async function findTwin(
  world: World,
  probe: SwarmProbe,
  { peer, own }: Twin,
  signal: AbortSignal,
): Promise<string | undefined> {
  const agent = `kwaainet-doctor/${probe.options.version}`;
  const identity = await createIdentity();
  // apart from the probe: that one may be connected to the node itself
  await using host = await openHost(world, { identity, listen: [], agent, dialMs: DIAL_MS });
  const entries = [...probe.bootstraps, ...probe.others].flatMap(({ away, address }) =>
    away === undefined ? address ?? [] : []
  );
  await Promise.allSettled(entries.map((address) => host.dial(address, signal)));
  const known = await search(world, host, peer, signal);
  const foreign = known.filter((address) => !own.includes(address)).slice(0, MAX_TRIED);
  for (const address of foreign) {
    if (await answersElsewhere(world, host, { peer, own }, address, signal)) return address;
  }
  return undefined;
}

async function search(
  { clock }: World,
  host: Host,
  peer: PeerId,
  signal: AbortSignal,
): Promise<readonly string[]> {
  for (let tries = 0; tries < SEARCHES; tries++) {
    if (tries > 0) await clock.sleep(AGAIN_MS, signal);
    using late = openDeadline(clock, SEARCH_MS, `find ${peer}`, signal);
    const found = await host.locate(peer, late.signal).catch((error) => {
      signal.throwIfAborted();
      if (error instanceof NodeError) return [];
      throw error;
    });
    if (found.length > 0) return found;
  }
  return [];
}

async function answersElsewhere(
  { clock }: World,
  host: Host,
  { peer, own }: Twin,
  address: string,
  signal: AbortSignal,
): Promise<boolean> {
  using late = openDeadline(clock, DIAL_MS, `meet ${address}`, signal);
  try {
    await host.hangUp(peer, late.signal);
    await host.dial(`${address}/p2p/${peer}`, late.signal);
    if (own.length === 0) return true;
    const { addresses } = await host.introduction(peer, late.signal);
    // behind a router's address it is this node all the same: then it says what this node says
    return addresses.length !== own.length || !addresses.every((each) => own.includes(each));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NodeError) return false;
    throw error;
  }
}
