/**
 * Facts that take a while to find out, asked in the background again and again.
 *
 * @module
 */
import { openDeadline } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";

/** Longest wait for one answer. */
const TIMEOUT_MS = 2_000;

/** Asks until it is disposed. */
export interface Watch<T> extends AsyncDisposable {
  /** The newest answer; `undefined` where there is none. */
  readonly now: T | undefined;
}

/** Begins to ask every `periodMs`. What `ask` throws as `NodeError` is no answer. */
export function openWatch<T>(
  world: World,
  periodMs: number,
  ask: (signal: AbortSignal) => Promise<T | undefined>,
): Watch<T> {
  const end = new AbortController();
  const watch = { now: undefined as T | undefined };
  const life = keepAsking(world, periodMs, async () => {
    watch.now = await attempt(world, ask, end.signal);
  }, end.signal);
  return {
    get now() {
      return watch.now;
    },
    async [Symbol.asyncDispose]() {
      end.abort(new NodeError("aborted", "The node stops"));
      await life;
    },
  };
}

/** Where there is nothing to ask. */
export const NO_WATCH: Watch<never> = { now: undefined, [Symbol.asyncDispose]: () => Promise.resolve() };

async function keepAsking(
  { clock, log }: World,
  periodMs: number,
  ask: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    // nobody waits for this: a mistake of ours must not end the node
    await ask().catch((error) => log.error("Device not asked", { reason: messageOf(error) }));
    await clock.sleep(periodMs, signal).catch(() => {});
  }
}

async function attempt<T>(
  { clock }: World,
  ask: (signal: AbortSignal) => Promise<T | undefined>,
  signal: AbortSignal,
): Promise<T | undefined> {
  using deadline = openDeadline(clock, TIMEOUT_MS, "ask the device", signal);
  try {
    return await ask(deadline.signal);
  } catch (error) {
    if (error instanceof NodeError) return undefined;
    throw error;
  }
}
