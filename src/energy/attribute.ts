/**
 * Who caused which joules. Energy of a window of time goes to the idle machine, to the steps that ran in it and to
 * everything else, by processor time, in whole microjoules: the accounts add up to what was measured, exactly.
 *
 * Energy of a card that has a meter of its own goes by the time that steps were computed on it; steps on the processor
 * have no part in it.
 *
 * Of a window with energy E and length T: idle takes min(E, P0·T), P0 being the idle baseline; the rest is shared by
 * processor time between each step and all other work of the machine. A step's processor time is the engine's own
 * count (getrusage), spread evenly over the step; that of others is the machine's busy time less that of all steps,
 * over a second around the window, as the kernel counts in hundredths of a second.
 *
 * @module
 */
import { IdleBaseline } from "./baseline.ts";
import { splitByClaims, splitWhole } from "./split.ts";
import { StepLog } from "./step_log.ts";
import { cpuWithin, overlapOf, type Step, type StepSpent } from "./step.ts";

/** Energy of the node from one moment to another. */
export interface PowerWindow {
  /** Monotonic. */
  readonly startMs: number;
  readonly endMs: number;
  readonly microjoules: bigint;
  /** Those of them that cards of their own took, where that is measured apart. */
  readonly acceleratorMicrojoules?: bigint;
  /** Which sources it is made of: each choice has a baseline of its own. */
  readonly choice: string;
}

/** What the machine's processors had done by a moment. */
export interface BusyMark {
  readonly atMs: number;
  /** Busy time of all processors together, since any start. */
  readonly busyMs: number;
  /** Busy and idle time of all processors together, since the same start. */
  readonly totalMs: number;
  /** Processor time of the node's own process, of that busy time. */
  readonly ownMs?: number;
}

/** Sums of one account. */
export interface Share {
  microjoules: bigint;
  tokens: number;
}

/** Whole microjoules by account. */
export interface AccountSums {
  readonly serve: bigint;
  readonly idle: bigint;
  readonly other: bigint;
}

/** A quiet window has less of the machine busy than this. */
const QUIET_BUSY = 0.05;
/** How long a window waits for steps that ran in it to end, and for the baseline. */
const MAX_WAIT_MS = 120_000;
/** Most windows that wait: 50 a second for two minutes. */
const MAX_WAITING = 6000;
/** Most finished steps remembered for windows still to come. */
const MAX_STEPS = 16_384;
/** So many are let go of at once. */
const DROP_STEPS = 1024;
/** Most sessions and classes whose sums are kept. */
const MAX_SHARES = 1024;
/** Half of the time over which other work is averaged. */
const AROUND_MS = 500;
/** Most baselines: one for each choice of sources. */
const MAX_BASELINES = 8;

/** Keeps windows until it is known what ran in them, then shares their energy. */
export class Attribution {
  readonly #baselines = new Map<string, IdleBaseline>();
  readonly #waiting: PowerWindow[] = [];
  readonly #steps = new StepLog();
  readonly #marks: BusyMark[] = [];
  readonly #sessions = new Map<string, Share>();
  readonly #classes = new Map<string, Share>();
  #serve = 0n;
  #idle = 0n;
  #other = 0n;
  #overhead = 0n;
  /** Of windows whose baseline was known. */
  #dynamic: Share = { microjoules: 0n, tokens: 0 };
  #tokens = 0;
  #blockTokens = 0;
  #choice = "";

