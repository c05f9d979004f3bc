/**
 * What a node tells of its energy.
 *
 * @module
 */
import type {
  EnergyAccounts,
  EnergyFigure,
  EnergyScope,
  EnergySnapshot,
  JoulesPerToken,
  SourceState,
} from "../energy/types.ts";
import type { CarbonBooks, CarbonSnapshot } from "../energy/carbon/books.ts";
import type { RenewablesSnapshot } from "../energy/renewable/types.ts";

/** One source, as others read it. */
export interface SourceDocument {
  readonly id: string;
  readonly kind: "measured" | "modelled" | "mixed";
  readonly scope: EnergyScope;
  readonly watts: number | null;
  readonly joules: number | null;
  readonly uncertainty: number | null;
  readonly state: SourceState;
  readonly reason?: string;
  readonly counted: boolean;
}

/** Energy and carbon of a day. */
export interface TodayDocument {
  /** Unix ms; local midnight. */
  readonly sinceMs: number;
  readonly joules: number;
  /** Location-based, by method; never to be added up. */
  readonly location: readonly { readonly method: string; readonly grams: number }[];
  /** Energy of the grid whose carbon is not known. */
  readonly unpricedJoules: number;
}

/** The answer of `/api/v1/energy` and of `energy --json`. Null is "not known", never 0. */
export interface EnergyDocument {
  readonly schema: 1;
  readonly node: EnergyFigure;
  readonly sources: readonly SourceDocument[];
  /** Joules; they add up to `node.joules`. Absent until the idle baseline is known. */
  readonly accounts?: EnergyAccounts;
  /** Positions computed since the meter was opened. */
  readonly tokens: number;
  /** Absent before the first position. */
  readonly joulesPerToken?: JoulesPerToken;
  /** Settled joules and positions by who asked: `self` is the owner, `swarm` everybody else. */
  readonly peerClasses?: NonNullable<EnergySnapshot["peerClasses"]>;
  /** Power of the idle machine; null until it is known. */
  readonly idleWatts: number | null;
  readonly carbon?: CarbonSnapshot;
  /** Since local midnight, over restarts, as the books have it; entered once a minute. */
  readonly today?: TodayDocument;
  /** Own power, where inverters or site meters are named. */
  readonly renewable?: RenewablesSnapshot;
}

/** What is told beside the meter. */
export interface EnergyBeside {
  readonly carbon?: CarbonSnapshot | undefined;
  readonly today?: TodayDocument | undefined;
  readonly renewable?: RenewablesSnapshot | undefined;
}

/** Puts the document together. */
export const energyDocument = (
  { node, sources, accounts, tokens, joulesPerToken, peerClasses, idleWatts }: EnergySnapshot,
  { carbon, today, renewable }: EnergyBeside = {},
): EnergyDocument => ({
  schema: 1,
  node,
  sources: sources.map(({ id, kind, scope, watts, joules, uncertainty, state, reason, counted }) => ({
    id,
    kind,
    scope,
    watts,
    joules,
    uncertainty,
    state,
    ...(reason === undefined ? {} : { reason }),
    counted,
  })),
  ...(accounts === undefined ? {} : { accounts }),
  tokens,
  ...(joulesPerToken === undefined ? {} : { joulesPerToken }),
  ...(peerClasses === undefined ? {} : { peerClasses }),
  idleWatts,
  ...(carbon === undefined ? {} : { carbon }),
  ...(today === undefined ? {} : { today }),
  ...(renewable === undefined ? {} : { renewable }),
});

/** The day of `nowMs` (Unix ms) out of the books, from local midnight; whole UTC hours. */
export function todayDocument(books: Pick<CarbonBooks, "since">, nowMs: number): TodayDocument {
  const sinceMs = new Date(nowMs).setHours(0, 0, 0, 0);
  const { totalMicrojoules, unpricedMicrojoules, location } = books.since(sinceMs);
  return {
    sinceMs,
    joules: Number(totalMicrojoules) / 1e6,
    location: location.map(({ method, grams }) => ({ method, grams })),
    unpricedJoules: Number(unpricedMicrojoules) / 1e6,
  };
}
