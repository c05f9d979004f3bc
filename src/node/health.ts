/**
 * What is still missing, and what does not work.
 *
 * @module
 */
import type { Readiness } from "../api/status.ts";
import type { Tell } from "./events.ts";

/** Keeps the list of what must come true before the node is ready, and of what is wrong now. */
export class Health {
  readonly #pending = new Map<string, string>();
  readonly #degraded = new Map<string, string>();
  readonly #tell: Tell;
  readonly #onReady: () => void;
  #wasReady = false;

  /** `onReady` is called once, when nothing is pending for the first time. */
  constructor(tell: Tell, onReady: () => void) {
    this.#tell = tell;
    this.#onReady = onReady;
  }

  /** The node is not ready until `done(what)`; `reason` says so in words. */
  pending(what: string, reason: string): void {
    this.#pending.set(what, reason);
  }

  /** `what` came true. */
  done(what: string): void {
    this.#pending.delete(what);
    if (this.#pending.size > 0 || this.#wasReady) return;
    this.#wasReady = true;
    this.#onReady();
  }

  /** The engine gives no sign of life, or does so again. */
  silence(isSilent: boolean): void {
    const what = "silent engine";
    if (isSilent) {
      this.pending(what, "the engine gives no sign of life; if it goes on so, it is started again");
    } else this.done(what);
  }

  /** `what` does not work; told once for each new `why`. */
  degrade(what: string, why: string): void {
    if (this.#degraded.get(what) === why) return;
    this.#degraded.set(what, why);
    this.#tell({ kind: "degraded", what, why });
  }

  /** `what` works again. */
  recover(what: string): void {
    if (this.#degraded.delete(what)) this.#tell({ kind: "recovered", what });
  }

  /** Whether everything that was asked for is running. */
  get readiness(): Readiness {
    const [missing] = this.#pending.values();
    return missing === undefined ? { ready: true } : { ready: false, reason: missing };
  }

  /** What does not work now. */
  get degraded(): readonly { readonly what: string; readonly why: string }[] {
    return [...this.#degraded].map(([what, why]) => ({ what, why }));
  }
}
