/**
 * Whether to contribute. A pure function: the same on a board, a phone and in a page.
 *
 * @module
 */
import { RULES } from "./rules.ts";
import type { Action, Because, Conditions, Decision, Rules } from "./types.ts";

/** Of the work otherwise taken, while a rule says to slow down. */
const SLOW_SHARE = 0.5;
/** A better state lasts at least this long before it is believed: the swarm is not told of every wave. */
const REST_MS = 60_000;
const RANK: Readonly<Record<Action, number>> = { contribute: 0, slow: 1, withdraw: 2 };

/** Nothing speaks against it. */
export const WILLING: Decision = { action: "contribute", share: 1, because: [], sinceMs: -Infinity };

/**
 * Decides at `nowMs` (Unix ms), knowing what was decided before. The worst of what the rules say counts. It gets worse at
 * once and better only after a minute in the state before.
 */
export function decide(now: Conditions, rules: Rules, before: Decision, nowMs: number): Decision {
  const because: Because[] = [];
  for (const [rule, judge] of Object.entries(RULES)) {
    const last = before.because.find((other) => other.rule === rule)?.action;
    const verdict = judge({ now, rules, before: last, nowMs });
    if (verdict !== undefined) because.push({ rule, ...verdict });
  }
  const action = because.reduce<Action>(
    (worst, { action }) => RANK[action] > RANK[worst] ? action : worst,
    "contribute",
  );
  if (action === before.action) return { ...before, because, share: shareOf(action) };
  const isBetter = RANK[action] < RANK[before.action];
  // a clock that was set back must not hold the node down
  const rested = nowMs - before.sinceMs >= REST_MS || nowMs < before.sinceMs;
  if (isBetter && !rested) {
    const rest = {
      rule: "rest",
      action: before.action as "slow" | "withdraw",
      says: "it is waited whether this lasts",
    };
    return { ...before, because: [...because, rest] };
  }
  return { action, share: shareOf(action), because, sinceMs: nowMs };
}

const shareOf = (action: Action): number => ({ contribute: 1, slow: SLOW_SHARE, withdraw: 0 })[action];

/**
 * The decision in a sentence.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const because = [{ rule: "heat", action: "withdraw", says: "84 °C on cpu-thermal, resumes at 70 °C" }] as const;
 * assertEquals(words({ action: "withdraw", share: 0, because, sinceMs: 0 }), "paused: 84 °C on cpu-thermal, resumes at 70 °C");
 * ```
 */
export function words({ action, because }: Decision): string {
  if (action === "contribute") return "contributes";
  const reasons = because.filter((reason) => reason.action === action).map(({ says }) => says);
  return `${action === "slow" ? "slowed down" : "paused"}: ${reasons.join("; ")}`;
}
