/**
 * Reads files of the books: what is whole in them, and where the next line goes.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { type LedgerRecord, parseRecord } from "./ledger_record.ts";

/** A month as it lies on disk. */
export interface Month {
  /** Records in the order they were written, each once. */
  readonly records: readonly LedgerRecord[];
  readonly lines: number;
  /** Whole lines that hold no record: a worn disk, or a stranger's hand. They are left as they are. */
  readonly damaged: number;
  readonly lastSequence: number;
  /** Bytes up to the end of the last whole line; what lies behind was cut off by a kill. */
  readonly end: number;
  /** Whether the last record is whole but for its line end. */
  readonly needsEnd: boolean;
}

/** Longest file that is read: a month has 100 kB. */
const MAX_BYTES = 16 << 20;
const NOTHING: Month = { records: [], lines: 0, damaged: 0, lastSequence: 0, end: 0, needsEnd: false };
const NAME = /^(\d{4}-\d{2})\.ledger$/;

/** Names of the months in `folder`, oldest first; none where there is no folder. */
export async function readMonths(folder: string): Promise<string[]> {
  const months: string[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      const month = NAME.exec(name)?.[1];
      if (isFile && month !== undefined) months.push(month);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return months.sort();
}

/** The month in the file `path`; an empty one where there is none. Throws `NodeError` `corrupt` for one that is far too long. */
export async function readMonth(path: string): Promise<Month> {
  let bytes: Uint8Array;
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile || size > MAX_BYTES) {
      const wanted = `one of at most ${MAX_BYTES} bytes`;
      throw new NodeError("corrupt", `Cannot read ${path}: it is no file of the books, wanted ${wanted}`);
    }
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return NOTHING;
    throw error;
  }
  return parseMonth(bytes);
}

/** The same of the bytes of a file. */
export function parseMonth(bytes: Uint8Array): Month {
  // one byte a character, so that places in the text are places in the file, whatever it holds
  const text = new TextDecoder("latin1").decode(bytes);
  const records: LedgerRecord[] = [];
  let [at, lines, damaged, lastSequence] = [0, 0, 0, 0];
  const take = (line: string): boolean => {
    const found = parseRecord(line);
    if (found === undefined) return false;
    // a line that was written twice, as its first write was not known to have worked
    if (found.sequence > lastSequence) {
      records.push(found.record);
      lastSequence = found.sequence;
    }
    return true;
  };
  for (let next = text.indexOf("\n"); next >= 0; next = text.indexOf("\n", at)) {
    lines++;
    if (!take(text.slice(at, next))) damaged++;
    at = next + 1;
  }
  const needsEnd = at < text.length && take(text.slice(at));
  return { records, lines, damaged, lastSequence, end: needsEnd ? text.length : at, needsEnd };
}
