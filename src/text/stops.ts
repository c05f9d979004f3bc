/**
 * Texts that end an answer and are not part of it.
 *
 * @module
 */

/** Text that may be told, and the stop that came, if one did. */
export interface Checked {
  readonly text: string;
  readonly stop?: string;
}

/**
 * Looks for stops in text that comes in parts, and holds back what may be the beginning of one. The stop that is complete
 * first wins; among those complete at the same letter the one that began first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const stops = new StopWatch(["END"]);
 * assertEquals(stops.push("the E"), { text: "the " });
 * assertEquals(stops.push("ND of it"), { text: "", stop: "END" });
 * ```
 */
export class StopWatch {
  readonly #stops: readonly string[];
  #held = "";

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /** More text came. After a stop nothing may be pushed. */
  push(text: string): Checked {
    this.#held += text;
    const found = this.#first();
    if (found !== undefined) return { text: this.#held.slice(0, found.at), stop: found.stop };
    const kept = this.#maybe();
    const told = this.#held.slice(0, this.#held.length - kept);
    this.#held = this.#held.slice(this.#held.length - kept);
    return { text: told };
  }

  /** What was held back: the text ended without a stop. */
  finish(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  #first(): { readonly at: number; readonly stop: string } | undefined {
    let best: { at: number; stop: string; end: number } | undefined;
    for (const stop of this.#stops) {
      const at = this.#held.indexOf(stop);
      if (at < 0) continue;
      const end = at + stop.length;
      if (best === undefined || end < best.end || (end === best.end && at < best.at)) {
        best = { at, stop, end };
      }
    }
    return best;
  }

  /** Length of the longest end of what is held that begins a stop. */
  #maybe(): number {
    let most = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, this.#held.length); length > most; length--) {
        if (this.#held.endsWith(stop.slice(0, length))) most = length;
      }
    }
    return most;
  }
}
