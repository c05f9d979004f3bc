/**
 * Whether an engine process that was asked to compute still lives: one that was stopped, that swaps without end or that
 * a driver holds keeps its pipes open and answers nothing.
 *
 * @module
 */
import type { Clock } from "../base/world.ts";
import type { EngineRequest } from "./engine_messages.ts";

/**
 * Between looks. Looks are counted and not the time between them: whatever the clocks do while a machine sleeps, it
 * counts as one.
 */
const LOOK_MS = 2_000;
/**
 * Looks in a row that found nothing new before a sign is asked for. In these 10 s most passes end, also on slow boards;
 * of those that take longer, the ones computed aside leave the process free to answer.
 */
const ASK_LOOKS = 5;
/** Such looks before the owner is told, 10 s after it was asked. */
const TELL_LOOKS = 10;
/**
 * Such looks before it is given up. A pass of few positions is computed on the thread that would answer: no machine on
 * which a model is of use takes 60 s for one. Petals clients wait for 300 s, and readers for less.
 */
const GIVE_UP_LOOKS = 30;
/** A look so late was no look: this process or the whole machine was stopped, and the other one may just wake. */
const LATE_MS = 10_000;

/** How long nothing is heard of it before it is given up, in words. */
export const SILENCE = `${GIVE_UP_LOOKS * LOOK_MS / 1_000} s`;

/** Only what should give a sign soon is watched; a session begins with its cache. */
const KIND: Readonly<Record<EngineRequest["act"], "watched" | "loads" | "other">> = {
  openCache: "watched",
  step: "watched",
  scores: "watched",
  next: "watched",
  forward: "watched",
  logits: "watched",
  choose: "watched",
  // from a slow disk, or onto a slow card, this may hold the process for minutes
  open: "loads",
  load: "loads",
  loadHead: "loads",
  free: "other",
  ping: "other",
  abort: "other",
};

/** What is done about a process that is silent. */
export interface SilenceMeasures {
  /** Asks it for a sign of life. */
  ask(): void;
  /** It gives none; or, after that, it gave one or has ended. */
  tell(isSilent: boolean): void;
  /** It gave none for too long. */
  giveUp(): void;
}

/**
 * Looks now and then while something computes, and not while anything is being loaded. The looks end by themselves at
 * the first one that finds nothing to wait for: a call costs no timer.
 */
export class EngineWatch {
  readonly #clock: Clock;
  readonly #measures: SilenceMeasures;
  readonly #end = new AbortController();
  readonly #out = { watched: 0, loads: 0, other: 0 };
  #isLooking = false;
  #isHeard = false;
  #isTold = false;

  constructor(clock: Clock, measures: SilenceMeasures) {
    this.#clock = clock;
    this.#measures = measures;
  }

  /** It was asked for `act`. */
  begin(act: EngineRequest["act"]): void {
    this.#out[KIND[act]]++;
    if (!this.#isLooking && this.#out.watched > 0) this.#look();
  }

  /** It has answered `act`, whether or not somebody still waited. */
  finish(act: EngineRequest["act"]): void {
    this.#out[KIND[act]]--;
  }

  /** Something came from it. */
  heard(): void {
    this.#isHeard = true;
  }

  /** Never looks again. */
  close(): void {
    this.#end.abort();
    this.#tell(false);
  }

  #tell(isSilent: boolean): void {
    if (isSilent !== this.#isTold) this.#measures.tell(isSilent);
    this.#isTold = isSilent;
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    for (let silent = 0; this.#out.watched > 0;) {
      const isLate = await this.#sleep();
      if (this.#end.signal.aborted) return;
      silent = this.#isHeard || isLate || this.#out.loads > 0 ? 0 : silent + 1;
      this.#isHeard = false;
      this.#tell(silent >= TELL_LOOKS);
      if (silent === ASK_LOOKS) this.#measures.ask();
      if (silent === GIVE_UP_LOOKS) return this.#measures.giveUp();
    }
    this.#isLooking = false;
  }

  /**
   * Until the next look; whether that comes far too late. By the wall clock, since the other one stands still on Linux
   * while the machine sleeps; one that was set makes the count begin again, which does no harm.
   */
  async #sleep(): Promise<boolean> {
    const fromMs = this.#clock.now();
    await this.#clock.sleep(LOOK_MS, this.#end.signal).catch(() => {});
    return this.#clock.now() - fromMs > LOOK_MS + LATE_MS;
  }
}
