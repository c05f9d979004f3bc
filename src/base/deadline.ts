/**
 * A signal that also ends by itself.
 *
 * @module
 */
import { NodeError } from "./errors.ts";
import type { Clock } from "./world.ts";

/** A signal with a time limit; dispose it when the work is done, so that no timer is left. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Aborts with `NodeError` `timeout` after `ms`, or earlier with the reason of `parent`.
 * `what` completes the message: `Cannot <what>: no answer within 5000 ms, wanted one`.
 */
export function openDeadline(clock: Clock, ms: number, what: string, parent?: AbortSignal): Deadline {
  const late = new AbortController();
  const done = new AbortController();
  clock.sleep(ms, done.signal).then(
    () => late.abort(new NodeError("timeout", `Cannot ${what}: no answer within ${ms} ms, wanted one`)),
    () => {},
  );
  const follow = () => late.abort(parent?.reason);
  if (parent?.aborted) follow();
  else parent?.addEventListener("abort", follow, { once: true });
  return {
    signal: late.signal,
    [Symbol.dispose]() {
      parent?.removeEventListener("abort", follow);
      done.abort(new NodeError("aborted", "Deadline closed"));
    },
  };
}

/**
 * Aborts with the first of `signals`, for its reason; dispose it when the work is done, so that long-lived ones forget
 * it. `AbortSignal.any` is of no use on Deno 2.6.10: its signals are collected although somebody listens, and then never
 * abort, and 43 bytes a call stay with the long-lived signal (both measured).
 */
export function openFirstOf(...signals: readonly AbortSignal[]): Deadline {
  const first = new AbortController();
  const follow = (event: Event) => first.abort((event.target as AbortSignal).reason);
  const aborted = signals.find((signal) => signal.aborted);
  if (aborted !== undefined) first.abort(aborted.reason);
  else for (const signal of signals) signal.addEventListener("abort", follow, { once: true });
  return {
    signal: first.signal,
    [Symbol.dispose]() {
      for (const signal of signals) signal.removeEventListener("abort", follow);
    },
  };
}

/** The result of `work`, or the reason of `signal` when that aborts first; `work` itself is not ended. */
export function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
