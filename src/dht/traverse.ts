/**
 * Drives a search over the network.
 *
 * @module
 */
import { orAbort } from "../base/deadline.ts";
import { MAX_WORKERS } from "./constants.ts";
import type { DhtId } from "./id.ts";
import type { Lookup, LookupAnswer, LookupStep } from "./lookup.ts";

/** What came back for a step: the id the node gave itself, if any, and an answer for each key. */
export interface StepAnswer {
  readonly id?: DhtId | undefined;
  readonly answers: ReadonlyMap<DhtId, LookupAnswer>;
}

/**
 * Makes the calls of `lookup`, several at once, until it is done. `ask` gives `undefined` for a peer that did not answer
 * and throws only when `signal` aborts.
 */
export async function traverse(
  lookup: Lookup,
  ask: (step: LookupStep, signal: AbortSignal) => Promise<StepAnswer | undefined>,
  signal: AbortSignal,
): Promise<void> {
  const running = new Set<Promise<void>>();
  while (!lookup.done) {
    for (let step = lookup.next(); step !== undefined; step = lookup.next()) {
      const call = runStep(lookup, step, ask(step, signal)).finally(() => running.delete(call));
      running.add(call);
      if (running.size >= MAX_WORKERS) break;
    }
    if (running.size === 0) return;
    await orAbort(Promise.race(running), signal);
  }
}

async function runStep(
  lookup: Lookup,
  step: LookupStep,
  reply: Promise<StepAnswer | undefined>,
): Promise<void> {
  const answer = await reply;
  if (answer === undefined) lookup.fail(step);
  else lookup.answer(step, answer.answers, answer.id);
}
