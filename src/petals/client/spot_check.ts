/**
 * Steps computed a second time by somebody else: a server that answers wrongly is found out, sooner or later.
 *
 * @module
 */
import { viewOf } from "../../base/bytes.ts";
import { openDeadline } from "../../base/deadline.ts";
import { messageOf } from "../../base/errors.ts";
import { type Activations, type BlockRange, containsRange, type PeerId } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import { joinTokens, lastTokens, MAX_REQUEST_ELEMENTS } from "./activations.ts";
import type { SwarmServer } from "./announced.ts";
import type { Bans } from "./bans.ts";
import { type Directory, VIEW_AGE_MS } from "./directory.ts";
import type { OpenHopAt } from "./hop.ts";
import { uuid } from "./uuid.ts";

/** Positions of a session that are computed again at most: a check must stay small beside the work it checks. */
const MAX_TOKENS = 512;
/** Longest check. */
const CHECK_MS = 60_000;

/** A step that was answered. */
export interface AnsweredStep {
  readonly server: SwarmServer;
  readonly blocks: BlockRange;
  /** All inputs of the session up to and with this step, in order; copied where they are kept. */
  readonly inputs: readonly Activations[];
  /** What the server answered to the last of them. */
  readonly output: Activations;
}

/** What checks need of the swarm: who is there, who may be asked, and how. */
export interface Witnesses {
  readonly directory: Directory;
  /** Those that may be asked, of those that announce themselves. */
  readonly usable: (announced: readonly SwarmServer[]) => readonly SwarmServer[];
  readonly bans: Bans;
  readonly openHop: OpenHopAt;
  readonly extraSeconds: (server: SwarmServer) => number;
  /** Whether a peer is this node. */
  readonly isHere: (peer: PeerId) => boolean;
}

/** How checks came out. */
export interface SpotCheckCounts {
  readonly agreed: number;
  readonly differed: number;
  /** Begun, and ended without a verdict: the witness was away. */
  readonly failed: number;
}

/** Checks some steps in the background, one at a time. */
export class SpotChecks {
  readonly #world: World;
  readonly #swarm: () => Witnesses;
  readonly #share: number;
  #counts: SpotCheckCounts = { agreed: 0, differed: 0, failed: 0 };
  #running: Promise<void> | undefined;

  /** `share` of steps is checked, 0 to 1. */
  constructor(world: World, share: number, swarm: () => Witnesses) {
    this.#world = world;
    this.#share = share;
    this.#swarm = swarm;
  }

  /** How checks came out so far. */
  get counts(): SpotCheckCounts {
    return this.#counts;
  }

