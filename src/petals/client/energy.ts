/**
 * What a generation cost in energy, by the word of those who computed it.
 *
 * @module
 */
import type { Hop } from "./chain.ts";

/** Joules of a whole generation, and where they come from. Empty where not all servers tell. */
export interface GenerationEnergy {
  readonly joules?: number;
  /** Kind and scope of each server's figure, such as `measured board`; several are joined by commas. */
  readonly method?: string;
}

/**
 * Adds up the servers of a session. Each tells joules for as many positions as it has shared out by its last reply:
 * what it says of them is taken to hold for all `positions`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const energy = { joules: 8, tokens: 4, kind: "measured", scope: "board", uncertainty: 0.05 } as const;
 * const hop = { peerId: "a", blocks: { start: 0, end: 2 }, energy };
 * assertEquals(sessionEnergy([hop], 10), { joules: 20, method: "measured board" });
 * ```
 */
export function sessionEnergy(hops: readonly Hop[], positions: number): GenerationEnergy {
  let joules = 0;
  const methods = new Set<string>();
  for (const { energy } of hops) {
    if (energy === undefined || energy.tokens === 0) return {};
    joules += energy.joules / energy.tokens * positions;
    methods.add(`${energy.kind} ${energy.scope}`);
  }
  return hops.length === 0 ? {} : { joules: Math.round(joules * 1e6) / 1e6, method: [...methods].join(", ") };
}
