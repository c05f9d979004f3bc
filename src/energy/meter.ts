/**
 * The node's meter: samples all sources, keeps the node's figure, and shares it among what ran.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import type { CpuLoad } from "../device/cpu_load.ts";
import { ownCpuMs } from "../device/own_cpu.ts";
import { type AccountSums, Attribution, type BusyMark, type Share } from "./attribute.ts";
import { NodeFigure } from "./node_figure.ts";
import { RecentTokens, type TokenSums } from "./recent.ts";
import { keepSampling } from "./sampler.ts";
import type { StepSpent } from "./step.ts";
import { TrackedSource } from "./tracked_source.ts";
import type {
  EnergyAccounts,
  EnergyFigure,
  EnergyKind,
  EnergySnapshot,
  Finding,
  SourceFigure,
} from "./types.ts";
import { Watchdog } from "./watchdog.ts";

/** Sums for the books: whole microjoules that are settled, and the time they stand for. Never go back. */
export interface MeterSums {
  readonly accounts: AccountSums;
  /** What of `other` went to the node's own process. */
  readonly overhead: bigint;
  readonly tokens: number;
  readonly blockTokens: number;
  readonly measuredMs: number;
  readonly elapsedMs: number;
  readonly kind: EnergyKind;
  readonly uncertainty: number | null;
}

/** A running meter. Dispose to stop sampling and close all sources. */
export interface EnergyMeter extends AsyncDisposable {
  /** Everything as it is now: samples first. */
  snapshot(): EnergySnapshot;
  /** The node's figure as of the last sample. */
  readonly figure: EnergyFigure;
  /** Whole microjoules of the node's figure by the kind they were taken with. */
  readonly byKind: ReadonlyMap<EnergyKind, bigint>;
  sums(): MeterSums;
  /** Settled energy and positions of a session; `undefined` before its first. */
  session(id: string): Readonly<Share> | undefined;
  /** The same by class of peers. */
  readonly classes: ReadonlyMap<string, Readonly<Share>>;
  /** A step is handed to the engine: samples, and samples often until all steps have ended. */
  begin(): number;
  /** The step ended. */
  end(step: number, spent: StepSpent): void;
  /** Takes what was found. Sources that run already and give values stay; others are replaced. */
  adopt(findings: readonly Finding[]): Promise<void>;
  /** Whether looking for sources again may help: nothing counts, or something has failed for long. */
  readonly isIncomplete: boolean;
}

/** Between samples while a step is under way, and otherwise. */
export interface SampleRates {
  readonly servingMs: number;
  readonly idleMs: number;
}

const RATES: SampleRates = { servingMs: 100, idleMs: 1000 };
/** Samples at the edges of steps are at least this far apart. */
const EDGE_MS = 20;
/** How long it goes on sampling often after a step, and after a change of power: the next one comes soon. */
const BUSY_MS = 2_000;
/** At first it samples often, until the idle baseline is known: accounts come in seconds and not in half a minute. */
const LEARN_MS = 60_000;
/** Most sources that have vanished and are still listed. */
const MAX_DEAD = 32;
/** The wall clock left the other one by this much: the machine slept, or the clock was set. */
const SLEPT_MS = 2_000;

/** Opens a meter over `findings`, sampling at once. `cpu` tells what else the machine does, and is owned from now on. */
export function openMeter(
  world: World,
  findings: readonly Finding[],
  { cpu, rates = RATES }: { readonly cpu?: CpuLoad; readonly rates?: SampleRates } = {},
): EnergyMeter {
  const meter = new Meter(world, cpu, rates);
  meter.take(findings);
  meter.run();
  return meter;
}

class Meter implements EnergyMeter {
  readonly #world: World;
  readonly #cpu: CpuLoad | undefined;
  readonly #rates: SampleRates;
  readonly #node = new NodeFigure();
  readonly #attribution = new Attribution();
  readonly #watchdog = new Watchdog();
  readonly #recent = new RecentTokens();
  readonly #end = new AbortController();
  #sources: TrackedSource[] = [];
  #missing: Exclude<Finding, { state: "ok" }>[] = [];
  #sampling: { wake(): void; readonly ended: Promise<void> } | undefined;
  #lastSampleMs = -Infinity;
  #lag: number | undefined;
  /** Until then it samples often: a step has just ended, or the power changes. */
  #busyUntilMs = -Infinity;
  #alsoAtMs = -Infinity;
  readonly #openedMs: number;
  #samples = 0;
  #samplerMs = 0;

  constructor(world: World, cpu: CpuLoad | undefined, rates: SampleRates) {
    this.#world = world;
    this.#cpu = cpu;
    this.#rates = rates;
    this.#openedMs = world.clock.monotonic();
  }

