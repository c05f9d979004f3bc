/**
 * Whose clock is wrong: peers work together only within 3 s of each other (hivemind `call_ping(validate=True)`).
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { MAX_CLOCK_SKEW_SECONDS } from "./constants.ts";

/** A reading of a peer's clock. All in Unix seconds; `theirs` is 0 when the peer told none. */
export interface ClockReading {
  readonly askedAt: number;
  readonly theirs: number;
  readonly answeredAt: number;
}

/**
 * Seconds that the peer is ahead of us (negative: behind) beyond what the time of the call explains; 0 within it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(skewOf({ askedAt: 100, theirs: 100.5, answeredAt: 101 }), 0);
 * assertEquals(skewOf({ askedAt: 100, theirs: 111, answeredAt: 101 }), 10);
 * ```
 */
export function skewOf({ askedAt, theirs, answeredAt }: ClockReading): number {
  if (theirs === 0) return 0;
  if (theirs < askedAt) return theirs - askedAt;
  return theirs > answeredAt ? theirs - answeredAt : 0;
}

/** Whether a skew keeps two peers apart. NaN does. */
export const isSkewTooLarge = (skew: number): boolean => !(Math.abs(skew) <= MAX_CLOCK_SKEW_SECONDS);

/**
 * Judges skews of all bootstraps that answered. One wrong clock among good ones is that bootstrap's; when more than half
 * are off in the same direction, or none is good, ours is. Returns the error to throw in that case.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(clockErrorOf([0, 3600]), undefined);
 * assertEquals(clockErrorOf([3600, 3601, 0])?.code, "clock_wrong");
 * ```
 */
export function clockErrorOf(skews: readonly number[]): NodeError | undefined {
  const off = skews.filter(isSkewTooLarge);
  if (off.length === 0) return undefined;
  const ahead = off.filter((skew) => skew > 0);
  const behind = off.filter((skew) => skew < 0);
  const side = ahead.length >= behind.length ? ahead : behind;
  if (side.length * 2 <= skews.length && off.length < skews.length) return undefined;
  if (side.length * 2 <= skews.length && skews.length > 1) {
    return new NodeError(
      "clock_wrong",
      `Cannot join: the clocks of all ${skews.length} bootstraps differ from ours and from each other by more than ` +
        `${MAX_CLOCK_SKEW_SECONDS} s, wanted one that agrees. Check the time of this machine`,
    );
  }
  const median = side.sort((a, b) => a - b)[side.length >> 1] ?? NaN;
  const way = median > 0 ? "behind" : "ahead of";
  return new NodeError(
    "clock_wrong",
    `Cannot join: this machine's clock is ${
      formatSeconds(Math.abs(median))
    } ${way} the network's (${side.length} of ` +
      `${skews.length} bootstraps say so), wanted at most ${MAX_CLOCK_SKEW_SECONDS} s. Set the time, for example with ` +
      "`timedatectl set-ntp true`, and start again",
  );
}

const formatSeconds = (seconds: number) => `${Number(seconds.toFixed(seconds < 100 ? 1 : 0))} s`;
