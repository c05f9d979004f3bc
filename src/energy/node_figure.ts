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

/** Power is told over at least this long. */
const POWER_MS = 900;
/** Power older than this is none. */
const OLD_MS = 5_000;
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
  #lastMs = 0;
  readonly #byKind = new Map<EnergyKind, bigint>();
  readonly #recent: { readonly endMs: number; readonly microjoules: bigint; readonly measuredMs: number }[] =
    [];

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
    const { parts = [], whole } = this.#open ?? {};
    return new Set(
      [...parts, ...(whole === undefined ? [] : [whole])].map(({ tracked }) => tracked.source.id),
    );
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
    this.#lastMs = startMs === Infinity ? nowMs : startMs;
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
    const all = open.whole === undefined ? open.parts : [...open.parts, open.whole];
    const endMs = Math.min(...all.map(({ tracked }) => tracked.atMs ?? -Infinity));
    if (!(endMs > open.startMs)) return undefined;
    const measuredMs = Math.min(
      ...all.map((part) => part.tracked.measuredMs - part.measuredMs),
      endMs - open.startMs,
    );
    const microjoules = energyOf(open);
    this.#open = {
      ...open,
      startMs: endMs,
      parts: open.parts.map(renew),
      whole: open.whole && renew(open.whole),
    };
    if (measuredMs <= 0 && microjoules === 0n) return undefined;
    this.#enter(open.choice.kind, { endMs, microjoules, measuredMs });
    return {
      startMs: open.startMs,
      endMs,
      microjoules,
      acceleratorMicrojoules: open.whole === undefined ? cardsOf(open) : 0n,
      choice: open.key,
    };
  }

  #enter(kind: EnergyKind, window: { endMs: number; microjoules: bigint; measuredMs: number }): void {
    this.#microjoules += window.microjoules;
    this.#measuredMs += window.measuredMs;
    this.#byKind.set(kind, (this.#byKind.get(kind) ?? 0n) + window.microjoules);
    this.#recent.push(window);
    let measuredMs = this.#recent.reduce((sum, recent) => sum + recent.measuredMs, 0);
    while (this.#recent.length > 1 && measuredMs - this.#recent[0]!.measuredMs >= POWER_MS) {
      measuredMs -= this.#recent.shift()!.measuredMs;
    }
  }

  #reopen(current: readonly TrackedSource[]): void {
    this.#current = current;
    const key = current.map(({ source }) => source.id).join("+");
    const byId = new Map(current.map((tracked) => [tracked.source.id, tracked]));
    const choice = chooseSources(current.map(candidateOf));
    const part = ({ id }: Candidate) => renew({ tracked: byId.get(id)! });
    const parts = choice.parts.map(part);
    const whole = choice.whole === undefined ? undefined : part(choice.whole);
    const starts = [...parts, ...(whole === undefined ? [] : [whole])].map(({ tracked }) => tracked.atMs!);
    const leftOut = choice.leftOut;
    if (starts.length === 0) {
      this.#open = leftOut.size === 0 ? undefined : { choice, key, startMs: Infinity, parts, whole };
    } else this.#open = { choice, key, startMs: Math.min(...starts), parts, whole };
  }

  #watts(nowMs: number): number | undefined {
    const measuredMs = this.#recent.reduce((sum, window) => sum + window.measuredMs, 0);
    if (measuredMs <= 0 || nowMs - this.#recent.at(-1)!.endMs > OLD_MS) return undefined;
    return Number(this.#recent.reduce((sum, { microjoules }) => sum + microjoules, 0n)) / measuredMs / 1000;
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
