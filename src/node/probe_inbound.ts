/**
 * Whether others can call this machine: told by others, not by its configuration.
 *
 * A peer that is connected to a node answers "reachable" over that connection. Proof is a connection that somebody else
 * opens: without a node, a stand-in listens in its place, is met, hangs up and is asked for. With one, a name that
 * nobody bears is told to live at the node's address: whoever looks for it has to knock there, which the kernel's list of
 * connections shows.
 *
 * @module
 */
import { openDeadline } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import { ipOf } from "../device/addresses.ts";
import { readOpenedByOthers, readTcpSockets } from "../device/sockets.ts";
import type { TextFiles } from "../device/sysfs.ts";
import { createIdentity } from "../identity/keys.ts";
import { type Host, openHost } from "../p2p/host.ts";
import {
  CHECK_METHOD,
  decodeAvailable,
  encodeCheck,
  serveReachability,
} from "../petals/server/reachability.ts";
import type { ProbedPeer, SwarmProbe } from "./probe_swarm.ts";

/** Longest wait for a peer's verdict: it waits 5 s itself. */
const VERDICT_MS = 8_000;
/** Longest wait for a connection. */
const DIAL_MS = 5_000;
/** Pause before asking again what was denied: who was just met may not be known yet. */
const AGAIN_MS = 500;
/** Pause between two looks at the kernel's list: a handshake that fails lasts some round trips. */
const LOOK_MS = 1;
/** A refusal that takes this long was a wait for a connection: packets are dropped. */
const DROPPED_MS = 4_000;
/** How often peers knock: a short visit may come and go between two looks. */
const KNOCKS = 3;
/** Peers asked at most. */
const MAX_ASKED = 4;

/** What one peer says. */
export type Verdict = "yes" | "no" | "cannot_tell";

/** What peers say of the node that runs, and what came in meanwhile. */
export interface NodeVerdicts {
  readonly says: readonly Verdict[];
  /** Whether somebody else's connection stands at the node's port, or one came while it was asked for. */
  readonly cameIn: boolean;
  /** What became of those who tried to open one, where none came in. */
  readonly kept?: KeptOut;
}

/** `dropped`: they were let wait in vain; `refused`: they were turned away at once. */
export type KeptOut = "dropped" | "refused";

/** What came of the stand-in. */
export interface StandInVerdicts {
  readonly addresses: readonly string[];
  readonly says: readonly Verdict[];
}

/** Peers that can be asked whether others are reachable. */
export const askable = ({ bootstraps, others }: SwarmProbe): readonly ProbedPeer[] =>
  [...bootstraps, ...others].filter(({ checks }) => checks).slice(0, MAX_ASKED);

/** Asks peers about the running node. */
export async function askAboutNode(
  world: World,
  probe: SwarmProbe,
  files: TextFiles,
  signal: AbortSignal,
): Promise<NodeVerdicts> {
  const { own } = probe.options;
  if (own === undefined) return { says: [], cameIn: false };
  const peers = askable(probe);
  const says = await Promise.all(peers.map(({ peer }) => ask(world, probe.host, peer, own.peer, signal)));
  const knock = await knockAt(world, probe, peers, files, signal);
  return { says, ...knock };
}

/** Opens a stand-in where the node would listen, and has others look for it. Throws `NodeError` as `openHost`. */
export async function askAboutStandIn(
  world: World,
  probe: SwarmProbe,
  { listen, announce }: { readonly listen: readonly string[]; readonly announce: readonly string[] },
  signal: AbortSignal,
): Promise<StandInVerdicts> {
  const identity = await createIdentity();
  const { version } = probe.options;
  const agent = `kwaainet-doctor/${version}`;
  await using standIn = await openHost(world, { identity, listen, announce, agent, dialMs: DIAL_MS });
  using _served = serveReachability(world, standIn);
  const says = await Promise.all(
    askable(probe).map(async ({ peer, address }) => {
      if (!await meetAndLeave(world, standIn, { peer, address }, signal)) return "cannot_tell";
      return await askTwice(world, probe.host, peer, standIn.self, signal);
    }),
  );
  return { addresses: standIn.addresses(), says };
}

interface Whom {
  readonly peer: PeerId;
  readonly address: string | undefined;
}

/** Lets a peer learn our addresses. Whether it could be met. */
async function meetAndLeave(world: World, host: Host, { peer, address }: Whom, signal: AbortSignal) {
  using late = openDeadline(world.clock, VERDICT_MS, `meet ${peer}`, signal);
  try {
    if (address === undefined) return false;
    await host.dial(address, late.signal);
    await host.introduction(peer, late.signal);
    // it answers when it has met us too
    await host.callUnary(peer, CHECK_METHOD, encodeCheck(host.self), late.signal);
    await host.hangUp(peer, late.signal);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NodeError) return false;
    throw error;
  }
}

