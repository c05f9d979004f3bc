/**
 * Read routes of the Carbon Aware SDK's web API (Green Software Foundation, version 1.8), so that its clients can ask this
 * node: `/emissions/bylocation`, `/emissions/bylocations`, `/emissions/bylocations/best`, `/emissions/forecasts/current`.
 *
 * They answer from what the node knows already and ask nobody. There is one location: the node's zone. Failures have the
 * SDK's shape, a problem document (RFC 9457) with `errors` by parameter.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import {
  duration,
  type EmissionsPoint,
  isoTime,
  optimal,
  type Problem,
  queryTime,
  rollingAverage,
} from "./carbon_aware_series.ts";

/** What the node knows of its grid. */
export interface CarbonAwareSource {
  /** Names by which the one location may be asked for; empty where none is set. */
  names(): readonly string[];
  /** Values of the last day, in order of time. */
  observed(): readonly EmissionsPoint[];
  /** What is expected from now on; `undefined` where nobody forecasts. */
  forecast(): { readonly generatedAtMs: number; readonly points: readonly EmissionsPoint[] } | undefined;
  /** Unix ms. */
  now(): number;
}

/** Most locations of one question. */
const MAX_LOCATIONS = 100;

/** The routes, to be mounted at `/emissions`. */
export function carbonAwareRoutes(source: CarbonAwareSource): Hono {
  const app = new Hono();
  app.get("/bylocation", (context) => observedAnswer(context, source, 1, (points) => points));
  app.get("/bylocations", (context) => observedAnswer(context, source, MAX_LOCATIONS, (points) => points));
  app.get("/bylocations/best", (context) => observedAnswer(context, source, MAX_LOCATIONS, optimal));
  app.get("/forecasts/current", (context) => forecastAnswer(context, source));
  app.onError((error) => {
    if (isProblem(error)) return problemResponse(error.problem);
    throw error;
  });
  return app;
}

/** A failure on its way to {@linkcode problemResponse}. */
class ProblemError extends Error {
  override readonly name = "ProblemError";
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

const isProblem = (error: unknown): error is ProblemError => error instanceof ProblemError;

function problemResponse(problem: Problem): Response {
  return Response.json(problem, {
    status: problem.status,
    headers: { "content-type": "application/problem+json; charset=utf-8" },
  });
}

const invalid = (name: string, words: string): ProblemError =>
  new ProblemError({
    title: "One or more validation errors occurred.",
    status: 400,
    errors: { [name]: [words] },
  });

/** Locations of the question, as they were written. Throws for none, for too many and for ones not known here. */
function locationsOf(context: Context, source: CarbonAwareSource, most: number): string[] {
  // the SDK's code says `location`, its older documents `locations`
  const asked = [...context.req.queries("location") ?? [], ...context.req.queries("locations") ?? []];
  if (asked.length === 0 || asked.some((name) => name === "")) {
    throw invalid("location", "The location field is required.");
  }
  if (asked.length > most) throw invalid("location", `There are ${asked.length} locations, at most ${most}.`);
  const known = source.names().map((name) => name.toUpperCase());
  const stranger = asked.find((name) => !known.includes(name.toUpperCase()));
  if (stranger === undefined) return asked;
  throw new ProblemError({
    title: "Location not found",
    status: 404,
    detail: known.length === 0
      ? "Cannot tell emissions: this node has no zone, wanted carbon.zone"
      : `Cannot tell emissions: this node knows its own zone only, wanted ${source.names().join(" or ")}`,
    errors: {},
  });
}

function timeOf(context: Context, name: string): number | undefined {
  const text = context.req.query(name);
  if (text === undefined || text === "") return undefined;
  const atMs = queryTime(text);
  if (atMs === undefined) throw invalid(name, "The value is not a time, such as 2026-11-20T18:00:00Z.");
  return atMs;
}

function observedAnswer(
  context: Context,
  source: CarbonAwareSource,
  most: number,
  choose: (points: readonly EmissionsPoint[]) => readonly EmissionsPoint[],
): Response {
  const locations = locationsOf(context, source, most);
  const [fromMs, toMs] = [timeOf(context, "time"), timeOf(context, "toTime")];
  if (fromMs === undefined && toMs !== undefined) {
    throw invalid("time", "time must be given when toTime is");
  }
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs) {
    throw invalid("time", "time must be before toTime");
  }
  const startMs = fromMs ?? source.now();
  const endMs = toMs ?? startMs;
  const within = source.observed().filter(({ atMs, durationMs }) =>
    atMs + durationMs > startMs && atMs <= endMs
  );
  // the newest value counts as of now for as long as its service is late
  const points = within.length === 0 && fromMs === undefined ? source.observed().slice(-1) : within;
  const answer = locations.flatMap((location) => choose(points).map((point) => ({ location, point })));
  if (answer.length === 0) return new Response(null, { status: 204 });
  return context.json(answer.map(({ location, point }) => ({
    location,
    time: isoTime(point.atMs),
    rating: point.gramsPerKwh,
    duration: duration(point.durationMs),
  })));
}

