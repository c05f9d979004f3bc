/**
 * How far it is from here to the servers that may come next in a chain (petals 2.2 `utils/ping.py`). Clients weigh their
 * routes with it.
 *
 * @module
 */
import { openDeadline } from "../../base/deadline.ts";
import { codeOf } from "../../base/errors.ts";
import type { BlockRange, PeerId } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { Dht, DhtEntry } from "../../dht/dht.ts";
import type { Rpc } from "../../p2p/rpc.ts";
import { uidOf, uidsOf } from "../uid.ts";
import { serverInfoOrSkip } from "../wire/server_info.ts";
import { CHECK_METHOD, encodeCheck } from "./reachability.ts";

/** Base58 of at most 64 bytes; anybody can write other subkeys, and ours is a record that others read. */
const PEER_ID = /^[1-9A-HJ-NP-Za-km-z]{1,88}$/;
/** Servers asked in one round, of the block after ours and of our own blocks each. */
const MAX_PINGED = 5;
/** Longest wait for an answer. */
const PING_MS = 3_000;
/** Weight of a new measurement against all before. */
const NEWEST_SHARE = 0.2;
/** How long a measurement counts. */
const LIFE_MS = 300_000;

/** Where to look for next servers. */
export interface NextPingsOptions {
  readonly rpc: Rpc;
  readonly dht: Dht;
  readonly prefix: string;
  readonly range: BlockRange;
}

/** Round trips to possible next servers, smoothed over rounds. */
export class NextPings {
  readonly #known = new Map<PeerId, { readonly seconds: number; readonly atMs: number }>();
  constructor(readonly world: World, readonly options: NextPingsOptions) {}

  /** Seconds by peer, infinite for those that did not answer; what is older than 300 s is left out. */
  get seconds(): ReadonlyMap<PeerId, number> {
    const now = this.world.clock.monotonic();
    const fresh = [...this.#known].filter(([, { atMs }]) => now - atMs < LIFE_MS);
    return new Map(fresh.map(([peer, { seconds }]) => [peer, seconds]));
  }

  /** Looks for next servers and measures a few of them. Throws as {@linkcode Dht.get} does. */
  async refresh(signal: AbortSignal): Promise<void> {
    const { dht, prefix, range } = this.options;
    const after = uidOf(prefix, range.end);
    const middle = uidsOf(prefix, { start: range.start + 1, end: range.end });
    const records = await dht.get([...middle, after], signal);
    const within = middle.flatMap((uid) => this.#serversOf(records.get(uid)));
    const peers = new Set([...this.#some(within), ...this.#some(this.#serversOf(records.get(after)))]);
    await Promise.all([...peers].map((peer) => this.#measure(peer, signal)));
    for (const [peer, { atMs }] of this.#known) {
      if (this.world.clock.monotonic() - atMs >= LIFE_MS) this.#known.delete(peer);
    }
  }

  #serversOf(entry: DhtEntry | undefined): PeerId[] {
    if (entry?.kind !== "dictionary") return [];
    return [...entry.subkeys].filter(([peer, { value }]) =>
      PEER_ID.test(peer) && peer !== this.options.rpc.self && serverInfoOrSkip(value)?.state === "online"
    ).map(([peer]) => peer);
  }

  /** At most five different ones, drawn at random. */
  #some(peers: readonly PeerId[]): PeerId[] {
    const left = [...new Set(peers)];
    const drawn: PeerId[] = [];
    while (left.length > 0 && drawn.length < MAX_PINGED) {
      const [high = 0, low = 0] = this.world.random(2);
      drawn.push(...left.splice((high * 256 + low) % left.length, 1));
    }
    return drawn;
  }

  /** One question every server answers at once; one that does not know it has answered too. */
  async #measure(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { clock } = this.world;
    using deadline = openDeadline(clock, PING_MS, `ping ${peer}`, signal);
    const began = clock.monotonic();
    let answered = true;
    try {
      await this.options.rpc.callUnary(peer, CHECK_METHOD, encodeCheck(peer), deadline.signal);
    } catch (error) {
      signal.throwIfAborted();
      const code = codeOf(error, "unreachable");
      answered = code === "refused" || code === "remote";
    }
    const seconds = answered ? (clock.monotonic() - began) / 1000 : Infinity;
    const before = this.#known.get(peer)?.seconds ?? Infinity;
    const smooth = Number.isFinite(before) && answered
      ? NEWEST_SHARE * seconds + (1 - NEWEST_SHARE) * before
      : seconds;
    this.#known.set(peer, { seconds: smooth, atMs: clock.monotonic() });
  }
}
