/**
 * How long a server may take, by what is usual for it.
 *
 * @module
 */
import { openFirstOf } from "../../base/deadline.ts";
import { NodeError } from "../../base/errors.ts";
import { type BlockRange, lengthOf, type PeerId } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { SwarmServer } from "./announced.ts";

/** A step is late after this, or after so many times what is usual: then its server is asked whether it is there. */
const LATE_MS = 2_000;
const LATE_TIMES = 5;
/** Between two such questions. */
const ASK_PAUSE_MS = 2_000;
/** Questions without an answer, one after another, after which a server counts as silent. One may be lost. */
const UNANSWERED = 2;
/** A server that is there may be busy: so long, or so many times what is usual, before others are asked instead. */
const BUSY_MS = 30_000;
const BUSY_TIMES = 20;
/** Where nobody else serves the blocks, a network that is away for a moment is waited for. */
const ALONE_MS = 30_000;
/** Blocks a second where nothing is known, fewer than petals 2.2 assumes: it is only to be in time. */
const USUAL_BLOCKS_PER_SECOND = 30;
/** Steps of more tokens take as long as they have tokens; others about as long as one. */
const FEW_TOKENS = 16;
/** Weight of the latest step in what is usual. */
const WEIGHT = 0.2;
/** Servers remembered; the one asked longest ago goes first. */
const MAX_PEERS = 1000;

/** Milliseconds that steps at a server take. */
interface Usual {
  few: number | undefined;
  perToken: number | undefined;
}

/** A step that is about to be sent. */
export interface WatchedStep {
  readonly server: SwarmServer;
  readonly blocks: BlockRange;
  readonly tokens: number;
  /** Whether others serve its blocks, as far as is known. */
  readonly hasOthers: () => boolean;
}

const DONE = new NodeError("aborted", "The step is over");

/** What is usual for each server; shared between sessions. Time passes on the monotonic clock. */
export class Patience {
  readonly #world: World;
  readonly #isThere: (peer: PeerId, signal: AbortSignal) => Promise<boolean>;
  readonly #usual = new Map<PeerId, Usual>();

  /** `isThere` asks a peer for a sign of life, within its own time; it throws only the reason of its signal. */
  constructor(world: World, isThere: (peer: PeerId, signal: AbortSignal) => Promise<boolean>) {
    this.#world = world;
    this.#isThere = isThere;
  }

  /**
   * The result of `work`, whose signal aborts with `NodeError` `timeout` when its server gives no sign of life, or takes
   * far longer than usual while others could be asked. How long it took is remembered.
   */
  async watch<T>(
    step: WatchedStep,
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { clock } = this.#world;
    const late = new AbortController();
    const done = new AbortController();
    using either = openFirstOf(signal, late.signal);
    this.#look(step, done.signal).then((why) => late.abort(why), () => {});
    const began = clock.monotonic();
    try {
      const result = await work(either.signal);
      this.#learn(step, clock.monotonic() - began);
      return result;
    } finally {
      done.abort(DONE);
    }
  }

  /** What a step usually takes, milliseconds. */
  usualMs({ server, blocks, tokens }: Omit<WatchedStep, "hasOthers">): number {
    const usual = this.#usual.get(server.peerId);
    const known = tokens <= FEW_TOKENS ? usual?.few : usual?.perToken && usual.perToken * tokens;
    if (known !== undefined) return known;
    const { inferenceRps } = server;
    const perSecond = inferenceRps !== undefined && inferenceRps > 0 ? inferenceRps : USUAL_BLOCKS_PER_SECOND;
    return 1000 * tokens * lengthOf(blocks) / perSecond;
  }

  /** Resolves with why the step is given up. */
  async #look(step: WatchedStep, signal: AbortSignal): Promise<NodeError> {
    const { clock } = this.#world;
    const { server: { peerId }, hasOthers } = step;
    const usual = this.usualMs(step);
    const began = clock.monotonic();
    await clock.sleep(Math.max(LATE_MS, LATE_TIMES * usual), signal);
    for (let unanswered = 0;;) {
      const isThere = await this.#isThere(peerId, signal);
      unanswered = isThere ? 0 : unanswered + 1;
      const waited = clock.monotonic() - began;
      const seconds = Math.round(waited / 1000);
      if (unanswered >= UNANSWERED && (waited >= ALONE_MS || hasOthers())) {
        return new NodeError(
          "timeout",
          `Cannot go on with ${peerId}: it gave no sign of life for ${seconds} s`,
        );
      }
      if (isThere && waited >= Math.max(BUSY_MS, BUSY_TIMES * usual) && hasOthers()) {
        const words = `it took more than ${seconds} s, ${(usual / 1000).toFixed(1)} s are usual`;
        return new NodeError("timeout", `Cannot go on with ${peerId}: ${words}`);
      }
      if (isThere || unanswered >= UNANSWERED) await clock.sleep(ASK_PAUSE_MS, signal);
    }
  }

  #learn({ server: { peerId }, tokens }: WatchedStep, ms: number): void {
    const usual = this.#usual.get(peerId) ?? { few: undefined, perToken: undefined };
    const mixed = (before: number | undefined, now: number) =>
      before === undefined ? now : before + WEIGHT * (now - before);
    if (tokens <= FEW_TOKENS) usual.few = mixed(usual.few, ms);
    else usual.perToken = mixed(usual.perToken, ms / tokens);
    this.#usual.delete(peerId);
    this.#usual.set(peerId, usual);
    if (this.#usual.size > MAX_PEERS) {
      const [oldest] = this.#usual.keys();
      this.#usual.delete(oldest!);
    }
  }
}
