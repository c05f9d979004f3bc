/** Sensors that follow a known power, with its exact integral. */
import type { Clock } from "../../src/base/world.ts";
import type { EnergyChannel, EnergyScope, EnergySource } from "../../src/energy/types.ts";

/** Constant power from one moment to another, watts and milliseconds. */
export interface Segment {
  readonly untilMs: number;
  readonly watts: number;
}

/** Power over time, in steps; after the last step it stays. */
export class PowerCurve {
  constructor(readonly segments: readonly Segment[]) {}

  /** Watts at a moment. */
  at(ms: number): number {
    return (this.segments.find(({ untilMs }) => ms < untilMs) ?? this.segments.at(-1)!).watts;
  }

  /** Joules from one moment to another, exactly. */
  joules(fromMs: number, toMs: number): number {
    let joules = 0, at = fromMs;
    for (
      const { untilMs, watts } of [...this.segments, {
        untilMs: Infinity,
        watts: this.segments.at(-1)!.watts,
      }]
    ) {
      if (untilMs <= at) continue;
      const end = Math.min(untilMs, toMs);
      joules += watts * (end - at) / 1000;
      at = end;
      if (at >= toMs) break;
    }
    return joules;
  }
}

/** Numbers from 0 to 1 that are the same each time. */
export function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export interface SensorOptions {
  readonly id?: string;
  readonly type: "counter" | "gauge";
  readonly maxMicrojoules?: bigint;
  /** What is added to a counter's value, by moment: a reset. */
  readonly offset?: (ms: number) => number;
  readonly relativeUncertainty?: number;
  readonly minPeriodMs?: number;
  /** `undefined` in place of a reading. */
  readonly isBroken?: () => boolean;
}

/** One channel that follows `curve`. */
export function sensorChannel(clock: Clock, curve: PowerCurve, options: SensorOptions): EnergyChannel {
  const { id = "sensor", type, maxMicrojoules, offset = () => 0, isBroken = () => false } = options;
  return {
    id,
    type,
    ...(maxMicrojoules === undefined ? {} : { maxMicrojoules }),
    minPeriodMs: options.minPeriodMs ?? 1,
    relativeUncertainty: options.relativeUncertainty ?? 0.05,
    get failure() {
      return isBroken() ? "io" : undefined;
    },
    read() {
      if (isBroken()) return undefined;
      const atMs = clock.monotonic();
      if (type === "gauge") return { atMs, value: BigInt(Math.round(curve.at(atMs) * 1e6)) };
      const microjoules = BigInt(Math.round((curve.joules(0, atMs) + offset(atMs)) * 1e6));
      return { atMs, value: maxMicrojoules === undefined ? microjoules : microjoules % maxMicrojoules };
    },
  };
}

/** A source of such channels. */
export function sourceOf(
  channels: readonly EnergyChannel[],
  change: { id?: string; domain?: string; scope?: EnergyScope; kind?: EnergySource["kind"] } = {},
): EnergySource {
  return {
    id: "source",
    kind: "measured",
    scope: "board",
    domain: "wall/board",
    channels,
    [Symbol.asyncDispose]: () => Promise.resolve(),
    ...change,
  };
}

/** Steps between low and high power, as a loaded machine has them. */
export function burstyCurve(seconds: number, seed: number): PowerCurve {
  const draw = draws(seed);
  const segments: Segment[] = [];
  for (let ms = 0, high = false; ms < seconds * 1000; high = !high) {
    ms += 300 + -Math.log(1 - draw()) * 1500;
    segments.push({ untilMs: ms, watts: high ? 8 + 2 * draw() : 3 });
  }
  return new PowerCurve(segments);
}
