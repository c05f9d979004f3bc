/**
 * The one figure of the node: windows of energy of whichever sources are the best at the time, added up. It never goes
 * back, whatever sources come and go.
 *
 * @module
 */
import type { PowerWindow } from "./attribute.ts";
import { type Candidate, type Choice, chooseSources, uncertaintyOfSum } from "./select.ts";
import type { TrackedSource } from "./tracked_source.ts";
import type { EnergyFigure, EnergyKind } from "./types.ts";

/** Power is told for as long as sources that are sampled so often, or as often as they can be, are not stale. */
const SAMPLED_MS = 1_000;
/** With less of the time measured, a measured figure is a mixed one. */
const LEAST_COVERAGE = 0.95;

interface Part {
  readonly tracked: TrackedSource;
  readonly microjoules: bigint;
  readonly measuredMs: number;
}

interface Open {
  readonly choice: Choice;
  readonly key: string;
  readonly startMs: number;
  readonly parts: readonly Part[];
  readonly whole: Part | undefined;
}

/** Follows the choice of sources and cuts time into windows. */
export class NodeFigure {
  #open: Open | undefined;
  /** What the open window was chosen from. */
  #current: readonly TrackedSource[] = [];
  #microjoules = 0n;
  #measuredMs = 0;
  #firstMs: number | undefined;
  /** Up to here energy is counted. */
  #countedMs = -Infinity;
  #lastMs = 0;
  readonly #byKind = new Map<EnergyKind, bigint>();

  /** Whole microjoules since the first reading. */
  get microjoules(): bigint {
    return this.#microjoules;
  }

  /** Where the window begins that is still open; `undefined` where nothing gives values. */
  get openSinceMs(): number | undefined {
    const startMs = this.#open?.startMs ?? Infinity;
    return startMs === Infinity ? undefined : startMs;
  }

  /** Time that is measured, and time since the first reading. */
  get time(): { readonly measuredMs: number; readonly elapsedMs: number } {
    return {
      measuredMs: this.#measuredMs,
      elapsedMs: this.#firstMs === undefined ? 0 : this.#lastMs - this.#firstMs,
    };
  }

  /** Microjoules by the kind they had when they were taken. */
  get byKind(): ReadonlyMap<EnergyKind, bigint> {
    return this.#byKind;
  }

  /** Sources that count now, by id. */
  get counted(): ReadonlySet<string> {
    const all = this.#open === undefined ? [] : partsOf(this.#open);
    return new Set(all.map(({ tracked }) => tracked.source.id));
  }

  /** Why others do not count. */
  get leftOut(): ReadonlyMap<string, string> {
    return this.#open?.choice.leftOut ?? new Map();
  }

  /** After sampling: the window that has become complete, if any. `current` have values now. */
  advance(current: readonly TrackedSource[], nowMs: number): PowerWindow | undefined {
    const window = this.#close();
    // by what they are and not by their names: a source may have been replaced by its like
    if (!isSame(current, this.#current)) this.#reopen(current);
    const startMs = this.#open?.startMs ?? Infinity;
    if (startMs !== Infinity) this.#firstMs ??= startMs;
    // what is still to be read of a source that works is no gap
    this.#lastMs = Math.max(this.#lastMs, startMs === Infinity ? nowMs : startMs);
    return window;
  }

  /** The figure as it stands. */
  figure(nowMs: number): EnergyFigure {
    const { measuredMs, elapsedMs } = this.time;
    const coverage = elapsedMs > 0 ? Math.min(1, measuredMs / elapsedMs) : 0;
    const { choice } = this.#open ?? {};
    const none = choice === undefined || choice.kind === "none";
    const isPatchy = elapsedMs > 0 && coverage < LEAST_COVERAGE && choice?.kind === "measured";
    return {
      watts: this.#watts(nowMs) ?? null,
      joules: this.#firstMs === undefined ? null : Number(this.#microjoules) / 1e6,
      kind: none ? "none" : isPatchy ? "mixed" : choice.kind,
      scope: none ? null : choice.scope ?? null,
      source: none ? null : [...this.counted].join("+"),
      uncertainty: none ? null : this.#uncertainty(),
      coverage,
    };
  }

  #close(): PowerWindow | undefined {
    const open = this.#open;
    if (open === undefined) return undefined;
    const all = partsOf(open);
    const endMs = Math.min(...all.map(({ tracked }) => tracked.atMs ?? -Infinity));
    // a source with old readings may have taken the place of one with newer ones: what is counted is not counted again
    const startMs = Math.max(open.startMs, this.#countedMs);
    if (!(endMs > startMs)) return undefined;
    const part = (endMs - startMs) / (endMs - open.startMs);
    const measuredMs = part * Math.min(
      ...all.map((part) => part.tracked.measuredMs - part.measuredMs),
      endMs - open.startMs,
    );
    const microjoules = shareOf(energyOf(open), part);
    this.#open = {
      ...open,
      startMs: endMs,
      parts: open.parts.map(renew),
      whole: open.whole && renew(open.whole),
    };
    this.#countedMs = endMs;
    if (measuredMs <= 0 && microjoules === 0n) return undefined;
    const { kind } = open.choice;
    this.#microjoules += microjoules;
    this.#measuredMs += measuredMs;
    this.#byKind.set(kind, (this.#byKind.get(kind) ?? 0n) + microjoules);
    return {
      startMs,
      endMs,
      microjoules,
      acceleratorMicrojoules: open.whole === undefined ? shareOf(cardsOf(open), part) : 0n,
      choice: open.key,
    };
  }

  /** What goes on is taken on from where it was: sources beside it that come and go cost it nothing. */
  #reopen(current: readonly TrackedSource[]): void {
    this.#current = current;
    const byId = new Map(current.map((tracked) => [tracked.source.id, tracked]));
    const choice = chooseSources(current.map(candidateOf));
    const before = this.#open === undefined ? [] : partsOf(this.#open);
    const kept = (tracked: TrackedSource) => before.find((part) => part.tracked === tracked);
    const part = ({ id }: Candidate): Part => kept(byId.get(id)!) ?? renew({ tracked: byId.get(id)! });
    const parts = choice.parts.map(part);
    const whole = choice.whole === undefined ? undefined : part(choice.whole);
    const all = partsOf({ parts, whole });
    const key = all.map(({ tracked }) => tracked.source.id).join("+");
    if (all.length === 0) {
      const isEmpty = choice.leftOut.size === 0;
      this.#open = isEmpty ? undefined : { choice, key, startMs: Infinity, parts, whole };
      return;
    }
    const startMs = all.some((part) => before.includes(part))
      ? this.#open!.startMs
      : Math.min(...all.map(({ tracked }) => tracked.atMs!));
    this.#open = { choice, key, startMs, parts, whole };
  }