  /** Accounts of all windows that are settled. */
  get settled(): AccountSums {
    return { serve: this.#serve, idle: this.#idle, other: this.#other };
  }

  /** What of `other` went to the node's own process, outside its engine: network, DHT, API. Settled. */
  get overhead(): bigint {
    return this.#overhead;
  }

  /** Steps of windows whose baseline was known: their energy over the baseline, and their positions. */
  get dynamic(): Readonly<Share> {
    return this.#dynamic;
  }

  /** Positions of all steps that have ended. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Positions times blocks of all steps that have ended. */
  get blockTokens(): number {
    return this.#blockTokens;
  }

  /** Whether a step is under way. */
  get isServing(): boolean {
    return this.#steps.running > 0;
  }

  /** Sums by class of peers. */
  get classes(): ReadonlyMap<string, Readonly<Share>> {
    return this.#classes;
  }

  /** Sums of a session's settled steps. */
  session(id: string): Readonly<Share> | undefined {
    return this.#sessions.get(id);
  }

  /** Microwatts of the idle machine under the sources of the last window; `undefined` until known. */
  idleMicrowatts(): number | undefined {
    return this.#baselines.get(this.#choice)?.microwatts();
  }

  /** A step is handed to the engine. */
  begin(atMs: number): number {
    return this.#steps.begin(atMs);
  }

  /** The step `id` ended. */
  end(id: number, atMs: number, spent: StepSpent): void {
    if (!this.#steps.end(id, atMs, spent)) return;
    this.#tokens += spent.tokens;
    this.#blockTokens += spent.blockTokens;
    if (this.#steps.kept <= MAX_STEPS) return;
    // windows that wait must not lose it
    const beforeMs = this.#steps.endOf(DROP_STEPS);
    while (this.#waiting.length > 0 && this.#waiting[0]!.startMs < beforeMs) {
      this.#share(this.#waiting.shift()!);
    }
    this.#steps.forget(beforeMs);
  }

  /** What the machine's processors had done by now; not called where that cannot be read. */
  mark(mark: BusyMark): void {
    this.#marks.push(mark);
    if (this.#marks.length > 2 * MAX_WAITING) this.#marks.splice(0, MAX_WAITING);
  }

  /** Takes a window, in order of time, and settles what can be. */
  add(window: PowerWindow): void {
    this.#choice = window.choice;
    this.#learn(window);
    this.#waiting.push(window);
    this.settle(window.endMs);
  }

  /**
   * Settles what is ready at `nowMs`; with `all` everything there is. The next window will begin at `openSinceMs`, which is
   * long ago where a source gives values seldom: what ran since is kept for it.
   */
  settle(nowMs: number, { all = false, openSinceMs = nowMs }: Settling = {}): void {
    const runningSince = this.#steps.openSinceMs;
    // other work is averaged over what comes after a window, too
    const isReady = ({ endMs, choice }: PowerWindow) =>
      endMs <= runningSince && endMs + AROUND_MS <= nowMs &&
      this.#baselines.get(choice)?.microwatts() !== undefined;
    const isLate = ({ endMs }: PowerWindow) =>
      nowMs - endMs > MAX_WAIT_MS || this.#waiting.length > MAX_WAITING;
    while (this.#waiting.length > 0) {
      const window = this.#waiting[0]!;
      if (!all && !isReady(window) && !isLate(window)) break;
      this.#waiting.shift();
      this.#share(window);
    }
    this.#forget(Math.min(this.#waiting[0]?.startMs ?? Infinity, openSinceMs, nowMs));
  }

  /** Accounts as if everything were settled now: they add up to the energy of all windows. */
  provisional(): AccountSums {
    let { serve, idle, other } = this.settled;
    for (const window of this.#waiting) {
      const split = this.#split(window);
      idle += split.idle;
      other += split.other;
      serve += split.steps.reduce((sum, [, share]) => sum + share, 0n);
    }
    return { serve, idle, other };
  }

  #learn({ startMs, endMs, microjoules, acceleratorMicrojoules = 0n, choice }: PowerWindow): void {
    if (this.#steps.within(startMs, endMs).length > 0) return;
    const busy = this.#busy(startMs, endMs);
    if (busy !== undefined && busy.share > QUIET_BUSY) return;
    const learn = (key: string, part: bigint) =>
      this.#baselineOf(key).add(endMs, Number(part) * 1000 / (endMs - startMs));
    learn(choice, microjoules - acceleratorMicrojoules);
    if (acceleratorMicrojoules > 0n) learn(cardOf(choice), acceleratorMicrojoules);
  }

  #baselineOf(key: string): IdleBaseline {
    let baseline = this.#baselines.get(key);
    if (baseline === undefined) {
      const [oldest] = this.#baselines.keys();
      if (this.#baselines.size >= MAX_BASELINES) this.#baselines.delete(oldest!);
      this.#baselines.set(key, baseline = new IdleBaseline());
    }
    return baseline;
  }

  #share(window: PowerWindow): void {
    const { idle, other, overhead, steps, isKnown } = this.#split(window);
    this.#idle += idle;
    this.#other += other;
    this.#overhead += overhead;
    for (const [{ spent, endMs }, share] of steps) {
      this.#serve += share;
      if (isKnown) this.#dynamic.microjoules += share;
      if (spent === undefined || endMs === undefined) continue;
      // positions go with the window in which the step ended
      const tokens = endMs > window.startMs && endMs <= window.endMs ? spent.tokens : 0;
      if (isKnown) this.#dynamic.tokens += tokens;
      enter(this.#classes, spent.peerClass, share, tokens);
      if (spent.session !== undefined) enter(this.#sessions, spent.session, share, tokens);
    }
  }

  #split(window: PowerWindow): Split {
    const { startMs, endMs, microjoules, acceleratorMicrojoules = 0n, choice } = window;
    const steps = this.#steps.within(startMs, endMs);
    const ms = endMs - startMs;
    const others = this.#othersWithin(startMs, endMs);
    const base = this.#baselines.get(choice)?.microwatts();
    const host = splitByClaims(microjoules - acceleratorMicrojoules, {
      idle: (base ?? 0) * ms / 1000,
      steps: steps.map((step) => cpuWithin(step, startMs, endMs)),
      others: others.all,
    });
    const onCard = steps.map((step) => step.spent?.onAccelerator ? overlapOf(step, startMs, endMs) : 0);
    const card = splitByClaims(acceleratorMicrojoules, {
      idle: (this.#baselines.get(cardOf(choice))?.microwatts() ?? 0) * ms / 1000,
      steps: onCard,
      others: Math.max(0, ms - onCard.reduce((sum, time) => sum + time, 0)),
    });
    return {
      idle: host.idle + card.idle,
      other: host.other + card.other,
      overhead: splitWhole(host.other, [others.own, others.all - others.own])[0]!,
      steps: steps.map((step, i) => [step, host.steps[i]! + card.steps[i]!] as const),
      isKnown: base !== undefined,
    };
  }

  /** Processor time of everything but our steps within a window, and the node's own part of it; 0 where it is not known. */
  #othersWithin(startMs: number, endMs: number): { readonly all: number; readonly own: number } {
    const middle = (startMs + endMs) / 2;
    const half = Math.max(AROUND_MS, (endMs - startMs) / 2);
    const busy = this.#busy(middle - half, middle + half);
    if (busy === undefined) return { all: 0, own: 0 };
    let ours = 0;
    for (const step of this.#steps.within(busy.startMs, busy.endMs)) {
      ours += cpuWithin(step, busy.startMs, busy.endMs);
    }
    const scale = (endMs - startMs) / (busy.endMs - busy.startMs);
    const all = Math.max(0, busy.busyMs - ours) * scale;
    return { all, own: Math.min(all, busy.ownMs * scale) };
  }

  /** Busy time between the marks that enclose a window. */
  #busy(startMs: number, endMs: number) {
    const marks = this.#marks;
    const to = marks[Math.min(firstFrom(marks, endMs), marks.length - 1)];
    const after = firstFrom(marks, startMs);
    const from = marks[marks[after]?.atMs === startMs ? after : Math.max(0, after - 1)];
    if (from === undefined || to === undefined || to.atMs <= from.atMs) return undefined;
    const busyMs = Math.max(0, to.busyMs - from.busyMs);
    const totalMs = to.totalMs - from.totalMs;
    const ownMs = Math.max(0, (to.ownMs ?? 0) - (from.ownMs ?? 0));
    return { startMs: from.atMs, endMs: to.atMs, busyMs, ownMs, share: totalMs > 0 ? busyMs / totalMs : 0 };
  }

  /** Lets go of what no window to come can need. */
  #forget(beforeMs: number): void {
    this.#steps.forget(beforeMs - 2 * AROUND_MS);
    const first = firstFrom(this.#marks, beforeMs - 2 * AROUND_MS) - 1;
    if (first > 0) this.#marks.splice(0, first);
  }
}

/** Index of the first mark at `atMs` or later; the number of marks where there is none. */
function firstFrom(marks: readonly BusyMark[], atMs: number): number {
  let low = 0, high = marks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (marks[middle]!.atMs < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How windows are settled. */
export interface Settling {
  readonly all?: boolean;
  readonly openSinceMs?: number;
}

/** Name of the baseline of the cards under a choice of sources. */
const cardOf = (choice: string): string => `${choice} (cards)`;

/** Energy of one window as it was shared. */
interface Split {
  readonly idle: bigint;
  readonly other: bigint;
  /** The node's own part of `other`. */
  readonly overhead: bigint;
  readonly steps: readonly (readonly [Step, bigint])[];
  /** Whether the idle baseline was known. */
  readonly isKnown: boolean;
}

/** Adds to a sum; the one that was added to longest ago makes room. */
function enter(sums: Map<string, Share>, key: string, microjoules: bigint, tokens: number): void {
  const sum = sums.get(key) ?? { microjoules: 0n, tokens: 0 };
  sums.delete(key);
  if (sums.size >= MAX_SHARES) sums.delete(sums.keys().next().value!);
  sum.microjoules += microjoules;
  sum.tokens += tokens;
  sums.set(key, sum);
}
