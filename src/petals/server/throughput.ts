/**
 * The one figure by which servers of a swarm are compared (petals 2.2 `server/throughput.py`).
 *
 * @module
 */

/** Share of the network's rate that is left through a relay. */
const RELAY_SHARE = 0.2;

/** Measured rates, tokens a second. */
export interface MeasuredRates {
  /** Of one block, in large batches. */
  readonly forwardRps: number;
  /** Of the network link; `undefined` where it was not measured. */
  readonly networkRps?: number | undefined;
  readonly usingRelay: boolean;
}

/**
 * Tokens a second through an average request, which uses half of the `blocks` served, or through the network if that
 * is slower.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(throughputOf(3, { forwardRps: 100, usingRelay: false }), 50);
 * assertEquals(throughputOf(3, { forwardRps: 100, networkRps: 200, usingRelay: true }), 40);
 * ```
 */
export function throughputOf(blocks: number, rates: MeasuredRates): number {
  const computed = rates.forwardRps / ((blocks + 1) / 2);
  if (rates.networkRps === undefined) return computed;
  return Math.min(computed, rates.networkRps * (rates.usingRelay ? RELAY_SHARE : 1));
}
