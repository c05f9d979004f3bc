/**
 * `kwaainet energy export`: the books, hour by hour.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { readLedgerHours } from "../energy/ledger.ts";
import type { LedgerHour } from "../energy/ledger_sums.ts";
import type { Settings } from "./settings.ts";
import type { Invocation } from "./verb.ts";

/** Columns, with their units. More may follow at the end; none is renamed or moved. */
const COLUMNS = [
  "hour_start",
  "hour_end",
  "joules",
  "serve_joules",
  "idle_joules",
  "other_joules",
  "local_joules",
  "tokens",
  "block_tokens",
  "kind",
  "relative_uncertainty",
  "coverage",
  "location_grams",
  "location_method",
  "grid_grams_per_kwh",
  "grid_zone",
  "grid_quality",
  "grid_provider",
  "market_grams",
  "evidence",
  "unpriced_joules",
  "grid_relative_uncertainty",
  "grid_renewable_ratio",
] as const;
type Row = Readonly<Record<(typeof COLUMNS)[number], string | number | null>>;

/** Last moment that is asked for without `--to`. */
const LAST_MS = Date.UTC(2200, 0, 1);

/**
 * Writes the hours that the invocation asks for. They are read from disk, whether a node runs or not; the hour that is open
 * is not there yet.
 */
export async function exportHours(invocation: Invocation, { paths }: Settings): Promise<void> {
  const { flags, output } = invocation;
  const format = flags.get("format") ?? (flags.has("json") ? "json" : "csv");
  if (format !== "csv" && format !== "json") {
    throw new NodeError("usage", `Cannot use --format: it is ${JSON.stringify(format)}, wanted csv or json`);
  }
  const fromMs = timeOf(invocation, "from") ?? 0, toMs = timeOf(invocation, "to") ?? LAST_MS;
  if (fromMs >= toMs) {
    throw new NodeError(
      "usage",
      "Cannot use --from and --to: no time lies between them, wanted --from before --to",
    );
  }
  const rows = (await readLedgerHours(paths.ledger, fromMs, toMs)).map(rowOf);
  if (format === "json") return output.json({ schema: 1, hours: rows });
  // RFC 4180
  output.text(`${COLUMNS.join(",")}\r\n`);
  for (const row of rows) output.text(`${COLUMNS.map((column) => cellOf(row[column])).join(",")}\r\n`);
}

function rowOf(hour: LedgerHour): Row {
  const { microjoules: { serve, idle, other }, location } = hour;
  const joules = (microjoules: bigint) => Number(microjoules) / 1e6;
  // grams of different methods are not added up: such an hour names none
  const grid = location.length === 1 ? location[0]! : undefined;
  return {
    hour_start: new Date(hour.startMs).toISOString(),
    hour_end: new Date(hour.endMs).toISOString(),
    joules: joules(hour.totalMicrojoules),
    serve_joules: joules(serve),
    idle_joules: joules(idle),
    other_joules: joules(other),
    local_joules: joules(hour.localMicrojoules),
    tokens: hour.tokens,
    block_tokens: hour.blockTokens,
    kind: hour.kind,
    relative_uncertainty: hour.uncertainty,
    coverage: hour.coverage,
    location_grams: grid?.grams ?? null,
    location_method: location.length > 1 ? "several" : grid?.method ?? null,
    grid_grams_per_kwh: grid?.gramsPerKwh ?? null,
    grid_zone: grid?.zone ?? null,
    grid_quality: grid?.quality ?? null,
    grid_provider: grid?.provider ?? null,
    market_grams: hour.market?.grams ?? null,
    evidence: hour.evidence,
    unpriced_joules: joules(hour.unpricedMicrojoules),
    grid_relative_uncertainty: grid?.uncertainty ?? null,
    grid_renewable_ratio: grid?.renewableRatio ?? null,
  };
}

function cellOf(value: string | number | null): string {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function timeOf({ flags }: Invocation, name: "from" | "to"): number | undefined {
  const text = flags.get(name) as string | undefined;
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?Z)?$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(ms)) return ms;
  throw new NodeError(
    "usage",
    `Cannot use --${name}: it is ${
      JSON.stringify(text)
    }, wanted a day or time in UTC such as 2026-11-01 or 2026-11-01T06:00Z`,
  );
}
