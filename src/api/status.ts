/**
 * What a node tells about itself.
 *
 * @module
 */
import type { BlockRange, PeerId } from "../base/tensor.ts";
import type { NetworkName } from "../config/network_profile.ts";
import type { Action, Because, Decision } from "../policy/types.ts";
import type { EnergyFigure, EnergySnapshot, JoulesPerToken } from "../energy/types.ts";

/** Whether all that was asked for is running, or what is missing, in words. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Joules of the node since the start, `kind: "none"` where nothing measures; and what a position costs. */
export interface EnergyStatus extends EnergyFigure {
  readonly joulesPerToken?: JoulesPerToken;
}

/** What the records in the DHT say of this node beside its blocks, word for word as the last round had it. */
export interface AnnouncedStatus {
  /** Null where the owner gave no name. */
  readonly name: string | null;
  readonly version: string;
  /** Block-tokens a second, by which clients choose servers. */
  readonly throughput: number;
  readonly cacheTokensLeft: number | null;
  readonly dtype: string | null;
  readonly usingRelay: boolean;
}

/** What the policy last read of the machine. Null is "not known", never 0. */
export interface DeviceStatus {
  /** Of the hottest sensor, and its name. */
  readonly celsius: number | null;
  readonly hottest: string | null;
  /** Slowed down by the firmware, and supply voltage too low, now. */
  readonly throttled: boolean | null;
  readonly undervolted: boolean | null;
  readonly memoryAvailableBytes: number | null;
  readonly memoryTotalBytes: number | null;
  /** Resident memory of the node's own process; its engine has its own. */
  readonly ownMemoryBytes: number | null;
  readonly diskFreeBytes: number | null;
  /** Written to disk today, and served this month, with what the owner allows of each; 0 is no limit. */
  readonly dayWriteBytes: number;
  readonly dayWriteBudgetBytes: number;
  readonly monthBytes: number;
  readonly monthBudgetBytes: number;
}

/** What is served. */
export interface ServingStatus {
  readonly model: string;
  readonly prefix: string;
  readonly blocks: readonly [start: number, end: number];
  /** Empty while blocks are being loaded. */
  readonly engine: string;
  readonly sessions: number;
  /** Positions of attention memory that are free, over all served blocks. */
  readonly cacheTokensLeft: number;
  /** Of the whole model; absent until it is open. */
  readonly modelBlocks?: number;
  /** Absent before the first announcement. */
  readonly announced?: AnnouncedStatus;
}

/** Totals since the start. */
export interface WorkStatus {
  /** Answered or failed; those that were left are neither. */
  readonly steps: number;
  readonly failedSteps: number;
  readonly tokens: number;
  /** Those of them that came several at a time for each row: prompts. */
  readonly prefillTokens: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly computeMs: number;
}

/** Whether work is taken now, and why not. */
export interface PolicyStatus {
  readonly action: Action;
  /** Of the sessions taken otherwise, 0 to 1. */
  readonly share: number;
  readonly because: readonly Because[];
  /** Unix ms when it may change by itself; null where no such time is known. */
  readonly until: number | null;
}

/** The answer of `/api/v1/status` and `status --json`. */
export interface StatusDocument {
  readonly schema: 1;
  readonly version: string;
  readonly peerId: PeerId;
  readonly addresses: readonly string[];
  readonly network: NetworkName;
  readonly reachability: {
    readonly state: "reachable" | "unreachable" | "unknown";
    readonly reason: string;
    /** Unix ms of the last time that peers were asked; absent before. */
    readonly checkedAt?: number;
    /** Peers that could tell, and those of them that got through. */
    readonly askedPeers?: number;
    readonly reachedBy?: number;
  };
  readonly dht: {
    readonly peers: number;
    readonly entries: number;
    readonly valid: number;
    /** Unix ms; null before the first announcement. */
    readonly lastAnnounceAt: number | null;
  };
  /** Null where nothing is to be served. */
  readonly serving: ServingStatus | null;
  /** Requests of tools that are being answered, and those that wait for their turn. */
  readonly answers?: { readonly running: number; readonly waiting: number };
  readonly energy: EnergyStatus;
  readonly work: WorkStatus;
  readonly policy: PolicyStatus;
  /** Absent where the machine is not looked at. */
  readonly device?: DeviceStatus;
  readonly readiness: Readiness;
  /** What does not work now, and why. */
  readonly degraded: readonly { readonly what: string; readonly why: string }[];
  readonly uptimeSeconds: number;
}

/** Converts a range for JSON. */
export const blocksOf = ({ start, end }: BlockRange): [number, number] => [start, end];

/** The short form of what the meter knows. */
export const energyStatusOf = ({ node, joulesPerToken }: EnergySnapshot): EnergyStatus => ({
  ...node,
  ...(joulesPerToken === undefined ? {} : { joulesPerToken }),
});

/** A decision without its inner clock. */
export const policyStatus = ({ action, share, because, checkAgainAtMs }: Decision): PolicyStatus => ({
  action,
  share,
  because,
  until: checkAgainAtMs ?? null,
});
