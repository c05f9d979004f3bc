/**
 * One inference session over a chain of servers, which outlives the loss of any of them.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { Activations, BlockRange, PeerId } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import { FEW_POSITIONS, type KvCache } from "../../compute/backend.ts";
import type { NextServer } from "../wire/metadata.ts";
import { firstTokens, joinShort, joinTokens, MAX_REQUEST_ELEMENTS, splitTokens } from "./activations.ts";
import type { SwarmServer } from "./announced.ts";
import { type Chain, type Hop, requireReached } from "./chain.ts";
import type { HopStep, OpenHop, SessionSize } from "./hop.ts";
import { VIEW_AGE_MS } from "./directory.ts";
import type { RouteStop } from "./route.ts";
import { Routes } from "./routes.ts";
import type { Swarm } from "./swarm.ts";
import { uuid } from "./uuid.ts";

/** The same after a server failed: others may have noticed, and announced, something. */
const MEND_VIEW_AGE_MS = 5_000;
/** How long the only server of some blocks is waited for while it has no room; and how often one is asked that refuses. */
const ROOM_MS = 60_000;
const ROOM_LOOK_MS = 1_000;
/** Servers tried in the place of others in one step. */
const MAX_TRIES_PER_STEP = 32;
/** Tries of one step with servers that failed a moment ago, when nobody else is left. */
const MAX_RETRIES_PER_STEP = 3;
/** Pause before such a try, times those so far. */
const RETRY_PAUSE_MS = 1_000;

/**
 * Chooses the servers of a session. Nothing is sent before the first step.
 * Throws `NodeError` `not_found` that names the blocks nobody serves.
 */
export async function openSwarmChain(
  world: World,
  swarm: Swarm,
  size: SessionSize,
  signal: AbortSignal,
): Promise<Chain> {
  const chain = new SwarmChain(world, swarm, size);
  await chain.plan(signal);
  return chain;
}

/** A place in the chain: who computes these blocks, the session once it is open, and what it was fed. */
interface Link {
  readonly server: SwarmServer;
  readonly blocks: BlockRange;
  /** When it was chosen, on the monotonic clock. */
  readonly sinceMs: number;
  hop: OpenHop | undefined;
  /** Inputs so far, in order; a server that takes over is fed them again. */
  history: Activations[];
  /** What its session holds past its history is to be forgotten with the next step. */
  stale: boolean;
  /** Until when its server may find room, on the monotonic clock, where it had none and nobody else could be asked. */
  roomUntilMs: number | undefined;
}

/** A server that did not answer as it should. */
interface Failure {
  /** Its place in the chain. */
  readonly at: number;
  readonly error: NodeError;
  /** How many servers after it cannot be trusted to hold what they should. */
  readonly spoilt: number;
}

/** What one step has cost so far. */
interface Tries {
  /** Servers asked in the place of others. */
  others: number;
  /** Those among them that had failed a moment ago. */
  again: number;
}

class SwarmChain implements Chain {
  readonly #world: World;
  readonly #swarm: Swarm;
  readonly #size: SessionSize;
  readonly #routes: Routes;
  #links: readonly Link[] = [];
  #position = 0;
  #broken = false;

  constructor(world: World, swarm: Swarm, size: SessionSize) {
    this.#world = world;
    this.#swarm = swarm;
    this.#size = size;
    this.#routes = new Routes(world, swarm, size.maxLength);
  }

