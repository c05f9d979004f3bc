/**
 * Values over time as the Carbon Aware SDK counts them.
 *
 * @module
 */

/** One value and how long it holds. */
export interface EmissionsPoint {
  readonly atMs: number;
  readonly durationMs: number;
  readonly gramsPerKwh: number;
}

/** A failure as ASP.NET writes it. */
export interface Problem {
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  /** Words by parameter. */
  readonly errors: Readonly<Record<string, readonly string[]>>;
}

/** A time as .NET writes it, with its offset. */
export const isoTime = (atMs: number): string =>
  new Date(atMs).toISOString().replace(/(?:\.000|(\.\d+))Z$/, "$1+00:00");

/** A length as .NET writes it: `hh:mm:ss`, days before. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  const clock = [Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(
    ":",
  );
  return days > 0 ? `${days}.${clock}` : clock;
}

const TIME = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?(?:Z|[+ -]\d{2}:?\d{2})?)?$/;

/** A time of a question; without a zone it is UTC. A plus of an offset may have become a space on its way. */
export function queryTime(text: string): number | undefined {
  if (!TIME.test(text)) return undefined;
  const [date = "", rest = ""] = [text.slice(0, 10), text.slice(11)];
  const clock = rest.replace(" ", "+");
  const zone = /Z$|[+-]\d{2}:?\d{2}$/.test(clock) ? "" : "Z";
  const atMs = Date.parse(rest === "" ? `${date}T00:00Z` : `${date}T${clock}${zone}`);
  return Number.isNaN(atMs) ? undefined : atMs;
}

/** All points that share the lowest value. */
export function optimal(points: readonly EmissionsPoint[]): EmissionsPoint[] {
  const least = Math.min(...points.map(({ gramsPerKwh }) => gramsPerKwh));
  return points.filter(({ gramsPerKwh }) => gramsPerKwh === least);
}

/**
 * Means over a window that moves by one point each time, from `startMs` on, as long as it ends by `endMs` and the points
 * reach; a window of 0 gives the points themselves.
 */
export function rollingAverage(
  points: readonly EmissionsPoint[],
  { startMs, endMs, windowMs }: {
    readonly startMs: number;
    readonly endMs: number;
    readonly windowMs: number;
  },
): EmissionsPoint[] {
  const [first, last] = [points[0], points.at(-1)];
  if (windowMs === 0 || first === undefined || last === undefined) return [...points];
  const means: EmissionsPoint[] = [];
  const reachMs = Math.min(endMs, last.atMs + last.durationMs);
  let from = 0;
  for (let atMs = Math.max(startMs, first.atMs); atMs + windowMs <= reachMs; atMs += first.durationMs) {
    while (points[from]!.atMs + points[from]!.durationMs <= atMs) from++;
    const gramsPerKwh = meanFrom(points, from, atMs, atMs + windowMs);
    if (gramsPerKwh !== undefined) means.push({ atMs, durationMs: windowMs, gramsPerKwh });
  }
  return means;
}

/** The mean from `fromMs` to `toMs`; `undefined` where a point is missing in between. */
function meanFrom(
  points: readonly EmissionsPoint[],
  index: number,
  fromMs: number,
  toMs: number,
): number | undefined {
  let [sum, atMs] = [0, fromMs];
  for (let i = index; atMs < toMs; i++) {
    const point = points[i];
    if (point === undefined || point.atMs > atMs) return undefined;
    const untilMs = Math.min(toMs, point.atMs + point.durationMs);
    sum += (untilMs - atMs) * point.gramsPerKwh;
    atMs = untilMs;
  }
  return sum / (toMs - fromMs);
}
