/**
 * Sources that contradict others: a whole that reads less than its parts, and one counter shown twice.
 *
 * @module
 */
import { Mirrors } from "./mirrors.ts";
import type { TrackedSource } from "./tracked_source.ts";

/** Energies are compared over at least this long. */
const LOOK_MS = 30_000;
/** A whole may read this much less than the sum of its parts: sensors differ. */
const LEAST_SHARE = 0.95;

interface Mark {
  readonly microjoules: bigint;
  readonly measuredMs: number;
}

/** A counter that has not moved for so long, while another has, is fed by nobody. */
const DEAD_MS = 900;
/** Counters are held against each other this often. */
const MIRROR_MS = 1_000;

/** Compares now and then; what was found out stays until a later comparison is in order. */
export class Watchdog {
  readonly #reasons = new Map<string, string>();
  readonly #mirrors = new Mirrors();
  #mirroredMs = -Infinity;
  /** Ids of counters that repeat others, and of what lies in them. */
  #repeats: string[] = [];
  #marks = new Map<TrackedSource, Mark>();
  #lookedMs = -Infinity;

  /** Why sources are not believed, by id. */
  get reasons(): ReadonlyMap<string, string> {
    return this.#reasons;
  }

  /** Takes note of all that give values at `nowMs`, and compares when it is time. */
  look(current: readonly TrackedSource[], nowMs: number): void {
    if (nowMs - this.#mirroredMs >= MIRROR_MS) {
      this.#mirroredMs = nowMs;
      this.#findMirrors(current);
      for (const whole of current) this.#findDead(whole, current);
    }
    if (nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    for (const whole of current) this.#compare(whole, current);
    this.#marks = new Map(
      current.map((
        tracked,
      ) => [tracked, { microjoules: tracked.microjoules, measuredMs: tracked.measuredMs }]),
    );
  }

  #findMirrors(current: readonly TrackedSource[]): void {
    const packages = current.filter(({ source: { scope } }) => scope === "package").flatMap((tracked) => {
      const value = tracked.counterValue;
      return value === undefined ? [] : [{ id: tracked.source.id, value }];
    });
    // counters that went together for a while may part again: two sockets with little to do
    for (const id of this.#repeats) this.#reasons.delete(id);
    this.#repeats = [];
    if (packages.length < 2) return;
    for (const [id, other] of this.#mirrors.look(packages)) {
      const { domain } = current.find(({ source }) => source.id === id)!.source;
      this.#repeat(id, `${other} shows the same counter`);
      for (const { source } of current) {
        if (source.domain.startsWith(`${domain}/`)) this.#repeat(source.id, `what it lies in is ${other}`);
      }
    }
  }

  #repeat(id: string, reason: string): void {
    this.#repeats.push(id);
    this.#reasons.set(id, reason);
  }

  /** Some boards show a platform counter that nobody feeds. */
  #findDead(whole: TrackedSource, current: readonly TrackedSource[]): void {
    if (whole.counterValue === undefined || whole.microjoules > 0n || whole.measuredMs < DEAD_MS) return;
    const prefix = `${whole.source.domain}/`;
    const moving = current.find(({ source, microjoules }) =>
      source.domain.startsWith(prefix) && microjoules > 0n
    );
    if (moving === undefined) return;
    this.#reasons.set(whole.source.id, `it stands still where ${moving.source.id}, which it contains, moves`);
  }

  #compare(whole: TrackedSource, current: readonly TrackedSource[]): void {
    const prefix = `${whole.source.domain}/`;
    // rails may have been summed that hang on one another: they accuse nobody
    const inside = current.filter(({ source: { domain, kind, scope } }) =>
      domain.startsWith(prefix) && kind === "measured" && scope !== "part"
    );
    const widest = inside.filter(({ source: { domain } }) =>
      !inside.some((other) => domain.startsWith(`${other.source.domain}/`))
    );
    const power = this.#power(whole);
    const powers = widest.map((tracked) => this.#power(tracked));
    if (power === undefined || powers.length === 0 || powers.some((part) => part === undefined)) return;
    const sum = (powers as number[]).reduce((all, part) => all + part, 0);
    const { id } = whole.source;
    if (power > 0 && power >= LEAST_SHARE * sum) this.#reasons.delete(id);
    else {
      const parts = widest.map(({ source }) => source.id).join(" and ");
      this.#reasons.set(
        id,
        `it shows ${watts(power)} where ${parts}, which it contains, shows ${watts(sum)}`,
      );
    }
  }

  /** Microwatts since the last look. */
  #power(tracked: TrackedSource): number | undefined {
    const mark = this.#marks.get(tracked);
    const measuredMs = tracked.measuredMs - (mark?.measuredMs ?? 0);
    if (mark === undefined || measuredMs < LOOK_MS / 2) return undefined;
    return Number(tracked.microjoules - mark.microjoules) * 1000 / measuredMs;
  }
}

const watts = (microwatts: number): string => `${(microwatts / 1e6).toFixed(1)} W`;
