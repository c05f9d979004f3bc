/** Recorded series of boards beside a wall meter (tests/vectors/energy/boards). */

const path = new URL("../vectors/energy/boards/pi_sbcbench.csv", import.meta.url).pathname;

/** The steady half of one benchmark's samples. */
export interface SteadySegment {
  readonly result: string;
  readonly name: string;
  readonly megahertz: number;
  /** Means of the second half. */
  readonly cpuShare: number;
  /** Sum of the rails, watts; NaN where it was not recorded. */
  readonly pmicWatts: number;
  /** At the wall, watts; NaN where it was not recorded. */
  readonly wallWatts: number;
}

/**
 * Segments of at least four samples. The wall column is a moving average that lags: the first half of each is left out, and
 * `ramlat`, which comes right after a heavier one.
 */
export async function steadySegments(): Promise<SteadySegment[]> {
  const [, ...lines] = (await Deno.readTextFile(path)).trim().split("\n");
  const groups = new Map<string, string[][]>();
  for (const line of lines) {
    const cells = line.split(",");
    const [result, , segment] = cells as [string, string, string];
    if (segment === "" || segment === "ramlat") continue;
    const key = `${result},${segment}`;
    groups.set(key, [...groups.get(key) ?? [], cells]);
  }
  return [...groups].filter(([, rows]) => rows.length >= 4).map(([key, rows]) => {
    const half = rows.slice(Math.floor(rows.length / 2));
    const mean = (column: number) =>
      half.reduce((sum, cells) => sum + (cells[column] === "" ? NaN : Number(cells[column])), 0) /
      half.length;
    const [result = "", name = ""] = key.split(",");
    return {
      result,
      name,
      megahertz: mean(4),
      cpuShare: mean(6) / 100,
      pmicWatts: mean(9),
      wallWatts: mean(11) / 1000,
    };
  });
}
