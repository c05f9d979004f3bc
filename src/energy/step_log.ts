/**
 * Steps that are under way or have ended, for windows of energy that are still to be shared.
 *
 * @module
 */
import type { Step, StepSpent } from "./step.ts";

/**
 * Steps in order of time. Windows find theirs by bisection: thousands of steps and of windows wait at the same time
 * while no idle baseline is known.
 */
export class StepLog {
  readonly #open = new Map<number, Step>();
  /** In order of their ends. */
  readonly #ended: Step[] = [];
  /** At least as long as each of them. */
  #longestMs = 0;
  #next = 1;

  /** Steps under way. */
  get running(): number {
    return this.#open.size;
  }

  /** Steps that have ended and are still kept. */
  get kept(): number {
    return this.#ended.length;
  }

  /** When the first of those under way began; `Infinity` where none is. */
  get openSinceMs(): number {
    // a map keeps the order in which they began
    for (const { startMs } of this.#open.values()) return startMs;
    return Infinity;
  }

  /** When a step that is kept ended, counted from the oldest; `Infinity` where there are not so many. */
  endOf(index: number): number {
    return this.#ended[index]?.endMs ?? Infinity;
  }

  begin(atMs: number): number {
    const id = this.#next++;
    this.#open.set(id, { startMs: atMs, endMs: undefined, spent: undefined });
    return id;
  }

  /** False for a step that is not under way. */
  end(id: number, atMs: number, spent: StepSpent): boolean {
    const step = this.#open.get(id);
    if (step === undefined) return false;
    this.#open.delete(id);
    step.endMs = atMs;
    step.spent = spent;
    this.#longestMs = Math.max(this.#longestMs, atMs - step.startMs);
    let place = this.#ended.length;
    while (place > 0 && this.#ended[place - 1]!.endMs! > atMs) place--;
    this.#ended.splice(place, 0, step);
    return true;
  }

  /** Steps that have time in common with what lies between two moments, in no order that means anything. */
  within(fromMs: number, toMs: number): Step[] {
    const found: Step[] = [];
    for (let i = this.#firstEndedAfter(fromMs); i < this.#ended.length; i++) {
      const step = this.#ended[i]!;
      if (step.endMs! >= toMs + this.#longestMs) break;
      if (step.startMs < toMs) found.push(step);
    }
    for (const step of this.#open.values()) if (step.startMs < toMs) found.push(step);
    return found;
  }

  /** Lets go of those that ended before then. */
  forget(beforeMs: number): void {
    let count = this.#firstEndedAfter(beforeMs);
    while (count > 0 && this.#ended[count - 1]!.endMs === beforeMs) count--;
    if (count === 0) return;
    this.#ended.splice(0, count);
    if (this.#ended.length === 0) this.#longestMs = 0;
  }

  /** Index of the first that ended after a moment. */
  #firstEndedAfter(ms: number): number {
    let low = 0, high = this.#ended.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ended[middle]!.endMs! <= ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
