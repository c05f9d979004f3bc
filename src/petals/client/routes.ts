/**
 * Who can compute blocks for a session, and who will be able to soon.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { BlockRange } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { SwarmServer } from "./announced.ts";
import { findRoute, type Route, type RouteStop, uncovered } from "./route.ts";
import type { Swarm } from "./swarm.ts";

/** How long blocks that are being loaded are waited for, and how often it is looked. */
const COMING_MS = 30_000;
const COMING_LOOK_MS = 1_000;

/** Routes for sessions of `maxLength` positions. */
export class Routes {
  readonly #world: World;
  readonly #swarm: Swarm;
  readonly #maxLength: number;

  constructor(world: World, swarm: Swarm, maxLength: number) {
    this.#world = world;
    this.#swarm = swarm;
    this.#maxLength = maxLength;
  }

  /**
   * The cheapest route by a view of the swarm of at most `maxAgeMs`. Blocks that are being loaded are waited for: those of
   * this node, or `all`. Throws `NodeError` `not_found` that names the blocks nobody serves.
   */
  async find(
    blocks: BlockRange,
    maxAgeMs: number,
    whose: "own" | "all",
    signal: AbortSignal,
  ): Promise<readonly RouteStop<SwarmServer>[]> {
    const { clock, log } = this.#world;
    const startedAtMs = clock.monotonic();
    for (let age = maxAgeMs, isTold = false;; age = COMING_LOOK_MS, isTold = true) {
      try {
        return await this.#look(blocks, age, signal);
      } catch (nobody) {
        const isNobody = nobody instanceof NodeError && nobody.code === "not_found";
        if (!isNobody || !this.#isComing(blocks, whose)) throw nobody;
        if (clock.monotonic() - startedAtMs >= COMING_MS) throw nobody;
        if (!isTold) log.warn("Blocks are being loaded, and waited for", { ...blocks });
        await clock.sleep(COMING_LOOK_MS, signal);
      }
    }
  }

  /** Whether blocks will be served once this node, whose engine died, or all others too have loaded theirs. */
  #isComing(blocks: BlockRange, whose: "own" | "all"): boolean {
    const { directory, bans, isHere, ownRange } = this.#swarm;
    const loading = directory.joining.filter(({ peerId }) => whose === "all" || isHere(peerId));
    const able = [...directory.known, ...loading].filter(({ peerId }) =>
      isHere(peerId) || bans.kindOf(peerId) !== "unfit"
    );
    const own = ownRange();
    const ranges = [...able.map(({ range }) => range), ...(own === undefined ? [] : [own])];
    return uncovered(ranges, blocks).length === 0;
  }

  /** Whether others serve the same blocks and have not failed, as far as is known. */
  hasOthers({ server, blocks }: RouteStop<SwarmServer>): boolean {
    const { directory, bans } = this.#swarm;
    const others = directory.known.filter(({ peerId }) =>
      peerId !== server.peerId && bans.kindOf(peerId) === undefined
    );
    return this.#routeIn(others, blocks).found;
  }

  /** Whether one of them failed a moment ago. */
  isLastResort(stops: readonly RouteStop<SwarmServer>[]): boolean {
    return stops.some(({ server }) => this.#swarm.bans.kindOf(server.peerId) !== undefined);
  }

  async #look(
    range: BlockRange,
    maxAgeMs: number,
    signal: AbortSignal,
  ): Promise<readonly RouteStop<SwarmServer>[]> {
    const { directory } = this.#swarm;
    let route = this.#routeIn((await directory.view(maxAgeMs, signal)).servers, range);
    if (!route.found || this.isLastResort(route.stops)) {
      // somebody may have come since; a DHT that is away as well must not take the last resort from us
      const fresh = await directory.view(0, signal).catch((error) => {
        if (!route.found || signal.aborted) throw error;
      });
      if (fresh !== undefined) route = this.#routeIn(fresh.servers, range);
    }
    if (route.found) return route.stops;
    throw await directory.nobodyServes(route.missing, signal);
  }

  #routeIn(announced: readonly SwarmServer[], range: BlockRange): Route<SwarmServer> {
    const { bans, extraSeconds, pings, usable } = this.#swarm;
    return findRoute(usable(announced), range, {
      maxLength: this.#maxLength,
      extraSeconds: (server) => bans.extraSeconds(server.peerId) + extraSeconds(server),
      rttMs: (peer) => pings.rttMs(peer),
    });
  }
}