function forecastAnswer(context: Context, source: CarbonAwareSource): Response {
  const locations = locationsOf(context, source, MAX_LOCATIONS);
  const [startAt, endAt] = [timeOf(context, "dataStartAt"), timeOf(context, "dataEndAt")];
  const windowMinutes = windowOf(context);
  const forecast = source.forecast();
  const [first, last] = [forecast?.points.at(0), forecast?.points.at(-1)];
  if (forecast === undefined || first === undefined || last === undefined) {
    throw new ProblemError({
      title: "NotImplementedException",
      status: 501,
      detail: "Cannot forecast emissions: no service that forecasts is set, wanted carbon.provider",
      errors: {},
    });
  }
  const [minMs, maxMs] = [first.atMs, last.atMs + last.durationMs];
  const [startMs, endMs] = [startAt ?? minMs, endAt ?? maxMs];
  checkRange({ startMs, endMs, minMs, maxMs });
  const within = forecast.points.filter(({ atMs, durationMs }) =>
    atMs + durationMs > startMs && atMs <= endMs
  );
  const points = rollingAverage(within, { startMs, endMs, windowMs: windowMinutes * 60_000 });
  return context.json(locations.map((location) => {
    const dataOf = (each: readonly EmissionsPoint[]) =>
      each.map(({ atMs, durationMs, gramsPerKwh }) => ({
        location,
        timestamp: isoTime(atMs),
        duration: Math.floor(durationMs / 60_000),
        value: gramsPerKwh,
      }));
    return {
      generatedAt: isoTime(forecast.generatedAtMs),
      requestedAt: isoTime(source.now()),
      location,
      dataStartAt: isoTime(startAt ?? points.at(0)?.atMs ?? minMs),
      dataEndAt: isoTime(endAt ?? points.at(-1)?.atMs ?? maxMs),
      windowSize: windowMinutes,
      optimalDataPoints: dataOf(optimal(points)),
      forecastData: dataOf(points),
    };
  }));
}

/** Minutes of the work; 0 for one value of the forecast. */
function windowOf(context: Context): number {
  const text = context.req.query("windowSize");
  if (text === undefined || text === "") return 0;
  if (/^\d{1,5}$/.test(text) && Number(text) > 0) return Number(text);
  throw invalid("windowSize", "windowSize must be a whole number of minutes above 0.");
}

interface Range {
  readonly startMs: number;
  readonly endMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

function checkRange({ startMs, endMs, minMs, maxMs }: Range): void {
  const within = `within time range of the forecasted data, '${isoTime(minMs)}' through '${isoTime(maxMs)}'`;
  if (startMs >= endMs) throw invalid("dataStartAt", "dataStartAt must be earlier than dataEndAt");
  if (startMs < minMs || startMs > maxMs) throw invalid("dataStartAt", `dataStartAt must be ${within}`);
  if (endMs < minMs || endMs > maxMs) throw invalid("dataEndAt", `dataEndAt must be ${within}`);
}
