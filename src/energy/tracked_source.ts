/**
 * One source over time: its channels read, integrated and added up.
 *
 * @module
 */
import { CounterIntegral, type EnergyStep } from "./counter.ts";
import { GaugeIntegral } from "./gauge.ts";
import { uncertaintyOfSum } from "./select.ts";
import type { EnergyChannel, EnergyReading, EnergySource } from "./types.ts";

/** Without a reading for this many periods a source has none. */
const STALE_PERIODS = 5;
/** Shortest time by which a source is called stale. */
const STALE_MS = 2_500;
/** So many reads in a row that gave nothing are an error, not a hiccup. */
const MAX_FAILURES = 10;
/** Power is told over at least this long. */
const POWER_MS = 900;
/** A gauge that moves by more than this between two samples is worth sampling often. */
const JUMP = 0.05;
/** A counter that comes round faster than this is read often. Intel's take 43 minutes at 100 W, AMD's 11. */
const SOON_MS = 120_000;
/** Most reasons of failures that are told apart. */
const MAX_REASONS = 16;
/** Only what answers this fast is read in between. */
const EDGE_PERIOD_MS = 50;

interface Track {
  readonly channel: EnergyChannel;
  readonly add: (reading: EnergyReading, periodMs: number, edge: boolean) => EnergyStep | undefined;
  readonly breakOff: () => void;
  readonly wrapMs: () => number;
  microjoules: bigint;
  measuredMs: number;
  /** Those of the microjoules that stand for measured time: what was filled in over a reset says nothing of the power. */
  measuredMicrojoules: bigint;
  /** Of the newest reading, monotonic. */
  atMs: number | undefined;
  failuresInRow: number;
  /** In one word, of the last that failed. */
  failure: string | undefined;
  /** For the power of counters and of gauges alike. */
  readonly recent: {
    readonly atMs: number;
    readonly measuredMicrojoules: bigint;
    readonly measuredMs: number;
  }[];
  /** The newest reading's. */
  raw: bigint | undefined;
  /** Of a gauge. */
  microwatts: number | undefined;
}

/** A source with its sums. Its energy is the sum of its channels; it has a value only while all of them do. */
export class TrackedSource {
  readonly #tracks: readonly Track[];
  readonly #failures = new Map<string, number>();
  /** Whether the last sample of a gauge was far from the one before: what lies between them is known badly. */
  hasJumped = false;

  /** Of channels that a source before had, and this one has no more. */
  readonly #carried: bigint = 0n;

