/**
 * What a sensor is to this room, and what is told of joules.
 *
 * @module
 */

/** How a figure came about. `mixed` is a measured part and a modelled rest, or a measured one with gaps. */
export type EnergyKind = "measured" | "modelled" | "mixed" | "none";

/**
 * What a figure covers: `wall` all that the socket gives; `board` all that the computer takes; `package` the processor;
 * `accelerator` a graphics card or the like by itself; `part` some rail, core or memory, which is never the machine.
 */
export type EnergyScope = "wall" | "board" | "package" | "accelerator" | "part";

/** Whether a source works, and if it does not, of which kind the reason is. `excluded` works, but must not be added. */
export type SourceState = "ok" | "denied" | "absent" | "error" | "excluded";

/** One value of a sensor. */
export interface EnergyReading {
  /** When it was true: the middle of the read, monotonic clock. The same time again is the same reading. */
  readonly atMs: number;
  /** Microjoules of a counter, microwatts of a gauge. */
  readonly value: bigint;
}

/** One figure of a sensor. */
export interface EnergyChannel {
  readonly id: string;
  /** `counter` counts microjoules, `gauge` shows microwatts. */
  readonly type: "counter" | "gauge";
  /** Where a counter starts again at 0: its largest value and one more step, as the driver says. */
  readonly maxMicrojoules?: bigint;
  /** How often a new value can be had: asking more often gives the old one. */
  readonly minPeriodMs: number;
  /** Half width of the 95 % interval of the sensor itself, relative. */
  readonly relativeUncertainty: number;
  /** The newest reading; `undefined` when there is none now, never 0 for a missing one. Never throws, never waits. */
  read(): EnergyReading | undefined;
  /** Why the last read gave nothing, in one word for counting: `busy`, `io`, `gone`, `malformed`, `timeout`, `http_401`… */
  readonly failure?: string | undefined;
  /** The same in a sentence, where there is more to say. */
  readonly trouble?: string | undefined;
}

/**
 * A sensor of one thing. Its channels measure disjoint parts of that thing: together they are the thing.
 *
 * `domain` is a path that says where the thing lies: `wall/board` lies in `wall`, and whatever begins with
 * `wall/board/` lies in `wall/board`. Two sources of the same domain measure the same thing.
 */
export interface EnergySource extends AsyncDisposable {
  /** Stable over restarts, such as `rapl:package-0` or `hwmon:ina3221@1-0040`. */
  readonly id: string;
  readonly kind: "measured" | "modelled" | "mixed";
  readonly scope: EnergyScope;
  readonly domain: string;
  readonly channels: readonly EnergyChannel[];
}

/** What looking for a sensor gave: a source, or why there is none, with the cure. */
export type Finding =
  | { readonly state: "ok"; readonly source: EnergySource }
  | {
    readonly state: Exclude<SourceState, "ok">;
    readonly id: string;
    readonly kind: "measured" | "modelled" | "mixed";
    readonly scope: EnergyScope;
    /** In words; for what is denied, what to do stands behind the last semicolon. */
    readonly reason: string;
  };

/** Domains that several families share. */
export const DOMAINS = {
  /** What the socket gives to this machine. */
  wall: "wall",
  /** What the computer takes in. */
  board: "wall/board",
  /** Where processors and their memory lie. */
  platform: "wall/board/platform",
  /** One processor package, such as `socket(0)`. A meter that covers graphics in the package too has this domain. */
  socket: (index: number | string): string => `wall/board/platform/socket${index}`,
  /** Memory beside the package. */
  memory: (index: number | string): string => `wall/board/platform/dram${index}`,
  /** A card of its own, by its bus address or number. */
  accelerator: (index: number | string): string => `wall/board/accelerator${index}`,
  /** A rail on the board. */
  rail: (name: string): string => `wall/board/rail/${name}`,
  /** Power that goes through to other devices: never ours. */
  others: (name: string): string => `others/${name}`,
} as const;

/** The one figure of the node. Null is "not known", never 0. */
export interface EnergyFigure {
  readonly watts: number | null;
  /** Since the meter was opened. Never goes back. */
  readonly joules: number | null;
  readonly kind: EnergyKind;
  readonly scope: EnergyScope | null;
  /** Ids of the sources it is made of, joined by `+`. */
  readonly source: string | null;
  /** Half width of the 95 % interval, relative. */
  readonly uncertainty: number | null;
  /** Measured time by elapsed time, 0 to 1. */
  readonly coverage: number;
}

/** One source as it stands. */
export interface SourceFigure {
  readonly id: string;
  readonly kind: "measured" | "modelled" | "mixed";
  readonly scope: EnergyScope;
  readonly domain: string | null;
  readonly watts: number | null;
  readonly joules: number | null;
  readonly uncertainty: number | null;
  readonly state: SourceState;
  readonly reason?: string;
  /** Whether it is in the node's figure now. */
  readonly counted: boolean;
  /** Reads that gave nothing, by reason. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Where joules went. They add up to the node's joules that are settled. */
export interface EnergyAccounts {
  /** Steps of requests. */
  readonly serve: number;
  /** What the machine takes when it does nothing. */
  readonly idle: number;
  /** Everything else that runs here. */
  readonly other: number;
}

/** Joules for each position that went through the blocks served here. Null until they can be told. */
export interface JoulesPerToken {
  /** Of the steps alone, over the idle baseline. */
  readonly dynamic: number | null;
  /** All joules of the machine by all tokens. */
  readonly full: number | null;
}

/** What the meter knows at one moment. */
export interface EnergySnapshot {
  readonly node: EnergyFigure;
  readonly sources: readonly SourceFigure[];
  /** Absent until the idle baseline is known. */
  readonly accounts?: EnergyAccounts;
  /** Positions computed since the meter was opened. */
  readonly tokens: number;
  readonly joulesPerToken?: JoulesPerToken;
  /** Settled joules and positions by who asked: `self` is the owner, `swarm` everybody else. */
  readonly peerClasses?: Readonly<Record<string, { readonly joules: number; readonly tokens: number }>>;
  /** Joules for a token over the last five minutes. */
  readonly recentJoulesPerToken?: JoulesPerToken;
  /** Power of the idle machine; null until it is known. */
  readonly idleWatts: number | null;
  /** Samples taken, and the time they took. */
  readonly samples: number;
  readonly samplerSeconds: number;
}
