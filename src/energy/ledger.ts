/**
 * The hour-by-hour books on disk: one file a month, `2026-11.ledger`, of lines that are only ever added and each synced.
 *
 * A kill at any byte costs the line that was being written and none before it. A line that could not be written is
 * written again under the same number, and a number counts once. Months beyond the last ten years are removed; a file
 * with far more lines than hours (a node that is restarted every minute) is put together anew when it is opened.
 *
 * A line has about 130 bytes, 3.1 kB a day; what the disk makes of it is its own affair (measured on ext4: 8 KiB for each
 * synced line, its journal included). Not in `base/database.ts`: a transaction there writes pages and a journal of its own.
 *
 * @module
 */
import { encodeUtf8 } from "../base/bytes.ts";
import { Lane } from "../base/lane.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { type Month, readMonth, readMonths } from "./ledger_files.ts";
import { formatRecord, type LedgerRecord } from "./ledger_record.ts";
import { hoursOf, type LedgerHour, type LedgerTotals, totalsOf } from "./ledger_sums.ts";

/** Open books. Dispose to close the file; everything added is on disk by then. */
export interface Ledger extends AsyncDisposable {
  /** Adds a line; it is on disk when this resolves. Throws `NodeError` `denied`, `too_large` for a full disk. */
  add(record: LedgerRecord): Promise<void>;
  /** Hours that begin in the time from `fromMs` to `toMs`, half-open, in order. */
  hours(fromMs: number, toMs: number): Promise<LedgerHour[]>;
  /** Everything that is kept. */
  totals(): Promise<LedgerTotals>;
  /** Bytes handed to the disk since it was opened. */
  readonly bytesWritten: number;
}

/** How much is kept; tests keep less. */
export interface LedgerLimits {
  readonly months: number;
  /** Lines of a month beyond which it is put together anew. */
  readonly lines: number;
}

const LIMITS: LedgerLimits = { months: 120, lines: 2000 };

/** Opens the books in `folder`, made where it is absent. Throws `NodeError` `denied`. */
export async function openLedger(
  world: World,
  folder: string,
  limits: LedgerLimits = LIMITS,
): Promise<Ledger> {
  await fileAct(folder, () => Deno.mkdir(folder, { recursive: true, mode: 0o700 }));
  return new FileLedger(world, folder, limits);
}

/** Hours of the books in `folder`, while a node writes them or none does; none where there is no such folder. */
export async function readLedgerHours(folder: string, fromMs: number, toMs: number): Promise<LedgerHour[]> {
  const isAsked = ({ startMs }: LedgerRecord) => startMs >= fromMs && startMs < toMs;
  const records: LedgerRecord[] = [];
  for (const month of await readMonths(folder)) {
    if (month < monthOf(fromMs) || month > monthOf(toMs)) continue;
    records.push(...(await readMonth(`${folder}/${month}.ledger`)).records.filter(isAsked));
  }
  return hoursOf(records);
}

/** Totals of the books in `folder`. */
export const readLedgerTotals = async (folder: string): Promise<LedgerTotals> =>
  totalsOf(await readLedgerHours(folder, 0, LAST_MS));

const LAST_MS = Date.UTC(2200, 0, 1);

/** Name of the month that `atMs` lies in, `2026-11`; times before 1970 and after 2199 are taken for those. */
const monthOf = (atMs: number): string =>
  new Date(Math.min(Math.max(0, atMs), LAST_MS)).toISOString().slice(0, 7);

/** A month that is being written. */
interface OpenMonth {
  readonly name: string;
  readonly file: Deno.FsFile;
  /** Bytes that are whole lines. What lies behind is the rest of a write that failed. */
  end: number;
  nextSequence: number;
  torn: boolean;
}

class FileLedger implements Ledger {
  readonly #lane = new Lane();
  readonly #never = new AbortController().signal;
  #open: OpenMonth | undefined;
  #bytes = 0;

  constructor(readonly world: World, readonly folder: string, readonly limits: LedgerLimits) {}

  get bytesWritten(): number {
    return this.#bytes;
  }

  add(record: LedgerRecord): Promise<void> {
    return this.#lane.run(() => fileAct(this.folder, () => this.#write(record)), this.#never);
  }

