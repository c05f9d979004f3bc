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
import type { CarbonSnapshot } from "../energy/carbon/books.ts";
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
  /** Own power, where inverters or site meters are named. */
  readonly renewable?: RenewablesSnapshot;
}

/** What is told beside the meter. */
export interface EnergyBeside {
  readonly carbon?: CarbonSnapshot | undefined;
  readonly renewable?: RenewablesSnapshot | undefined;
}

/** Puts the document together. */
export const energyDocument = (
  { node, sources, accounts, tokens, joulesPerToken, peerClasses, idleWatts }: EnergySnapshot,
  { carbon, renewable }: EnergyBeside = {},
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
  ...(renewable === undefined ? {} : { renewable }),
});
