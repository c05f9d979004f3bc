/**
 * Hours of own production on disk: one file a month, `2026-11.production`, of lines that are only ever added and each
 * synced. A kill costs the line that was being written and none before it. A line that is not whole is none, and of an
 * hour that is written twice the first line counts.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import * as v from "valibot";
import { encodeUtf8 } from "../../base/bytes.ts";
import { messageOf, NodeError } from "../../base/errors.ts";
import { SOURCE_TYPES } from "../../config/keys_certificates.ts";
import { plainText, wholeNumber } from "./bounded_json.ts";
import { HOUR_MS, isWholeHour } from "./quantities.ts";
import type { ProductionHour } from "./types.ts";

/** Months kept. */
const MAX_MONTHS = 120;
/** Longest file that is read: 744 hours of 30 devices. */
const MAX_BYTES = 8 << 20;
const NAME = /^\d{4}-\d{2}\.production$/;

/**
 * Adds hours to the files in `folder`, made where it is absent; they are on disk when this resolves. One process at a
 * time writes: the node that holds the data folder. Throws `NodeError` `denied`, also for a full disk.
 */
export async function addProduction(folder: string, hours: readonly ProductionHour[]): Promise<void> {
  const months = Map.groupBy(hours, ({ startMs }) => monthOf(startMs));
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    for (const [month, of] of months) await append(`${folder}/${month}.production`, of.map(lineOf).join(""));
    const names = await namesIn(folder);
    for (const name of names.slice(0, Math.max(0, names.length - MAX_MONTHS))) {
      await Deno.remove(`${folder}/${name}`);
    }
  } catch (cause) {
    throw new NodeError(
      "denied",
      `Cannot keep production in ${folder}: ${
        messageOf(cause)
      }, wanted a writable folder and space on the disk`,
      { cause },
    );
  }
}

/** Hours that begin in the time from `fromMs` to `toMs`, half-open, in order; none where there is no such folder. */
export async function readProduction(
  folder: string,
  fromMs: number,
  toMs: number,
): Promise<ProductionHour[]> {
  const hours = new Map<string, ProductionHour>();
  for (const name of await namesIn(folder)) {
    if (name < monthOf(fromMs) || name.slice(0, 7) > monthOf(toMs)) continue;
    for (const line of (await readMonth(`${folder}/${name}`)).split("\n")) {
      const hour = readLine(line);
      if (hour === undefined || hour.startMs < fromMs || hour.startMs >= toMs) continue;
      const key = `${hour.startMs} ${hour.device}`;
      if (!hours.has(key)) hours.set(key, hour);
    }
  }
  return [...hours.values()].sort((a, b) => a.startMs - b.startMs);
}

async function append(path: string, lines: string): Promise<void> {
  using file = await Deno.open(path, { append: true, create: true, mode: 0o600 });
  // what a kill cut off must not swallow the line after it; an empty line is none
  const bytes = encodeUtf8(`\n${lines}`);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.sync();
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).filter((name) => NAME.test(name))
      .sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function readMonth(path: string): Promise<string> {
  const { size } = await Deno.stat(path);
  if (size <= MAX_BYTES) return await Deno.readTextFile(path);
  throw new NodeError("corrupt", `Cannot read ${path}: it has ${size} bytes, wanted at most ${MAX_BYTES}`);
}

const monthOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 7);

const lineShape = v.object({
  device: plainText,
  source: v.picklist(SOURCE_TYPES),
  hour: wholeNumber(0, 2 ** 31),
  mwh: wholeNumber(0),
  site: v.optional(wholeNumber(0)),
  coverage: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  kind: v.picklist(["measured", "modelled", "mixed"]),
  uncertainty: v.nullable(v.pipe(v.number(), v.minValue(0))),
});

function lineOf(hour: ProductionHour): string {
  const { device, source, startMs, milliwattHours, siteMilliwattHours, coverage, kind, uncertainty } = hour;
  const text = JSON.stringify({
    device,
    source,
    hour: startMs / HOUR_MS,
    mwh: Number(milliwattHours),
    ...(siteMilliwattHours === undefined ? {} : { site: Number(siteMilliwattHours) }),
    coverage,
    kind,
    uncertainty,
  });
  return `${text} ${sumOf(text)}\n`;
}

/** The hour in a line, without its end; `undefined` for a line that is not whole. */
function readLine(line: string): ProductionHour | undefined {
  const at = line.lastIndexOf(" ");
  const text = line.slice(0, Math.max(0, at));
  if (text === "" || line.slice(at + 1) !== sumOf(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const read = v.safeParse(lineShape, value);
  if (!read.success) return undefined;
  const { device, source, hour, mwh, site, coverage, kind, uncertainty } = read.output;
  const startMs = hour * HOUR_MS;
  if (!isWholeHour(startMs, startMs + HOUR_MS)) return undefined;
  return {
    device,
    source,
    startMs,
    endMs: startMs + HOUR_MS,
    milliwattHours: BigInt(mwh),
    ...(site === undefined ? {} : { siteMilliwattHours: BigInt(site) }),
    coverage,
    kind,
    uncertainty,
  };
}

const sumOf = (text: string): string => crc32(text).toString(16).padStart(8, "0");