  hours(fromMs: number, toMs: number): Promise<LedgerHour[]> {
    return this.#lane.run(
      () => fileAct(this.folder, () => readLedgerHours(this.folder, fromMs, toMs)),
      this.#never,
    );
  }

  totals(): Promise<LedgerTotals> {
    return this.#lane.run(() => fileAct(this.folder, () => readLedgerTotals(this.folder)), this.#never);
  }

  async #write(record: LedgerRecord): Promise<void> {
    const month = await this.#monthOf(record.startMs);
    if (month.torn) await month.file.truncate(month.end);
    const line = encodeUtf8(formatRecord(month.nextSequence, record));
    month.torn = true;
    await this.#append(month.file, month.end, line);
    await month.file.syncData();
    month.torn = false;
    month.end += line.length;
    month.nextSequence++;
  }

  async #append(file: Deno.FsFile, at: number, bytes: Uint8Array): Promise<void> {
    await file.seek(at, Deno.SeekMode.Start);
    for (let from = 0; from < bytes.length;) from += await file.write(bytes.subarray(from));
    this.#bytes += bytes.length;
  }

  /** The month's file, open; one at a time. */
  async #monthOf(startMs: number): Promise<OpenMonth> {
    const name = monthOf(startMs);
    if (this.#open?.name === name) return this.#open;
    this.#close();
    const path = `${this.folder}/${name}.ledger`;
    let found = await readMonth(path);
    if (found.lines > this.limits.lines) found = await this.#putTogether(path, found);
    if (found.damaged > 0) {
      this.world.log.warn("Lines of the energy books are damaged", { month: name, lines: found.damaged });
    }
    const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    try {
      const { size } = await file.stat();
      if (size > found.end) await file.truncate(found.end);
      const month = { name, file, end: found.end, nextSequence: found.lastSequence + 1, torn: false };
      if (found.needsEnd) {
        await this.#append(file, month.end, encodeUtf8("\n"));
        month.end++;
      }
      if (size === 0) await this.#onNewMonth(name);
      return this.#open = month;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** A name in a folder is on disk only when the folder is. */
  async #onNewMonth(opened: string): Promise<void> {
    // by count, not by age: a clock that is years ahead must not empty the books
    const others = (await readMonths(this.folder)).filter((name) => name !== opened);
    for (const name of others.slice(0, Math.max(0, others.length + 1 - this.limits.months))) {
      await Deno.remove(`${this.folder}/${name}.ledger`);
    }
    await syncFolder(this.folder);
  }

  /** Lines that say the same of the same hour become one. The old file is there until the new one is whole. */
  async #putTogether(path: string, { records }: Month): Promise<Month> {
    const lines = joinRecords(records).map((record, i) => formatRecord(i + 1, record));
    const bytes = encodeUtf8(lines.join(""));
    using file = await Deno.open(`${path}.new`, { write: true, create: true, truncate: true, mode: 0o600 });
    await this.#append(file, 0, bytes);
    await file.sync();
    await Deno.rename(`${path}.new`, path);
    await syncFolder(this.folder);
    return await readMonth(path);
  }

  #close(): void {
    this.#open?.file.close();
    this.#open = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lane.run(() => Promise.resolve(this.#close()), this.#never);
  }
}

/** Adds up records of one hour that were priced and measured in the same way. */
function joinRecords(records: readonly LedgerRecord[]): LedgerRecord[] {
  const groups = Map.groupBy(
    records,
    ({ startMs, kind, evidence, uncertainty, intensity, ...rest }) =>
      JSON.stringify([
        startMs,
        kind,
        evidence,
        uncertainty,
        intensity,
        rest.marketGramsPerKwh,
        rest.marginalGramsPerKwh,
      ]),
  );
  return [...groups.values()].map((group) =>
    group.reduce((sum, each) => ({
      ...sum,
      microjoules: {
        serve: sum.microjoules.serve + each.microjoules.serve,
        idle: sum.microjoules.idle + each.microjoules.idle,
        other: sum.microjoules.other + each.microjoules.other,
      },
      localMicrojoules: sum.localMicrojoules + each.localMicrojoules,
      tokens: sum.tokens + each.tokens,
      blockTokens: sum.blockTokens + each.blockTokens,
      elapsedMs: sum.elapsedMs + each.elapsedMs,
      coveredMs: sum.coveredMs + each.coveredMs,
    }))
  );
}

async function syncFolder(folder: string): Promise<void> {
  // only Unix opens a folder as a file; elsewhere the name is written with the file
  if (Deno.build.os === "windows") return;
  using directory = await Deno.open(folder);
  await directory.sync();
}

async function fileAct<T>(folder: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof NodeError) throw error;
    const words = messageOf(error);
    const full = /ENOSPC|EDQUOT|[Nn]o space|[Qq]uota/.test(words);
    throw new NodeError(
      full ? "too_large" : "denied",
      `Cannot keep the energy books in ${folder}: ${words}, wanted ${
        full ? "space on the disk" : "a writable folder"
      }`,
      { cause: error },
    );
  }
}
