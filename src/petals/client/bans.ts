/**
 * Who failed a moment ago.
 *
 * @module
 */
import type { PeerId } from "../../base/tensor.ts";
import type { Clock } from "../../base/world.ts";

/** First ban (petals 2.2 `ban_timeout`); each further failure without a success between doubles it. */
const FIRST_BAN_MS = 15_000;
/** Failures that come so soon after another are the same one: many sessions meet it at once. */
const SAME_MS = 5_000;
/** Longest ban, so that a server that was away for a day is tried again. */
const MAX_BAN_MS = 600_000;
/** Peers remembered; the one banned longest ago goes first. */
const MAX_PEERS = 1000;
/** What asking a server that failed costs in a route: more than any way around it. */
const FAILED_SECONDS = 1000;
/** The same for one without room: petals 2.2 adds as much where too little room is announced. */
const FULL_SECONDS = 10;

/**
 * `full`: it has no room for another session, which is no fault of it. `failed`: it was away, late or had an error, and is asked again when nobody else is left. `unfit`: it answers what is no
 * answer, or does not speak the protocol, as KwaaiNet 0.6 nodes that announce blocks all the same.
 */
export type BanKind = "full" | "failed" | "unfit";

/** Which says more of a peer. */
const WEIGHT: Readonly<Record<BanKind, number>> = { full: 0, failed: 1, unfit: 2 };
const EXTRA_SECONDS: Readonly<Record<BanKind, number>> = {
  full: FULL_SECONDS,
  failed: FAILED_SECONDS,
  unfit: Infinity,
};

interface Ban {
  readonly kind: BanKind;
  readonly failures: number;
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** Servers to be left alone for a while. Time passes on the monotonic clock. */
export class Bans {
  readonly #clock: Clock;
  readonly #bans = new Map<PeerId, Ban>();
  /** When a peer was last found to be unfit; outlasts its ban. */
  readonly #unfitAtMs = new Map<PeerId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Records a failure. Returns for how many milliseconds the peer is now left alone. */
  ban(peer: PeerId, kind: BanKind): number {
    const now = this.#clock.monotonic();
    if (kind === "unfit") remember(this.#unfitAtMs, peer, now);
    const before = this.#bans.get(peer);
    if (before !== undefined && before.untilMs > now && WEIGHT[before.kind] > WEIGHT[kind]) {
      return before.untilMs - now;
    }
    if (before?.kind === kind && now - before.sinceMs < SAME_MS) return before.untilMs - now;
    const failures = (before?.failures ?? 0) + (kind === "full" ? 0 : 1);
    const banMs = kind === "full" ? FIRST_BAN_MS : Math.min(FIRST_BAN_MS * 2 ** (failures - 1), MAX_BAN_MS);
    remember(this.#bans, peer, { kind, failures, sinceMs: now, untilMs: now + banMs });
    return banMs;
  }

  /**
   * Records a success: failures before it are forgotten. One that is unfit or full stays so for its time: steps of sessions
   * that were under way prove nothing.
   */
  forgive(peer: PeerId): void {
    const kind = this.kindOf(peer);
    if (kind === undefined || kind === "failed") this.#bans.delete(peer);
  }

  /** Why the peer is banned now; `undefined` when it is not. */
  kindOf(peer: PeerId): BanKind | undefined {
    const ban = this.#bans.get(peer);
    return ban !== undefined && ban.untilMs > this.#clock.monotonic() ? ban.kind : undefined;
  }

  /** Whether the peer was found to be unfit at `sinceMs`, on the monotonic clock, or later: also when its ban is over. */
  wasUnfitSince(peer: PeerId, sinceMs: number): boolean {
    return (this.#unfitAtMs.get(peer) ?? -Infinity) >= sinceMs;
  }

  /** Extra seconds of choosing the peer: a last resort when it failed, never when it is unfit. */
  extraSeconds(peer: PeerId): number {
    const kind = this.kindOf(peer);
    return kind === undefined ? 0 : EXTRA_SECONDS[kind];
  }
}

/** Puts the peer last; the first one goes where there are too many. */
function remember<T>(peers: Map<PeerId, T>, peer: PeerId, value: T): void {
  peers.delete(peer);
  peers.set(peer, value);
  if (peers.size <= MAX_PEERS) return;
  const [oldest] = peers.keys();
  peers.delete(oldest!);
}
