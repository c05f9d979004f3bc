/**
 * Which sources make up the node's figure: the widest that is measured, and nothing twice.
 *
 * @module
 */
import { DOMAINS, type EnergyKind, type EnergyScope, type EnergySource } from "./types.ts";

/** A source as the choice sees it. */
export interface Candidate extends Pick<EnergySource, "id" | "kind" | "scope" | "domain"> {
  readonly relativeUncertainty: number;
}

/** What was chosen. Energies of `parts` add up; `whole`, where there is one, is the model of what contains them. */
export interface Choice {
  readonly parts: readonly Candidate[];
  readonly whole: Candidate | undefined;
  readonly kind: EnergyKind;
  readonly scope: EnergyScope | undefined;
  /** Why each of the others is left out, by id. */
  readonly leftOut: ReadonlyMap<string, string>;
}

const WIDTH: Readonly<Record<EnergyScope, number>> = {
  wall: 4,
  board: 3,
  package: 2,
  accelerator: 1,
  part: 0,
};
const RANK: Readonly<Record<Candidate["kind"], number>> = { measured: 2, mixed: 1, modelled: 0 };

/** Whether `outer` contains `inner`. */
const contains = (outer: string, inner: string): boolean => inner.startsWith(`${outer}/`);
const isNode = (domain: string): boolean => domain === DOMAINS.wall || contains(DOMAINS.wall, domain);
const isRail = (domain: string): boolean => domain.startsWith(DOMAINS.rail(""));

/**
 * Chooses among sources that have values now.
 *
 * Of one domain the best source counts: measured before mixed before modelled, then the smaller uncertainty, then the
 * first. What lies in something measured is left out. Rails of unknown place are left out beside a processor package,
 * which they may feed. A model counts only where nothing measured covers as much: then it is the whole, and what is
 * measured in it makes the figure mixed.
 */
export function chooseSources(candidates: readonly Candidate[]): Choice {
  const leftOut = new Map<string, string>();
  const ours = candidates.filter((candidate) => {
    if (!isNode(candidate.domain)) leftOut.set(candidate.id, "it is the power of other devices");
    return isNode(candidate.domain);
  });
  const best = bestOfEachDomain(ours, leftOut);
  const measured = best.filter(({ kind }) => kind !== "modelled");
  const widest = withoutParts(measured, leftOut);
  const hasPackage = widest.some(({ domain }) =>
    contains(DOMAINS.platform, domain) || domain === DOMAINS.platform
  );
  const parts = widest.filter((candidate) => {
    if (!hasPackage || !isRail(candidate.domain)) return true;
    leftOut.set(candidate.id, "it may feed the processor, which is measured already");
    return false;
  });
  const whole = wholeOf(best.filter(({ kind }) => kind === "modelled"), parts, leftOut);
  return {
    parts,
    whole,
    kind: kindOf(parts, whole),
    scope: scopeOf(whole === undefined ? parts : [whole]),
    leftOut,
  };
}

function bestOfEachDomain(candidates: readonly Candidate[], leftOut: Map<string, string>): Candidate[] {
  const best = new Map<string, Candidate>();
  for (const candidate of candidates) {
    const other = best.get(candidate.domain);
    const better = other === undefined || isBetter(candidate, other);
    if (better) best.set(candidate.domain, candidate);
    const loser = better ? other : candidate;
    if (loser !== undefined) {
      leftOut.set(loser.id, `${best.get(candidate.domain)!.id} measures the same`);
    }
  }
  return [...best.values()];
}

function isBetter(a: Candidate, b: Candidate): boolean {
  if (RANK[a.kind] !== RANK[b.kind]) return RANK[a.kind] > RANK[b.kind];
  return a.relativeUncertainty < b.relativeUncertainty;
}

function withoutParts(candidates: readonly Candidate[], leftOut: Map<string, string>): Candidate[] {
  return candidates.filter((candidate) => {
    const outer = candidates.find((other) => contains(other.domain, candidate.domain));
    if (outer !== undefined) leftOut.set(candidate.id, `it lies in ${outer.id}`);
    return outer === undefined;
  });
}

/** The widest model, where it covers more than is measured. */
function wholeOf(
  models: readonly Candidate[],
  parts: readonly Candidate[],
  leftOut: Map<string, string>,
): Candidate | undefined {
  const [whole, ...others] = models
    .filter((model) => {
      const covered = parts.find(({ domain }) => domain === model.domain || contains(domain, model.domain));
      if (covered !== undefined) leftOut.set(model.id, `${covered.id} measures it`);
      return covered === undefined;
    })
    .toSorted((a, b) => WIDTH[b.scope] - WIDTH[a.scope]);
  for (const other of others) leftOut.set(other.id, `${whole!.id} covers more`);
  return whole;
}

function kindOf(parts: readonly Candidate[], whole: Candidate | undefined): EnergyKind {
  if (whole !== undefined) return parts.length === 0 ? "modelled" : "mixed";
  if (parts.length === 0) return "none";
  return parts.every(({ kind }) => kind === "measured") ? "measured" : "mixed";
}

const scopeOf = (parts: readonly Candidate[]): EnergyScope | undefined =>
  parts.map(({ scope }) => scope).toSorted((a, b) => WIDTH[b] - WIDTH[a])[0];

/** One figure of several: its value in any unit, and the half width of its 95 % interval, relative. */
export interface Uncertain {
  readonly value: number;
  readonly relative: number;
}

/**
 * The uncertainty of a sum of independent figures: root of the sum of squares.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 *
 * assertAlmostEquals(uncertaintyOfSum([{ value: 30, relative: 0.1 }, { value: 40, relative: 0.1 }]), 5 / 70);
 * ```
 */
export function uncertaintyOfSum(figures: readonly Uncertain[]): number {
  const sum = figures.reduce((total, { value }) => total + value, 0);
  if (sum <= 0) return Math.max(0, ...figures.map(({ relative }) => relative));
  return Math.hypot(...figures.map(({ value, relative }) => value * relative)) / sum;
}