async function askTwice(world: World, host: Host, asked: PeerId, about: PeerId, signal: AbortSignal) {
  const first = await ask(world, host, asked, about, signal);
  if (first !== "no") return first;
  await world.clock.sleep(AGAIN_MS, signal);
  return await ask(world, host, asked, about, signal);
}

async function ask(
  { clock }: World,
  host: Host,
  asked: PeerId,
  about: PeerId,
  signal: AbortSignal,
): Promise<Verdict> {
  using late = openDeadline(clock, VERDICT_MS, `ask ${asked}`, signal);
  try {
    const answer = await host.callUnary(asked, CHECK_METHOD, encodeCheck(about), late.signal);
    return decodeAvailable(answer) ? "yes" : "no";
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NodeError) return "cannot_tell";
    throw error;
  }
}

/** Has peers knock at the node's port under a name that nobody bears. */
async function knockAt(
  world: World,
  probe: SwarmProbe,
  peers: readonly ProbedPeer[],
  files: TextFiles,
  signal: AbortSignal,
): Promise<Pick<NodeVerdicts, "cameIn" | "kept">> {
  const addresses = probe.options.own!.addresses.map((address) => address.replace(/\/p2p\/[^/]+$/, ""));
  const ports = new Set(addresses.flatMap((address) => Number(address.match(/\/tcp\/(\d+)$/)?.[1] ?? NaN)));
  const own = new Set([...addresses.flatMap((address) => ipOf(address) ?? []), "127.0.0.1"]);
  const foreign = () =>
    readTcpSockets(files)
      .filter((socket) => !socket.isListening && ports.has(socket.localPort) && !isOwn(socket.remote, own));
  const strangers = () => foreign().map(({ remote, remotePort }) => `${remote} ${remotePort}`);
  // those that stand already came in before: a firewall may have been set up since
  const before = new Set(strangers());
  let isRefused = false;
  for (let tries = 1;; tries++) {
    const opened = readOpenedByOthers(files);
    const done = new AbortController();
    let isSeen = false;
    const watched = watch(
      world,
      () => isSeen ||= strangers().some((each) => !before.has(each)),
      done.signal,
    );
    const knocks = await Promise.all(
      peers.map((peer) => knock(world, probe, { peer, addresses, isSeen: () => isSeen }, signal)),
    ).finally(() => done.abort(new NodeError("aborted", "All have knocked")));
    if (await watched) return { cameIn: true };
    const haveSearched = knocks.length > 0 && knocks.every((ms) => ms > 0);
    if (haveSearched && knocks.every((ms) => ms > DROPPED_MS)) return { cameIn: false, kept: "dropped" };
    // a visit that came and went between two looks would have been counted
    isRefused ||= haveSearched && opened !== undefined && readOpenedByOthers(files) === opened;
    if (tries === KNOCKS) {
      // where others' connections stand, something lets them in
      if (isRefused && !foreign().some(({ isOpen }) => isOpen)) return { cameIn: false, kept: "refused" };
      return { cameIn: before.size > 0 };
    }
  }
}

const isOwn = (remote: string, own: ReadonlySet<string>): boolean => own.has(remote) || /^0{8}/.test(remote);

/** Milliseconds that the peer's search took; 0 where it did not search. */
async function knock(
  world: World,
  probe: SwarmProbe,
  { peer, addresses, isSeen }: {
    readonly peer: ProbedPeer;
    readonly addresses: readonly string[];
    readonly isSeen: () => boolean;
  },
  signal: AbortSignal,
): Promise<number> {
  const identity = await createIdentity();
  const agent = `kwaainet-doctor/${probe.options.version}`;
  await using nobody = await openHost(world, {
    identity,
    listen: [],
    announce: addresses,
    agent,
    dialMs: DIAL_MS,
  });
  using _served = serveReachability(world, nobody);
  if (!await meetAndLeave(world, nobody, { peer: peer.peer, address: peer.address }, signal)) return 0;
  const search = async () => {
    const startedAtMs = world.clock.monotonic();
    const verdict = await ask(world, probe.host, peer.peer, nobody.self, signal);
    return verdict === "cannot_tell" ? 0 : world.clock.monotonic() - startedAtMs;
  };
  const first = await search();
  if (isSeen() || first === 0 || first > DROPPED_MS) return first;
  await world.clock.sleep(AGAIN_MS, signal);
  return isSeen() ? first : Math.max(first, await search());
}

async function watch({ clock }: World, seen: () => boolean, end: AbortSignal): Promise<boolean> {
  while (!end.aborted) {
    if (seen()) return true;
    await clock.sleep(LOOK_MS, end).catch(() => {});
  }
  return seen();
}
