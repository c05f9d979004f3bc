/**
 * When to sample: at multiples of a period, aimed at each time anew so that late timers do not add up.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { Clock } from "../base/world.ts";

/** What is to be done, and how often: both may change at any time. */
export interface Sampling {
  readonly periodMs: () => number;
  /** A moment at which to sample as well; one that has passed is none. */
  readonly alsoAtMs: () => number;
  readonly sample: () => void;
}

/** Samples until `signal` aborts. `wake` makes a changed period count at once. */
export function keepSampling(
  clock: Clock,
  { periodMs, alsoAtMs, sample }: Sampling,
  signal: AbortSignal,
): { wake(): void; readonly ended: Promise<void> } {
  let pause = new AbortController();
  const wake = () => pause.abort(new NodeError("aborted", "The period changed"));
  const run = async () => {
    while (!signal.aborted) {
      const now = clock.monotonic();
      const period = periodMs();
      if (pause.signal.aborted) pause = new AbortController();
      const regularMs = (Math.floor(now / period) + 1) * period;
      const dueMs = alsoAtMs() > now ? Math.min(alsoAtMs(), regularMs) : regularMs;
      const isDue = await clock.sleep(dueMs - now, pause.signal).then(() => true, () => false);
      if (isDue && !signal.aborted) sample();
    }
  };
  signal.addEventListener("abort", wake, { once: true });
  return { wake, ended: run() };
}
