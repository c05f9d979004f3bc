/**
 * Whether to contribute. A pure function: the same on a board, a phone and in a page.
 *
 * @module
 */
import { minutesToChange } from "./hours.ts";
import { RULES } from "./rules.ts";
import type { Action, Because, Conditions, Decision, Rules } from "./types.ts";

/** Of the work otherwise taken, while a rule says to slow down. */
const SLOW_SHARE = 0.5;
/** Whoever had to leave again so soon after it came back rests twice as long the next time: a supply that gives way to work. */
const CALM_MS = 600_000;
/** Longest rest, unless the owner wants a longer one. */
const MAX_REST_MS = 900_000;
/** What the owner says counts at once, both ways. */
const OWNER = "pause";
const RANK: Readonly<Record<Action, number>> = { contribute: 0, slow: 1, withdraw: 2 };

/** Nothing speaks against it. */
export const WILLING: Decision = {
  action: "contribute",
  share: 1,
  because: [],
  sinceMs: 0,
  restMs: 0,
};

/**
 * Decides at `nowMs` (Unix ms), knowing what was decided before. The worst of what the rules say counts. It gets worse at
 * once, and better when that has lasted for the owner's rest, so that the swarm is not told of every wave; longer where it
 * got worse again soon after the last time.
 */
export function decide(now: Conditions, rules: Rules, before: Decision, nowMs: number): Decision {
  const because = reasons(now, rules, before, nowMs);
  const action = because.reduce<Action>(
    (worst, { action }) => RANK[action] > RANK[worst] ? action : worst,
    "contribute",
  );
  const { restMs, sinceMs, recoveredAtMs } = before;
  const recovered = recoveredAtMs === undefined ? {} : { recoveredAtMs };
  const known = { because, share: shareOf(action), ...nextChange(now, rules, because, nowMs) };
  if (action === before.action) return { ...known, ...recovered, action, sinceMs, restMs };
  if (RANK[action] > RANK[before.action]) {
    return { ...known, action, sinceMs: nowMs, restMs: restOf(before, rules.restMs, nowMs) };
  }
  // a clock that was set back begins the rest anew
  const betterSinceMs = Math.min(before.betterSinceMs ?? nowMs, nowMs);
  const restedAtMs = betterSinceMs + restMs;
  if (nowMs >= restedAtMs || isOwners(before)) {
    return { ...known, action, sinceMs: nowMs, restMs, recoveredAtMs: nowMs };
  }
  return {
    ...known,
    ...recovered,
    action: before.action,
    share: before.share,
    because: [...because, resting(before.action, restedAtMs, nowMs)],
    sinceMs,
    restMs,
    betterSinceMs,
    checkAgainAtMs: Math.min(known.checkAgainAtMs ?? Infinity, restedAtMs),
  };
}

const resting = (action: Action, untilMs: number, nowMs: number): Because => ({
  rule: "rest",
  action: action === "slow" ? "slow" : "withdraw",
  says: `it is better now, and resumes if that lasts for ${Math.ceil((untilMs - nowMs) / 1000)} s`,
  untilMs,
});

function reasons(now: Conditions, rules: Rules, before: Decision, nowMs: number): Because[] {
  return Object.entries(RULES).flatMap(([rule, judge]) => {
    const last = before.because.find((other) => other.rule === rule)?.action;
    const verdict = judge({ now, rules, before: last, nowMs });
    return verdict === undefined ? [] : [{ rule, ...verdict }];
  });
}

/** Whether nothing but the owner's word held the node where it was. */
const isOwners = ({ action, because }: Decision): boolean =>
  because.every((reason) => reason.action !== action || reason.rule === OWNER);

/** The rest before the next recovery of who gets worse now; what gets worse in two steps counts once. */
function restOf({ recoveredAtMs, restMs }: Decision, leastMs: number, nowMs: number): number {
  if (recoveredAtMs === undefined) return Math.max(restMs, leastMs);
  const isRelapse = nowMs >= recoveredAtMs && nowMs - recoveredAtMs < CALM_MS;
  return isRelapse ? Math.max(leastMs, Math.min(2 * restMs, MAX_REST_MS)) : leastMs;
}

/** When to ask again at the latest, where a time of the clock is known to change something. */
function nextChange(
  { weekday, minute }: Conditions,
  { quietHours, hours, networkHours }: Rules,
  because: readonly Because[],
  nowMs: number,
): Pick<Decision, "checkAgainAtMs"> {
  const times = because.map(({ untilMs }) => untilMs ?? Infinity);
  if (weekday !== undefined && minute !== undefined) {
    const minuteStartMs = nowMs - nowMs % 60_000;
    for (const list of [quietHours, hours, networkHours]) {
      times.push(minuteStartMs + 60_000 * (minutesToChange(list, weekday, minute) ?? Infinity));
    }
  }
  const checkAgainAtMs = Math.min(...times);
  return checkAgainAtMs === Infinity ? {} : { checkAgainAtMs };
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
 * assertEquals(words({ action: "withdraw", because }), "paused: 84 °C on cpu-thermal, resumes at 70 °C");
 * ```
 */
export function words({ action, because }: Pick<Decision, "action" | "because">): string {
  if (action === "contribute") return "contributes";
  const reasons = because.filter((reason) => reason.action === action).map(({ says }) => says);
  return `${action === "slow" ? "slowed down" : "paused"}: ${reasons.join("; ")}`;
}
