/**
 * How far servers are.
 *
 * @module
 */
import { openDeadline, orAbort } from "../../base/deadline.ts";
import { codeOf } from "../../base/errors.ts";
import type { PeerId } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { Rpc } from "../../p2p/rpc.ts";
import { encodeExpertUid } from "../wire/expert.ts";

/** Asked instead of `rpc_ping`: it tells servers of blocks from peers that only announce some. */
const METHOD = "TransformerConnectionHandler.rpc_info";
/** An `ExpertUID` without a uid: the server as a whole. */
const REQUEST = encodeExpertUid("");
/** Servers asked at once. */
const MAX_AT_ONCE = 8;
/** Longest wait before a session; who is slower, or away, counts as far as can be. */
const WAIT_MS = 1_500;
/** Longest wait for a sign of life of a server that is late. */
const SIGN_MS = 2_500;
/** Age up to which a figure is used. */
const AGE_MS = 120_000;
/** Peers remembered; the one measured longest ago goes first. */
const MAX_PEERS = 1000;

/** Round trips to servers, measured before sessions. */
export class Pings {
  readonly #world: World;
  readonly #rpc: Rpc;
  readonly #measured = new Map<PeerId, { readonly rttMs: number; readonly atMs: number }>();

  constructor(world: World, rpc: Rpc) {
    this.#world = world;
    this.#rpc = rpc;
  }

  /** Milliseconds there and back, `Infinity` for a peer that gave no answer, `undefined` when never or long ago measured. */
  rttMs(peer: PeerId): number | undefined {
    if (peer === this.#rpc.self) return 0;
    const measured = this.#measured.get(peer);
    if (measured === undefined) return undefined;
    return this.#world.clock.monotonic() - measured.atMs < AGE_MS ? measured.rttMs : undefined;
  }

  /**
   * Measures those of `peers` whose figure is `maxAgeMs` old, or unknown: 8 at most, the oldest first, within 1.5 s. Throws
   * only the reason of `signal`.
   */
  async measure(peers: readonly PeerId[], signal: AbortSignal, maxAgeMs = AGE_MS): Promise<void> {
    const now = this.#world.clock.monotonic();
    const due = [...new Set(peers)]
      .map((peer) => ({ peer, atMs: this.#measured.get(peer)?.atMs ?? -Number.MAX_VALUE }))
      .filter(({ peer, atMs }) => peer !== this.#rpc.self && now - atMs >= maxAgeMs)
      .sort((a, b) => a.atMs - b.atMs)
      .slice(0, MAX_AT_ONCE);
    await Promise.all(due.map(({ peer }) => this.#measureOne(peer, signal)));
    signal.throwIfAborted();
  }

  /** Whether a peer answers anything at all within 2.5 s. Throws only the reason of `signal`. */
  async isThere(peer: PeerId, signal: AbortSignal): Promise<boolean> {
    using deadline = openDeadline(this.#world.clock, SIGN_MS, `ask ${peer} for a sign of life`, signal);
    try {
      await orAbort(this.#call(peer, deadline.signal), deadline.signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      return codeOf(error, "unreachable") === "refused"; // it knows no such method: that is an answer
    }
  }

  async #measureOne(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { clock } = this.#world;
    using deadline = openDeadline(clock, WAIT_MS, `ping ${peer}`, signal);
    let rttMs = Infinity;
    try {
      // the first call may have to connect
      for (let call = 0; call < 2; call++) {
        const askedAtMs = clock.monotonic();
        await orAbort(this.#call(peer, deadline.signal), deadline.signal);
        rttMs = clock.monotonic() - askedAtMs;
      }
    } catch {
      // the peer is away or slow: what was measured before that stands
    }
    this.#measured.delete(peer);
    this.#measured.set(peer, { rttMs, atMs: clock.monotonic() });
    if (this.#measured.size > MAX_PEERS) {
      const [oldest] = this.#measured.keys();
      this.#measured.delete(oldest!);
    }
  }

  /** An error is an answer too; that the peer knows no such method is none. */
  async #call(peer: PeerId, signal: AbortSignal): Promise<void> {
    try {
      await this.#rpc.callUnary(peer, METHOD, REQUEST, signal);
    } catch (error) {
      if (codeOf(error, "unreachable") !== "remote") throw error;
    }
  }
}
