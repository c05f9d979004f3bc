/**
 * Asks a service again and again: once a period while it answers, with growing pauses while it does not.
 *
 * @module
 */
import { codeOf } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import { retryAfterOf } from "./http.ts";

/** What is asked, and how often. */
export interface PollOptions {
  readonly periodMs: number;
  /** How old the answer is that is known already; `undefined` for none. */
  readonly knownMs: number | undefined;
  readonly ask: (signal: AbortSignal) => Promise<void>;
  /** Hears of each answer, and of why there was none. */
  readonly onResult: (error: unknown) => void;
}

const FIRST_PAUSE_MS = 60_000;
const MAX_PAUSE_MS = 3_600_000;
/** Pause after "you may not": it will not change by itself soon. */
const DENIED_PAUSE_MS = 6 * 3_600_000;

/** Starts asking; `ended` resolves when `signal` has aborted and no question is open. */
export function openPoll(
  world: World,
  options: PollOptions,
  signal: AbortSignal,
): { readonly ended: Promise<void> } {
  return { ended: run(world, options, signal) };
}

async function run({ clock, random }: World, options: PollOptions, signal: AbortSignal): Promise<void> {
  const { periodMs, knownMs, ask, onResult } = options;
  let failures = 0;
  let pauseMs = 0;
  if (knownMs !== undefined && knownMs < periodMs) {
    pauseMs = periodMs - knownMs;
    onResult(undefined);
  }
  while (!signal.aborted) {
    await clock.sleep(pauseMs, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      await ask(signal);
      failures = 0;
      pauseMs = periodMs;
      onResult(undefined);
    } catch (error) {
      if (signal.aborted) return;
      pauseMs = pauseAfter(error, ++failures);
      onResult(error);
    }
    // many nodes must not ask in the same second
    pauseMs *= 1 + 0.1 * (random(1)[0]! / 255);
  }
}

function pauseAfter(error: unknown, failures: number): number {
  const code = codeOf(error, "remote");
  if (code === "denied" || code === "usage") return DENIED_PAUSE_MS;
  const growing = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10));
  return Math.max(growing, retryAfterOf(error) ?? 0);
}
