/**
 * `--when green`: work that can wait does so until the grid is at its cleanest before a deadline.
 *
 * @module
 */
import { memoryTable } from "../base/database.ts";
import { openDeadline, orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { Config } from "../config/schema.ts";
import type { CarbonIntensity } from "../energy/carbon/intensity.ts";
import { type StartPlan, waitForGreen } from "../energy/carbon/schedule.ts";
import { intensityOf } from "../node/open_carbon.ts";
import type { Flag } from "./verb.ts";

/** Flags of verbs whose work can wait. */
export const WHEN_FLAGS: readonly Flag[] = [
  {
    name: "when",
    kind: "text",
    value: "now|green",
    sentence: "green waits until the grid is at its cleanest (carbon.zone, carbon.provider); now without it.",
  },
  {
    name: "deadline",
    kind: "text",
    value: "HOURS",
    sentence: "With --when green: hours after which it must be done; 24 without it.",
  },
];

const HOUR_MS = 3_600_000;
/** What a download is taken to last: nobody knows before it begins. */
const DURATION_MS = HOUR_MS;
const DEFAULT_DEADLINE_HOURS = 24;
/** Longest that a service is waited for before it is done without. */
const ANSWER_MS = 30_000;

/** What to wait for. */
export interface WhenRequest {
  readonly flags: ReadonlyMap<string, unknown>;
  readonly config: Config;
  /** Hears lines for people. */
  readonly tell: (line: string) => void;
}

/** Waits if the flags say so. Throws `NodeError` `usage` for flags that say something else, and as services do. */
export async function waitAsAsked(world: World, request: WhenRequest, signal: AbortSignal): Promise<void> {
  const hours = hoursToWait(request.flags);
  if (hours === undefined) return;
  const { config, tell } = request;
  await using intensity = intensityOf(world, config, memoryTable());
  await answerOf(world, intensity, signal);
  const nowMs = world.clock.now();
  const { waitedMs, plan } = await waitForGreen(world, intensity, {
    durationMs: DURATION_MS,
    deadlineMs: nowMs + hours * HOUR_MS,
    tell: (plan) => tell(planLine(plan)),
  }, signal);
  tell(waitedMs > 0 ? `Beginning now: ${gainOf(plan)}` : `Beginning now: ${reasonOf(intensity)}`);
}

/** Hours until the deadline; `undefined` for now. */
function hoursToWait(flags: ReadonlyMap<string, unknown>): number | undefined {
  const [when, deadline] = [flags.get("when"), flags.get("deadline")];
  if (when !== undefined && when !== "now" && when !== "green") {
    throw new NodeError("usage", `Cannot wait: --when is "${when}", wanted now or green`);
  }
  if (when !== "green" && deadline !== undefined) {
    throw new NodeError("usage", "Cannot wait: --deadline is given without --when green, wanted both");
  }
  if (when !== "green") return undefined;
  const hours = deadline === undefined ? DEFAULT_DEADLINE_HOURS : Number(deadline);
  if (hours > 0 && hours <= 24 * 7) return hours;
  throw new NodeError(
    "usage",
    `Cannot wait: --deadline is "${deadline}", wanted hours above 0 and up to 168`,
  );
}

/** Until the service has answered once, or is given up. */
async function answerOf(world: World, intensity: CarbonIntensity, signal: AbortSignal): Promise<void> {
  using deadline = openDeadline(world.clock, ANSWER_MS, "ask for the carbon of the grid", signal);
  try {
    await orAbort(intensity.asked, deadline.signal);
  } catch (error) {
    signal.throwIfAborted();
    world.log.warn("Done without the carbon of the grid", { reason: messageOf(error) });
  }
}

const planLine = (plan: StartPlan): string =>
  `Waiting until ${new Date(plan.startMs).toISOString().slice(0, 16).replace("T", " ")} UTC: ${gainOf(plan)}`;

function gainOf({ gramsPerKwh, nowGramsPerKwh, savedRatio }: StartPlan): string {
  if (gramsPerKwh === null || nowGramsPerKwh === null) return "the forecast is gone";
  return `${Math.round(gramsPerKwh)} g/kWh in place of ${Math.round(nowGramsPerKwh)}, ` +
    `${Math.round(100 * savedRatio)} % less`;
}

function reasonOf(intensity: CarbonIntensity): string {
  if (intensity.forecast() !== undefined) return "waiting would save nothing";
  return intensity.trouble ?? "nobody forecasts the grid; set carbon.zone and carbon.provider";
}