  /** The sum of what the sources say, each over its own last second or its last two values. */
  #watts(nowMs: number): number | undefined {
    const open = this.#open;
    if (open === undefined || open.choice.kind === "none") return undefined;
    const all = partsOf(open);
    if (!all.every(({ tracked }) => tracked.isCurrent(nowMs, SAMPLED_MS))) return undefined;
    const powers = all.map(({ tracked }) => tracked.microwatts);
    if (powers.some((power) => power === undefined)) return undefined;
    const measured = (powers as number[]).slice(0, open.parts.length).reduce((sum, power) => sum + power, 0);
    return Math.max(measured, open.whole?.tracked.microwatts ?? 0) / 1e6;
  }

  #uncertainty(): number {
    const { parts, whole } = this.#open!;
    const figures = parts.map(({ tracked }) => ({
      value: tracked.microwatts ?? 0,
      relative: tracked.relativeUncertainty,
    }));
    if (whole === undefined) return uncertaintyOfSum(figures);
    const rest = Math.max(
      0,
      (whole.tracked.microwatts ?? 0) - figures.reduce((sum, { value }) => sum + value, 0),
    );
    return uncertaintyOfSum([...figures, { value: rest, relative: whole.tracked.relativeUncertainty }]);
  }
}

const partsOf = ({ parts, whole }: Pick<Open, "parts" | "whole">): readonly Part[] =>
  whole === undefined ? parts : [...parts, whole];

const shareOf = (microjoules: bigint, part: number): bigint =>
  part >= 1 ? microjoules : BigInt(Math.round(Number(microjoules) * part));

const isSame = (a: readonly TrackedSource[], b: readonly TrackedSource[]): boolean =>
  a.length === b.length && a.every((tracked, i) => tracked === b[i]);

const renew = ({ tracked }: Pick<Part, "tracked">): Part => ({
  tracked,
  microjoules: tracked.microjoules,
  measuredMs: tracked.measuredMs,
});

const candidateOf = (
  { source: { id, kind, scope, domain }, relativeUncertainty }: TrackedSource,
): Candidate => ({
  id,
  kind,
  scope,
  domain,
  relativeUncertainty,
});

const since = ({ tracked, microjoules }: Part): bigint => tracked.microjoules - microjoules;

/** Energy of cards that are measured by themselves. */
const cardsOf = ({ parts }: Open): bigint =>
  parts.reduce((sum, part) => part.tracked.source.scope === "accelerator" ? sum + since(part) : sum, 0n);

/** Energy since the window opened: of the parts, or of the model of the whole where that is more. */
function energyOf({ parts, whole }: Open): bigint {
  const measured = parts.reduce((sum, part) => sum + since(part), 0n);
  const modelled = whole === undefined ? 0n : since(whole);
  return measured > modelled ? measured : modelled;
}