  /** Resolves when the check that runs has ended. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Checks the step, or not, by chance. Never waits and never throws. */
  consider(step: AnsweredStep): void {
    if (this.#share === 0 || this.#running !== undefined) return;
    const drawn = viewOf(this.#world.random(4)).getUint32(0) / 2 ** 32;
    if (drawn >= this.#share || !fits(step)) return;
    // the session goes on meanwhile
    this.#running = this.#check({ ...step, inputs: [...step.inputs] }).catch((error) => {
      this.#count("failed");
      this.#world.log.debug("Step not checked", { peer: step.server.peerId, reason: messageOf(error) });
    }).finally(() => this.#running = undefined);
  }

  async #check(step: AnsweredStep): Promise<void> {
    const { clock, log } = this.#world;
    using deadline = openDeadline(clock, CHECK_MS, "check a step");
    const { signal } = deadline;
    const { peerId } = step.server;
    const witnesses = await this.#witnesses(step, signal);
    const [first, second] = witnesses;
    if (first === undefined) return;
    if (agree(step.output, await this.#ask(first, step, signal), toleranceOf(step.server, first))) {
      return this.#count("agreed");
    }
    this.#count("differed");
    const { bans } = this.#swarm();
    if (second === undefined && !this.#isHere(first)) {
      // one of them is wrong, and nobody can say which: both are asked only when nobody else is left
      log.warn("Two servers answer differently", { peers: [peerId, first.peerId], ...step.blocks });
      for (const peer of [peerId, first.peerId]) bans.ban(peer, "failed");
      return;
    }
    const isWrong = second === undefined ||
      !agree(step.output, await this.#ask(second, step, signal), toleranceOf(step.server, second));
    const liar = isWrong ? peerId : first.peerId;
    log.warn("A server answers wrongly", { peer: liar, ...step.blocks });
    bans.ban(liar, "unfit");
  }

  /** Who can compute the same blocks: this node itself first, then others by chance. */
  async #witnesses({ server, blocks }: AnsweredStep, signal: AbortSignal): Promise<readonly SwarmServer[]> {
    const { directory, usable, bans, extraSeconds } = this.#swarm();
    const { servers } = await directory.view(VIEW_AGE_MS, signal);
    const others = usable(servers).filter((other) =>
      other.peerId !== server.peerId && containsRange(other.range, blocks) &&
      bans.kindOf(other.peerId) === undefined && extraSeconds(other) < Infinity
    );
    const [from] = this.#world.random(1);
    const start = others.length === 0 ? 0 : from! % others.length;
    const turned = [...others.slice(start), ...others.slice(0, start)];
    return turned.sort((a, b) => Number(this.#isHere(b)) - Number(this.#isHere(a)));
  }

  readonly #isHere = ({ peerId }: { readonly peerId: PeerId }): boolean => this.#swarm().isHere(peerId);

  /** The witness's own answer to the last input, after all before it. */
  async #ask(witness: SwarmServer, step: AnsweredStep, signal: AbortSignal): Promise<Activations> {
    const whole = joinTokens(step.inputs);
    const size = { batch: whole.batch, maxLength: whole.tokens };
    await using hop = await this.#swarm().openHop(witness, step.blocks, size, signal);
    const output = await hop.step(whole, { stepId: uuid(this.#world), next: [] }, signal);
    return lastTokens(output, step.output.tokens);
  }

  #count(what: keyof SpotCheckCounts): void {
    this.#counts = { ...this.#counts, [what]: this.#counts[what] + 1 };
  }
}

/** Whether a step is small enough to be computed again. */
function fits({ inputs }: AnsweredStep): boolean {
  const tokens = inputs.reduce((sum, input) => sum + input.tokens, 0);
  const [first] = inputs;
  return first !== undefined && tokens <= MAX_TOKENS &&
    tokens * first.batch * first.hidden <= MAX_REQUEST_ELEMENTS;
}

/**
 * How far two honest servers may be apart, as a share of the length of a hidden state, by what they hold weights in. Measured
 * over the 30 blocks of SmolLM2 in Q4_1, which answer in half precision: 0.04 between ggml and plain sums; with one block
 * left out 1.2.
 */
const TOLERANCES: Readonly<Record<string, number>> = { float32: 0.01, float16: 0.1, bfloat16: 0.1 };
const QUANTISED = 0.25;

/** The tolerance between two servers: that of the coarser one. */
export function toleranceOf(...servers: readonly Pick<SwarmServer, "info">[]): number {
  return Math.max(...servers.map(({ info: { quantType, torchDtype } }) => {
    if (quantType !== undefined && quantType !== "none") return QUANTISED;
    return TOLERANCES[torchDtype ?? ""] ?? QUANTISED;
  }));
}

/**
 * Whether two answers are the same within `tolerance`: no token's difference is longer than that share of its state.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const state = (...data: number[]) => ({ batch: 1, tokens: 1, hidden: 2, data: Float32Array.from(data) });
 * assertEquals([agree(state(3, 4), state(3, 4.04), 0.01), agree(state(3, 4), state(4, 3), 0.01)], [true, false]);
 * ```
 */
export function agree(a: Activations, b: Activations, tolerance: number): boolean {
  if (a.data.length !== b.data.length) return false;
  const { hidden } = a;
  for (let start = 0; start < a.data.length; start += hidden) {
    let difference = 0;
    let length = 0;
    for (let i = start; i < start + hidden; i++) {
      difference += (a.data[i]! - b.data[i]!) ** 2;
      length += b.data[i]! ** 2;
    }
    if (!(Math.sqrt(difference) <= tolerance * Math.sqrt(length))) return false;
  }
  return true;
}
