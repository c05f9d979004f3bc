/**
 * The clock: peers refuse whoever is off by more than 3 s.
 *
 * @module
 */
import { clockErrorOf, isSkewTooLarge } from "../dht/clock_rule.ts";
import { MAX_CLOCK_SKEW_SECONDS } from "../dht/constants.ts";
import { type Check, type Diagnosis, NETWORK_LIMIT_MS, nobodyCure, tellOf } from "./checks.ts";

const tell = tellOf("clock");
/** No clock that is right shows an earlier time than that of this program. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);
/** Off by this much is said before it hurts. */
const NOTABLE_SECONDS = 1;
const CURE =
  "set the time and keep it: sudo timedatectl set-ntp true; on a board without a clock of its own let the " +
  "node start after the time is set (systemctl enable systemd-time-wait-sync)";

/** This machine's clock against those of the bootstraps, which tell their time with every answer. */
export const clockCheck: Check = {
  name: "clock",
  limitMs: NETWORK_LIMIT_MS,
  async run({ world, lookouts, bootstraps: named }) {
    const now = world.clock.now();
    if (now < EARLIEST_MS) {
      return [
        tell("fail", `this machine's clock shows ${new Date(now).toISOString()}: it was never set`, CURE),
      ];
    }
    const { bootstraps, others } = await lookouts.swarm();
    const told = [...bootstraps, ...others].flatMap(({ peer, skewSeconds }) =>
      skewSeconds === undefined ? [] : { peer, skewSeconds }
    );
    if (told.length === 0) {
      return [tell(
        "unknown",
        "no peer told its time, so nothing is there to compare with",
        `${nobodyCure({ bootstraps: named })}; or compare by hand: timedatectl timesync-status`,
      )];
    }
    const wrong = clockErrorOf(told.map(({ skewSeconds }) => skewSeconds));
    if (wrong !== undefined) return [tell("fail", sentenceOf(wrong.message), CURE)];
    const off = told.filter(({ skewSeconds }) => isSkewTooLarge(skewSeconds));
    return [verdictOf(told), ...off.map(strangeOf)];
  },
};

/** The error's words without what a node could not do, and without its cure. */
function sentenceOf(message: string): string {
  const words = message.replace(/^Cannot join: /, "").replace(/, wanted .*$/s, "");
  return `${words}; peers refuse more than ${MAX_CLOCK_SKEW_SECONDS} s`;
}

interface Told {
  readonly peer: string;
  readonly skewSeconds: number;
}

function verdictOf(told: readonly Told[]): Diagnosis {
  const skews = told.map(({ skewSeconds }) => skewSeconds).filter((skew) => !isSkewTooLarge(skew))
    .sort((a, b) => a - b);
  const median = skews[skews.length >> 1]!;
  if (Math.abs(median) <= NOTABLE_SECONDS) {
    return tell("ok", `it agrees with ${skews.length} of ${told.length} peers that told their time`);
  }
  const way = median > 0 ? "behind" : "ahead";
  return tell(
    "warn",
    `this machine's clock is ${Math.abs(median).toFixed(1)} s ${way}; peers refuse 3 s`,
    CURE,
  );
}

const strangeOf = ({ peer, skewSeconds }: Told): Diagnosis =>
  tell(
    "warn",
    `the clock of ${peer} is off by ${Math.abs(skewSeconds).toFixed(0)} s, others agree with ours`,
    "tell its operator; this node works without it",
  );