  run(): void {
    this.#sample(false);
    this.#sampling = keepSampling(this.#world.clock, {
      periodMs: () => this.#periodMs,
      alsoAtMs: () => this.#alsoAtMs,
      sample: () => this.#attempt(),
    }, this.#end.signal);
  }

  take(findings: readonly Finding[]): AsyncDisposable[] {
    const unused: AsyncDisposable[] = [];
    const known = new Map(this.#sources.map((tracked) => [tracked.source.id, tracked]));
    const missing: Exclude<Finding, { state: "ok" }>[] = [];
    for (const finding of findings) {
      if (finding.state !== "ok") {
        missing.push(finding);
        continue;
      }
      const running = known.get(finding.source.id);
      if (running !== undefined && running.trouble === undefined) {
        unused.push(finding.source);
        continue;
      }
      if (running !== undefined) unused.push(running.source);
      known.set(finding.source.id, new TrackedSource(finding.source, running));
    }
    // names may be new each time something is plugged in
    const found = new Set(findings.map((finding) => finding.state === "ok" ? finding.source.id : finding.id));
    const dead = known.values().toArray().filter(({ source: { id }, trouble }) =>
      trouble !== undefined && !found.has(id)
    );
    for (const { source } of dead.slice(0, -MAX_DEAD)) {
      known.delete(source.id);
      unused.push(source);
    }
    this.#sources = [...known.values()];
    this.#missing = missing.filter(({ id }) => !known.has(id));
    return unused;
  }

  async adopt(findings: readonly Finding[]): Promise<void> {
    const unused = this.take(findings);
    this.#sample(false);
    this.#sampling?.wake();
    await Promise.all(unused.map((source) => source[Symbol.asyncDispose]()));
  }

  get isIncomplete(): boolean {
    return this.#node.counted.size === 0 || this.#sources.some(({ trouble }) => trouble !== undefined) ||
      this.#missing.some(({ state }) => state === "denied" || state === "error");
  }

  begin(): number {
    this.#edge();
    const nowMs = this.#world.clock.monotonic();
    const step = this.#attribution.begin(nowMs);
    // by then the power is what it is during the step
    this.#alsoAtMs = nowMs + EDGE_MS;
    this.#sampling?.wake();
    return step;
  }

  end(step: number, spent: StepSpent): void {
    const nowMs = this.#world.clock.monotonic();
    this.#attribution.end(step, nowMs, spent);
    this.#busyUntilMs = nowMs + BUSY_MS;
    this.#edge();
  }

  get byKind(): ReadonlyMap<EnergyKind, bigint> {
    return this.#node.byKind;
  }

  get classes(): ReadonlyMap<string, Readonly<Share>> {
    return this.#attribution.classes;
  }

  session(id: string): Readonly<Share> | undefined {
    return this.#attribution.session(id);
  }

  sums(): MeterSums {
    const { settled, overhead, tokens, blockTokens } = this.#attribution;
    const { kind, uncertainty } = this.figure;
    return { accounts: settled, overhead, tokens, blockTokens, ...this.#node.time, kind, uncertainty };
  }

  get figure(): EnergyFigure {
    return this.#node.figure(this.#world.clock.monotonic());
  }

  snapshot(): EnergySnapshot {
    if (this.#world.clock.monotonic() - this.#lastSampleMs >= EDGE_MS) this.#sample(false);
    const node = this.figure;
    const idle = this.#attribution.idleMicrowatts();
    const { tokens, dynamic } = this.#attribution;
    const joules = (microjoules: bigint) => Number(microjoules) / 1e6;
    return {
      node,
      sources: [
        ...this.#sources.map((tracked) => this.#figureOf(tracked)),
        ...this.#missing.map(missingFigure),
      ],
      ...(idle === undefined || node.joules === null ? {} : { accounts: this.#accounts() }),
      tokens,
      ...(tokens === 0 || node.joules === null ? {} : {
        joulesPerToken: {
          dynamic: dynamic.tokens === 0 ? null : joules(dynamic.microjoules) / dynamic.tokens,
          full: node.joules / tokens,
        },
        peerClasses: Object.fromEntries(
          [...this.#attribution.classes].map(([name, share]) => [
            name,
            { joules: joules(share.microjoules), tokens: share.tokens },
          ]),
        ),
        recentJoulesPerToken: this.#recent.joulesPerToken(this.#tokenSums()),
      }),
      idleWatts: idle === undefined ? null : idle / 1e6,
      samples: this.#samples,
      samplerSeconds: this.#samplerMs / 1000,
    };
  }

  #accounts(): EnergyAccounts {
    const { serve, idle, other } = this.#attribution.provisional();
    const joules = (microjoules: bigint) => Number(microjoules) / 1e6;
    return { serve: joules(serve), idle: joules(idle), other: joules(other) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#sampling?.ended;
    this.#sample(false);
    this.#attribution.settle(this.#world.clock.monotonic(), { all: true });
    await Promise.all(this.#sources.map(({ source }) => source[Symbol.asyncDispose]()));
    this.#cpu?.[Symbol.dispose]();
  }

  get #periodMs(): number {
    const nowMs = this.#world.clock.monotonic();
    const isLearning = nowMs < this.#openedMs + LEARN_MS && this.#node.counted.size > 0 &&
      this.#attribution.idleMicrowatts() === undefined;
    const isBusy = this.#attribution.isServing || nowMs < this.#busyUntilMs || isLearning;
    return isBusy ? this.#rates.servingMs : this.#rates.idleMs;
  }

  /** Nobody waits for the loop that samples: a mistake in one sample must not end all others, nor the node. */
  #attempt(): void {
    try {
      this.#sample(false);
    } catch (error) {
      this.#world.log.error("Sensors not sampled", { error });
    }
  }

  #edge(): void {
    if (this.#world.clock.monotonic() - this.#lastSampleMs >= EDGE_MS) this.#sample(true);
  }

  #sample(edge: boolean): void {
    const { clock } = this.#world;
    const startMs = clock.monotonic();
    this.#lastSampleMs = startMs;
    if (this.#slept(startMs)) { for (const tracked of this.#sources) tracked.breakOff(); }
    const periodMs = this.#periodMs;
    for (const tracked of this.#sources) tracked.sample(periodMs, edge);
    this.#mark(startMs);
    const nowMs = clock.monotonic();
    if (this.#sources.some(({ hasJumped, wrapsSoon }) => hasJumped || wrapsSoon)) {
      this.#busyUntilMs = nowMs + BUSY_MS;
    }
    const current = this.#sources.filter((tracked) => tracked.isCurrent(nowMs, this.#rates.idleMs));
    this.#watchdog.look(current, nowMs);
    const window = this.#node.advance(
      current.filter(({ source }) => !this.#watchdog.reasons.has(source.id)),
      nowMs,
    );
    if (window !== undefined) this.#attribution.add(window);
    else this.#attribution.settle(nowMs, { openSinceMs: this.#node.openSinceMs ?? nowMs });
    if (this.#recent.isDue(nowMs)) this.#recent.add(this.#tokenSums());
    this.#samples++;
    this.#samplerMs += clock.monotonic() - startMs;
  }

  #tokenSums(): TokenSums {
    const { tokens, dynamic } = this.#attribution;
    return {
      atMs: this.#world.clock.monotonic(),
      microjoules: this.#node.microjoules,
      tokens,
      dynamicMicrojoules: dynamic.microjoules,
      dynamicTokens: dynamic.tokens,
    };
  }

  #mark(atMs: number): void {
    const load = this.#cpu?.read();
    const mark: BusyMark | undefined = load === undefined ? undefined : { atMs, ...load, ownMs: ownCpuMs() };
    if (mark !== undefined) this.#attribution.mark(mark);
  }

  /** The monotonic clock stands still while the machine sleeps; the wall clock does not. */
  #slept(monotonicMs: number): boolean {
    const lag = this.#world.clock.now() - monotonicMs;
    const jumped = this.#lag !== undefined && Math.abs(lag - this.#lag) > SLEPT_MS;
    this.#lag = lag;
    return jumped;
  }

  #figureOf(tracked: TrackedSource): SourceFigure {
    const { source: { id, kind, scope, domain }, microwatts, microjoules, relativeUncertainty, failures } =
      tracked;
    const nowMs = this.#world.clock.monotonic();
    const isCurrent = tracked.isCurrent(nowMs, this.#rates.idleMs);
    const excluded = this.#watchdog.reasons.get(id);
    const reason = excluded ?? tracked.trouble ?? (isCurrent ? this.#node.leftOut.get(id) : "no value now");
    return {
      id,
      kind,
      scope,
      domain,
      watts: !isCurrent || microwatts === undefined ? null : microwatts / 1e6,
      joules: tracked.atMs === undefined ? null : Number(microjoules) / 1e6,
      uncertainty: relativeUncertainty,
      state: excluded !== undefined ? "excluded" : tracked.trouble !== undefined ? "error" : "ok",
      ...(reason === undefined ? {} : { reason }),
      counted: this.#node.counted.has(id),
      failures,
    };
  }
}

const missingFigure = (
  { id, kind, scope, state, reason }: Exclude<Finding, { state: "ok" }>,
): SourceFigure => ({
  id,
  kind,
  scope,
  domain: null,
  watts: null,
  joules: null,
  uncertainty: null,
  state,
  reason,
  counted: false,
  failures: {},
});
