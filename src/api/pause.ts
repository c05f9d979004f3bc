/**
 * The owner's pause: `POST /api/v1/pause`.
 *
 * @module
 */
import { Hono } from "hono";
import * as v from "valibot";
import { NodeError } from "../base/errors.ts";
import type { Clock } from "../base/world.ts";
import type { PolicyStatus } from "./status.ts";

/** Longest pause in minutes: a week. */
const MAX_MINUTES = 7 * 24 * 60;
/** Hour of the local clock at which a morning begins. */
const MORNING_HOUR = 7;

/** What a pause acts on. */
export interface PauseParts {
  readonly clock: Clock;
  /** Asks for quiet until then, Unix ms; a time that has passed ends it. */
  readonly pause: (untilMs: number) => void;
  /** What holds after it. */
  readonly policy: () => PolicyStatus;
}

/** Body of a request. */
export const PAUSE = v.union([
  v.strictObject({ minutes: v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_MINUTES)) }),
  v.strictObject({ until: v.literal("morning") }),
]);

/**
 * When the next morning begins by the local clock, Unix ms.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const at = (day: number, hour: number) => new Date(2026, 10, day, hour).getTime();
 * assertEquals([nextMorning(at(27, 3)), nextMorning(at(27, 23))], [at(27, 7), at(28, 7)]);
 * ```
 */
export function nextMorning(nowMs: number): number {
  const morning = new Date(nowMs);
  morning.setHours(MORNING_HOUR, 0, 0, 0);
  if (morning.getTime() <= nowMs) morning.setDate(morning.getDate() + 1);
  return morning.getTime();
}

/** `{"minutes": n}` (0 resumes) or `{"until": "morning"}`; the answer is the policy that holds now. */
export function pauseRoutes({ clock, pause, policy }: PauseParts): Hono {
  const app = new Hono();
  app.post("/", async (context) => {
    const asked = v.safeParse(PAUSE, await context.req.json().catch(() => undefined));
    if (!asked.success) {
      throw new NodeError(
        "malformed",
        `Cannot pause: the request says no time, wanted {"minutes": 0 to ${MAX_MINUTES}} or {"until": "morning"}`,
      );
    }
    const nowMs = clock.now();
    pause("minutes" in asked.output ? nowMs + 60_000 * asked.output.minutes : nextMorning(nowMs));
    return context.json({ schema: 1, policy: policy() });
  });
  return app;
}
