/**
 * Ctrl-C and SIGTERM.
 *
 * @module
 */
import { openFirstOf } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";

/** Exit codes of a process that a signal ended (POSIX shells: 128 + number). */
const CODES = { SIGINT: 130, SIGTERM: 143 } as const;

const cameError = (name: keyof typeof CODES) =>
  new NodeError("aborted", `Cannot go on: ${name} came, wanted none`);

/**
 * The first signal aborts with `NodeError` `aborted`; a second one leaves at once. Dispose to listen no longer. `take` may
 * take a signal for something else.
 */
export function listenForSignals(
  take: (name: keyof typeof CODES) => "taken" | "all" = () => "all",
): { readonly signal: AbortSignal } & Disposable {
  const stop = new AbortController();
  const names = Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const;
  const listeners = names.map((name) => {
    const listener = () => {
      if (stop.signal.aborted) Deno.exit(CODES[name]);
      if (take(name) === "all") stop.abort(cameError(name));
    };
    Deno.addSignalListener(name, listener);
    return [name, listener] as const;
  });
  return {
    signal: stop.signal,
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
    },
  };
}

/** Interrupts that end an answer, or everything. */
export interface Interrupts extends Disposable {
  /** Aborts when everything is to end. */
  readonly signal: AbortSignal;
  /** A signal for one piece of work, which the next interrupt ends; dispose it when the work is done. */
  during(signal: AbortSignal): { readonly signal: AbortSignal } & Disposable;
}

/** Listens for signals: SIGINT ends the work that runs, and everything while none does; SIGTERM always everything. */
export function listenForInterrupts(): Interrupts {
  const all = new AbortController();
  const interrupts = openInterrupts(all);
  const sources = listenForSignals((name) => interrupts.take(name));
  return { ...interrupts, signal: all.signal, [Symbol.dispose]: () => sources[Symbol.dispose]() };
}

/** What becomes of interrupts; apart from the machine's signals so that it can be tested. */
export function openInterrupts(
  all: AbortController,
): Pick<Interrupts, "during"> & { take(name: keyof typeof CODES): "taken" | "all" } {
  let work: AbortController | undefined;
  return {
    take(name) {
      const ended = work;
      work = undefined;
      if (name === "SIGINT" && ended !== undefined) {
        ended.abort(cameError(name));
        return "taken";
      }
      all.abort(cameError(name));
      return "all";
    },
    during(signal) {
      const mine = new AbortController();
      work = mine;
      const either = openFirstOf(signal, mine.signal);
      return {
        signal: either.signal,
        [Symbol.dispose]() {
          if (work === mine) work = undefined;
          either[Symbol.dispose]();
        },
      };
    },
  };
}