  /** `before` is the source that this one takes the place of: its sums go on, so that they never go back. */
  constructor(readonly source: EnergySource, before?: TrackedSource) {
    this.#tracks = source.channels.map((channel) => {
      const old = before === undefined
        ? undefined
        : before.#tracks.find((track) => track.channel.id === channel.id);
      const track = trackOf(channel);
      return old === undefined
        ? track
        : { ...track, microjoules: old.microjoules, measuredMs: old.measuredMs };
    });
    if (before === undefined) return;
    for (const [reason, count] of before.#failures) this.#failures.set(reason, count);
    const isGone = ({ channel }: Track) => source.channels.every(({ id }) => id !== channel.id);
    this.#carried = before.#tracks.filter(isGone).reduce(
      (sum, { microjoules }) => sum + microjoules,
      before.#carried,
    );
  }

  /** Reads every channel; with `edge` only those that answer fast. Whether anything new came. */
  sample(periodMs: number, edge = false): boolean {
    let isNew = false;
    this.hasJumped = false;
    for (const track of this.#tracks) {
      if (edge && track.channel.minPeriodMs > EDGE_PERIOD_MS) continue;
      isNew = this.#read(track, periodMs, edge) || isNew;
    }
    return isNew;
  }

  /** The machine slept: what lay between is not known. */
  breakOff(): void {
    for (const track of this.#tracks) track.breakOff();
  }

  /** Since the first reading. */
  get microjoules(): bigint {
    return this.#tracks.reduce((sum, { microjoules }) => sum + microjoules, this.#carried);
  }

  /** Time that is in the energy; of the channel that has the least. */
  get measuredMs(): number {
    return Math.min(...this.#tracks.map(({ measuredMs }) => measuredMs));
  }

  /** When the channel that lags most was read; `undefined` before all were. */
  get atMs(): number | undefined {
    const times = this.#tracks.map(({ atMs }) => atMs);
    return times.some((time) => time === undefined) ? undefined : Math.min(...times as number[]);
  }

  /** Whether all channels have values that are not old at `nowMs`, when sampled every `periodMs`. */
  isCurrent(nowMs: number, periodMs: number): boolean {
    return this.#tracks.length > 0 && this.#tracks.every(({ atMs, channel }) =>
      atMs !== undefined &&
      nowMs - atMs <= Math.max(STALE_MS, STALE_PERIODS * Math.max(channel.minPeriodMs, periodMs))
    );
  }

  /** Whether a counter comes round so soon that a reset is told from a wrap only by frequent readings. */
  get wrapsSoon(): boolean {
    return this.#tracks.some(({ wrapMs }) => wrapMs() < SOON_MS);
  }

  /** What the sensor itself shows, where it is a single counter. */
  get counterValue(): bigint | undefined {
    return this.#tracks.length === 1 && this.#tracks[0]!.channel.type === "counter"
      ? this.#tracks[0]!.raw
      : undefined;
  }

  /** Microwatts over the last second or two; `undefined` where not known. */
  get microwatts(): number | undefined {
    let sum = 0;
    for (const track of this.#tracks) {
      const power = powerOf(track);
      if (power === undefined) return undefined;
      sum += power;
    }
    return this.#tracks.length === 0 ? undefined : sum;
  }

  /** Half width of the 95 % interval. Errors of the channels of one source go the same way: they add up. */
  get relativeUncertainty(): number {
    const parts = this.#tracks.map((track) => ({
      value: powerOf(track) ?? 0,
      relative: track.channel.relativeUncertainty,
    }));
    const sum = parts.reduce((all, { value }) => all + value, 0);
    if (sum <= 0) return uncertaintyOfSum(parts);
    return parts.reduce((all, { value, relative }) => all + value * relative, 0) / sum;
  }

  /** Reads that gave nothing, by reason. */
  get failures(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#failures);
  }

  /** Why it has no value, once that is more than a hiccup. */
  get trouble(): string | undefined {
    const broken = this.#tracks.find(({ failuresInRow }) => failuresInRow >= MAX_FAILURES);
    if (broken === undefined) return undefined;
    const { id, trouble } = broken.channel;
    return trouble ?? `${id} gives nothing: ${broken.failure}`;
  }

  #count(reason: string): void {
    const known = this.#failures.has(reason) || this.#failures.size < MAX_REASONS ? reason : "other";
    this.#failures.set(known, (this.#failures.get(known) ?? 0) + 1);
  }

  #follow(track: Track, microwatts: number): void {
    const before = track.microwatts;
    if (before !== undefined && Math.abs(microwatts - before) > JUMP * before) this.hasJumped = true;
    track.microwatts = microwatts;
  }

  #fail(track: Track, failure: string): false {
    track.failuresInRow++;
    track.failure = failure;
    this.#count(failure);
    return false;
  }

  #read(track: Track, periodMs: number, edge: boolean): boolean {
    const { channel } = track;
    const reading = readingOf(channel);
    if (typeof reading === "string") return this.#fail(track, reading);
    if (reading === undefined) return false;
    const step = track.add(reading, Math.max(channel.minPeriodMs, periodMs), edge);
    if (step?.event === "implausible") return this.#fail(track, step.event);
    track.failuresInRow = 0;
    if (step === undefined) return false;
    if (step.event === "reset") this.#count("reset");
    track.atMs = reading.atMs;
    track.raw = reading.value;
    if (channel.type === "gauge") this.#follow(track, Number(reading.value));
    track.microjoules += step.microjoules;
    track.measuredMs += step.measuredMs;
    if (step.measuredMs > 0) track.measuredMicrojoules += step.microjoules;
    remember(track, reading.atMs);
    return true;
  }
}

/** A reading, why there is none, or `undefined`: "no value now" is an answer, as of a battery that is charged. */
function readingOf(channel: EnergyChannel): EnergyReading | string | undefined {
  try {
    return channel.read() ?? channel.failure;
  } catch {
    // a channel must not throw: one that does must not take the others with it
    return "fault";
  }
}

function trackOf(channel: EnergyChannel): Track {
  const common = {
    channel,
    microjoules: 0n,
    measuredMs: 0,
    measuredMicrojoules: 0n,
    atMs: undefined,
    failuresInRow: 0,
    failure: undefined,
    recent: [],
    raw: undefined,
    microwatts: undefined,
  };
  if (channel.type === "gauge") {
    const gauge = new GaugeIntegral();
    return {
      ...common,
      add: (reading, periodMs, edge) => gauge.add(reading, periodMs, edge),
      breakOff: () => gauge.breakOff(),
      wrapMs: () => Infinity,
    };
  }
  const counter = new CounterIntegral({ maxMicrojoules: channel.maxMicrojoules });
  return {
    ...common,
    add: (reading, periodMs) => counter.add(reading, periodMs),
    breakOff: () => counter.breakOff(),
    wrapMs: () => counter.wrapMs,
  };
}

/** Keeps as much of the past as the power needs. */
function remember({ recent, measuredMicrojoules, measuredMs }: Track, atMs: number): void {
  recent.push({ atMs, measuredMicrojoules, measuredMs });
  while (recent.length > 2 && atMs - recent[1]!.atMs >= POWER_MS) recent.shift();
}

function powerOf({ recent, microwatts }: Track): number | undefined {
  const first = recent[0], last = recent.at(-1);
  const measuredMs = first === undefined ? 0 : last!.measuredMs - first.measuredMs;
  if (measuredMs <= 0) return microwatts;
  return Number(last!.measuredMicrojoules - first!.measuredMicrojoules) * 1000 / measuredMs;
}
