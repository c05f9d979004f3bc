/**
 * Callers that leave before they are answered.
 *
 * Deno 2.9.8 aborts a request's signal only where the body came with the headers in one packet, as short ones do, or once
 * the response has begun; 2.6.10 always does. So the kernel is asked meanwhile.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { Clock } from "../base/world.ts";

/** Between two looks, and before the first one: by then most requests are answered. */
const LOOK_MS = 250;

/** Why an answer is made no further. */
export const callerLeft = (): NodeError =>
  new NodeError("aborted", "Cannot answer: the caller left, wanted it to stay");

/** Remote ports of connections to our `port` whose other side may still send; `undefined` where the kernel does not tell. */
export type OpenPorts = (port: number) => ReadonlySet<number> | undefined;

/** Whoever asked and waits. Dispose when the answer is there. */
export interface Caller extends Disposable {
  /** Aborts when the caller leaves. */
  readonly signal: AbortSignal;
}

/** Looks after the callers of all requests that are being answered, while there are any. Dispose to end that. */
export class Leaving implements Disposable {
  readonly #clock: Clock;
  readonly #openPorts: () => ReturnType<OpenPorts>;
  readonly #staying = new Map<AbortController, number>();
  readonly #end = new AbortController();
  #isLooking = false;

  constructor(clock: Clock, openPorts: () => ReturnType<OpenPorts>) {
    this.#clock = clock;
    this.#openPorts = openPorts;
  }

  /** Watches the caller on `port`; `told` is what the runtime knows of it. */
  watch(told: AbortSignal, port: number): Caller {
    const gone = new AbortController();
    const leave = () => gone.abort(told.reason);
    told.addEventListener("abort", leave, { once: true });
    if (told.aborted) leave();
    this.#staying.set(gone, port);
    if (!this.#isLooking) this.#look().catch(() => {}); // until it is disposed
    return { signal: gone.signal, [Symbol.dispose]: () => void this.#staying.delete(gone) };
  }

  [Symbol.dispose](): void {
    this.#end.abort();
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#staying.size > 0) {
      await this.#clock.sleep(LOOK_MS, this.#end.signal);
      const open = this.#staying.size > 0 ? this.#openPorts() : undefined;
      for (const [gone, port] of this.#staying) {
        if (open === undefined || open.has(port)) continue;
        this.#staying.delete(gone);
        gone.abort(callerLeft());
      }
    }
    this.#isLooking = false;
  }
}