  get hops(): readonly Hop[] {
    return this.#links.map(({ server, blocks, hop }) => ({
      peerId: server.peerId,
      blocks,
      ...(hop?.energy && { energy: hop.energy }),
    }));
  }

  get position(): number {
    return this.#position;
  }

  get firstCache(): KvCache | undefined {
    const first = this.#links[0];
    return first?.stale ? undefined : first?.hop?.cache;
  }

  get canRewind(): boolean {
    return this.#links.every(({ server }) => this.#swarm.canRewind(server));
  }

  rewind(position: number): void {
    requireReached(position, this.#position);
    if (position === this.#position) return;
    for (const link of this.#links) {
      link.history = firstTokens(link.history, position);
      link.stale = link.hop !== undefined;
    }
    this.#position = position;
  }

  async plan(signal: AbortSignal): Promise<void> {
    const { directory, pings, usable } = this.#swarm;
    const range = { start: 0, end: directory.blocks };
    const servers = usable((await directory.view(VIEW_AGE_MS, signal)).servers);
    if (servers.length > 1) await pings.measure(endsOf(servers, range), signal);
    this.#links = (await this.#routes.find(range, VIEW_AGE_MS, "own", signal)).map(this.#linkTo);
  }

  async step(input: Activations, signal: AbortSignal): Promise<Activations> {
    const { batch, maxLength } = this.#size;
    if (this.#broken) throw new RangeError("Cannot go on: an earlier step of this session failed");
    if (input.batch !== batch || this.#position + input.tokens > maxLength) {
      throw new RangeError(
        `Cannot take ${input.batch} rows of ${input.tokens} tokens at position ${this.#position}: ` +
          `the session was opened for ${batch} rows of ${maxLength}`,
      );
    }
    this.#broken = true; // until it is known to be whole
    await this.#leaveLiars(signal);
    const outputs: Activations[] = [];
    for (const part of splitTokens(input, MAX_REQUEST_ELEMENTS)) outputs.push(await this.#part(part, signal));
    this.#broken = false;
    return joinTokens(outputs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeLinks(this.#links);
  }

  /** One request to each server. */
  async #part(part: Activations, signal: AbortSignal): Promise<Activations> {
    const stepId = uuid(this.#world);
    let hidden = part;
    const tries: Tries = { others: 0, again: 0 };
    for (let at = 0; at < this.#links.length;) {
      const next = this.#nextHops(this.#links.slice(at + 1));
      try {
        hidden = await this.#ask(this.#links[at]!, hidden, { stepId, next }, signal);
        at++;
      } catch (error) {
        if (!(error instanceof NodeError) || signal.aborted) throw error;
        // what a liar pushed is in the sessions after it; what an honest server pushed before it died is right
        const spoilt = error.code === "malformed" ? next.length : 0;
        await this.#mend({ at, error, spoilt }, tries, signal);
      }
    }
    this.#position += part.tokens;
    return hidden;
  }

  /** Sends to a server and keeps what was sent. A server that fails is banned and its session closed. */
  async #ask(link: Link, input: Activations, step: HopStep, signal: AbortSignal): Promise<Activations> {
    const isNew = link.hop === undefined;
    try {
      return await this.#compute(link, input, step, signal);
    } catch (error) {
      await closeLinks([link]);
      if (error instanceof NodeError && !signal.aborted) {
        const isAlone = isNew && isFull(error) && !this.#routes.hasOthers(link);
        if (isAlone) return await this.#waitForRoom(link, input, step, signal);
        this.#accuse(link, error);
      }
      throw error;
    }
  }

  /** Leaves a server alone for a while. */
  #accuse({ server: { peerId }, blocks }: Link, error: NodeError): void {
    const kind = isFull(error) ? "full" : isUnfit(error) ? "unfit" : "failed";
    const banMs = this.#swarm.bans.ban(peerId, kind);
    const fields = { peer: peerId, ...blocks, code: error.code, banMs };
    if (kind === "full") this.#world.log.info("Server has no room, another is sought", fields);
    else this.#world.log.warn("Server failed, another is sought", fields);
  }

  async #compute(link: Link, input: Activations, step: HopStep, signal: AbortSignal): Promise<Activations> {
    const { server, blocks } = link;
    if (link.stale && !this.#swarm.canRewind(server)) await this.#reopen(link, signal);
    const hop = link.hop ??= await this.#open(link, signal);
    const startFrom = link.stale ? this.#position : undefined;
    const compute = (signal: AbortSignal) => hop.step(input, { ...step, startFrom }, signal);
    const watched = {
      server,
      blocks,
      tokens: input.tokens,
      hasOthers: () => this.#routes.hasOthers(link),
    };
    const output = this.#swarm.isHere(server.peerId)
      ? await compute(signal)
      : await this.#swarm.patience.watch(watched, compute, signal);
    link.stale = false;
    link.history.push(input);
    this.#swarm.bans.forgive(server.peerId);
    this.#swarm.checks.consider({ server, blocks, inputs: link.history, output });
    return output;
  }

  /**
   * The same at the only server, which has no room: sessions that are kept for later may be what fills it, and answers that
   * end meanwhile leave theirs. In this process nobody waits: an engine that is being started again has no room either.
   */
  async #waitForRoom(
    link: Link,
    input: Activations,
    step: HopStep,
    signal: AbortSignal,
  ): Promise<Activations> {
    const { clock, log } = this.#world;
    const { server: { peerId }, blocks } = link;
    log.info("Server has no room, and is waited for", { peer: peerId, ...blocks });
    using _room = await this.#swarm.kept.giveRoom();
    const isHere = this.#swarm.isHere(peerId);
    link.roomUntilMs = clock.monotonic() + (isHere ? 0 : ROOM_MS);
    for (;; await clock.sleep(ROOM_LOOK_MS, signal)) {
      const isLast = clock.monotonic() + ROOM_LOOK_MS > link.roomUntilMs;
      try {
        return await this.#compute(link, input, step, signal);
      } catch (error) {
        await closeLinks([link]);
        if (!(error instanceof NodeError) || signal.aborted) throw error;
        if (isFull(error) && !isLast && !this.#routes.hasOthers(link)) continue;
        this.#accuse(link, error);
        throw error;
      }
    }
  }

  /** Whether it had its time to find room. An engine of this process that has none may be coming back. */
  #wasWaitedFor({ server, roomUntilMs }: Link): boolean {
    return roomUntilMs !== undefined && !this.#swarm.isHere(server.peerId);
  }

  /** A session, for which the server may wait for memory where it was found to have none. */
  #open({ server, blocks, roomUntilMs }: Link, signal: AbortSignal): Promise<OpenHop> {
    const left = roomUntilMs === undefined ? 0 : roomUntilMs - this.#world.clock.monotonic();
    const size = left > 0 ? { ...this.#size, allocationMs: left } : this.#size;
    return this.#swarm.openHop(server, blocks, size, signal);
  }

  /**
   * Puts others in the place of servers that were found out since the last step, however long ago. Whoever comes after one
   * of them was fed with what it said, and is fed anew: a session that is kept for later texts must not remember lies.
   */
  async #leaveLiars(signal: AbortSignal): Promise<void> {
    const { bans } = this.#swarm;
    const isLiar = ({ server, sinceMs }: Link) => bans.wasUnfitSince(server.peerId, sinceMs);
    for (let at = this.#links.findIndex(isLiar); at >= 0; at = this.#links.findIndex(isLiar)) {
      const { server: { peerId } } = this.#links[at]!;
      const error = new NodeError("malformed", `Cannot go on with ${peerId}: it answered wrongly`);
      await this.#mend({ at, error, spoilt: this.#links.length - at - 1 }, { others: 0, again: 0 }, signal);
    }
  }

  /** A new session in the place of one that cannot forget, fed with what is to stay. */
  async #reopen(link: Link, signal: AbortSignal): Promise<void> {
    await closeLinks([link]);
    link.stale = false;
    link.hop = await this.#open(link, signal);
    for (const input of partsOf(link.history)) {
      await link.hop.step(input, { stepId: uuid(this.#world), next: [] }, signal);
    }
  }

  /** Puts others in the place of a link until the chain is where it was before the failure. */
  async #mend(failure: Failure, tries: Tries, signal: AbortSignal): Promise<void> {
    const { at, spoilt } = failure;
    const old = this.#links.slice(at, at + 1 + spoilt);
    await closeLinks(old);
    let { error } = failure;
    let asked: readonly Link[] = old;
    while (tries.others < MAX_TRIES_PER_STEP) {
      // who was waited for has no room, and nobody else is there
      if (isFull(error) && asked.some((link) => this.#wasWaitedFor(link))) throw error;
      const fresh = asked = await this.#substitutes(old, { error, first: tries.others === 0 }, signal);
      if (this.#routes.isLastResort(fresh)) {
        if (tries.again === MAX_RETRIES_PER_STEP) break;
        await this.#world.clock.sleep(++tries.again * RETRY_PAUSE_MS, signal);
      }
      tries.others++;
      try {
        await this.#replay(old[0]!.history, fresh, signal);
        this.#links = this.#links.toSpliced(at, old.length, ...fresh);
        return;
      } catch (again) {
        await closeLinks(fresh);
        if (!(again instanceof NodeError) || signal.aborted) throw again;
        error = again;
      }
    }
    throw new NodeError(error.code, `${error.message} (after ${tries.others} other tries)`, { cause: error });
  }

  /** Who can take over the blocks of `old`: others for those that failed, new sessions for the rest. */
  async #substitutes(
    old: readonly Link[],
    { error, first }: { readonly error: NodeError; readonly first: boolean },
    signal: AbortSignal,
  ): Promise<readonly Link[]> {
    // who is known takes over at once: a search may have to wait for those that are gone
    const maxAgeMs = first ? VIEW_AGE_MS : MEND_VIEW_AGE_MS;
    const fresh: Link[] = [];
    for (const link of old) {
      const stays = this.#swarm.bans.kindOf(link.server.peerId) === undefined;
      try {
        const stops = stays ? [link] : await this.#routes.find(link.blocks, maxAgeMs, "all", signal);
        fresh.push(...stops.map(this.#linkTo));
      } catch (nobody) {
        if (!(nobody instanceof NodeError) || nobody.code !== "not_found") throw nobody;
        throw new NodeError(error.code, `${error.message}; nobody else serves them`, { cause: error });
      }
    }
    return fresh;
  }

  readonly #linkTo = ({ server, blocks }: RouteStop<SwarmServer>): Link => ({
    server,
    blocks,
    sinceMs: this.#world.clock.monotonic(),
    hop: undefined,
    history: [],
    stale: false,
    roomUntilMs: undefined,
  });

  /** Feeds new sessions with what their predecessors were fed. */
  async #replay(history: readonly Activations[], fresh: readonly Link[], signal: AbortSignal): Promise<void> {
    for (const input of partsOf(history)) {
      const step = { stepId: uuid(this.#world), next: [] };
      let hidden = input;
      for (const link of fresh) hidden = await this.#ask(link, hidden, step, signal);
    }
  }

  /** The sessions that follow without a gap: pushing goes from server to server. */
  #nextHops(links: readonly Link[]): readonly NextServer[] {
    const next: NextServer[] = [];
    for (const { hop, server, stale } of links) {
      if (hop?.pushTo === undefined || (stale && !this.#swarm.canRewind(server))) break;
      next.push(hop.pushTo);
    }
    return next;
  }
}

/**
 * What was fed, as it is fed again: short steps a few at once, which are computed as single ones are, since a long answer
 * would take as many round trips as it has tokens.
 */
const partsOf = (history: readonly Activations[]): readonly Activations[] =>
  joinShort(history, FEW_POSITIONS, MAX_REQUEST_ELEMENTS);

/** Whether it has no room for a session now. */
const isFull = ({ code }: NodeError): boolean => code === "busy" || code === "no_memory";

/** Whether asking again cannot help: it lied, or does not speak the protocol. */
const isUnfit = ({ code }: NodeError): boolean => code === "malformed" || code === "refused";

/** The servers this client may talk to first and last: to them it has the longest way of its own. */
function endsOf(servers: readonly SwarmServer[], { start, end }: BlockRange): readonly PeerId[] {
  const atEnds = servers.filter(({ range }) => range.start <= start || range.end >= end);
  return atEnds.map(({ peerId }) => peerId);
}

async function closeLinks(links: readonly Link[]): Promise<void> {
  await Promise.all(links.map(async (link) => {
    const { hop } = link;
    link.hop = undefined;
    await hop?.[Symbol.asyncDispose]();
  }));
}
