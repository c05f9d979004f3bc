/**
 * What a text does when the engine under it dies: it waits for the next life.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";

/** Between looks whether an engine that died is there again: its first restart takes a second. */
const LOOK_MS = 250;
/** Longest wait for it. */
const MAX_WAIT_MS = 60_000;

/** Whether the engine died or is being started again. */
export const isDeath = (error: unknown): boolean =>
  error instanceof NodeError && (error.code === "unreachable" || error.code === "busy");

/**
 * Does `work` again until it does not meet the death of the engine any more, for a minute at most; `error` is the one that
 * it met first. Throws what `work` throws at last, and the reason of `signal`.
 */
export async function outlive<T>(
  { clock, log }: World,
  error: unknown,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  log.warn("Engine died in the middle of a text, which goes on when it is back", {
    reason: messageOf(error),
  });
  const giveUpAtMs = clock.monotonic() + MAX_WAIT_MS;
  while (true) {
    try {
      return await work();
    } catch (again) {
      if (signal.aborted || !isDeath(again) || clock.monotonic() >= giveUpAtMs) throw again;
      await clock.sleep(LOOK_MS, signal);
    }
  }
}
