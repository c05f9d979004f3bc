/**
 * Random access to the bytes of a file, wherever it lies.
 *
 * @module
 */
import { type Bytes, concatBytes } from "../base/bytes.ts";
import { type ErrorCode, messageOf, NodeError } from "../base/errors.ts";
import { Lane } from "../base/lane.ts";

/** A file that is read in pieces. Dispose to close it. */
export interface ByteRanges extends AsyncDisposable {
  /** Bytes in all. */
  readonly size: number;
  /**
   * Bytes `offset` to `offset + length - 1`; fewer where the file ends, so a caller who needs all of them compares.
   * Throws `NodeError` `aborted`, `denied`, `not_found`, `unreachable`.
   */
  read(offset: number, length: number, signal: AbortSignal): Promise<Bytes>;
}

/** Bytes of one read call: an abort is seen between them. */
const PIECE_BYTES = 16 << 20;
/**
 * So few, such as the embedding of a token, are read on this thread: the way over another one took 0.4 ms of each token,
 * the read itself some microseconds where the file is in the page cache, as it is of a model that computes.
 */
const SMALL_BYTES = 16 << 10;
/** Of so many small reads one goes another way all the same: a prompt from a slow disk does not stop everything else. */
const SMALL_RUN = 16;

/** The local file `path`. Throws `NodeError` `not_found`, `denied`, or `unsupported` for what is no file. */
export async function openFileRanges(path: string): Promise<ByteRanges> {
  const file = await fileAct("open", path, () => Deno.open(path));
  const { size, isFile } = await fileAct("open", path, () => file.stat());
  if (!isFile) {
    file.close();
    throw new NodeError("unsupported", `Cannot open "${path}": it is no regular file, wanted one`);
  }
  // A Deno file has one position: seek and read of two readers must not mix
  const lane = new Lane();
  let small = 0;
  return {
    size,
    read: (offset, length, signal) =>
      lane.run(() => {
        const isHere = length <= SMALL_BYTES && ++small % SMALL_RUN !== 0;
        return readAt(file, path, { offset, length, isHere }, signal);
      }, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(file.close()),
  };
}

async function readAt(
  file: Deno.FsFile,
  path: string,
  range: { readonly offset: number; readonly length: number; readonly isHere: boolean },
  signal: AbortSignal,
): Promise<Bytes> {
  return await fileAct("read", path, async () => {
    file.seekSync(range.offset, Deno.SeekMode.Start);
    const out = new Uint8Array(range.length);
    let filled = 0;
    while (filled < out.length) {
      signal.throwIfAborted();
      const rest = out.subarray(filled, filled + PIECE_BYTES);
      const read = range.isHere ? file.readSync(rest) : await file.read(rest);
      if (read === null) return out.slice(0, filled);
      filled += read;
    }
    return out;
  });
}

/** A file that is in memory already. */
export function memoryRanges(bytes: Uint8Array): ByteRanges {
  return {
    size: bytes.length,
    read: (offset, length, signal) => {
      signal.throwIfAborted();
      return Promise.resolve(concatBytes(bytes.subarray(offset, offset + length)));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * Does `work` on `path`; the operating system's refusals become `NodeError` `not_found`, `denied`, `too_large` (the disk
 * is full) or `corrupt` (the disk cannot read its own bytes).
 */
export async function fileAct<T>(act: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw refusalOf(act, path, error) ?? error;
  }
}

/** Numbers of Linux: no space left, quota exceeded. */
const DISK_FULL: ReadonlySet<string> = new Set(["28", "122"]);

function refusalOf(act: string, path: string, cause: unknown): NodeError | undefined {
  const refuse = (code: ErrorCode, what: string) =>
    new NodeError(code, `Cannot ${act} "${path}": ${what}`, { cause });
  if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) {
    return refuse("not_found", "there is no such file");
  }
  if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
    return refuse("denied", "permission denied");
  }
  const number = cause instanceof Error ? cause.message.match(/\(os error (\d+)\)/)?.[1] : undefined;
  if (number === undefined) return undefined;
  return DISK_FULL.has(number)
    ? refuse("too_large", "the disk is full, wanted room for it")
    : refuse("corrupt", messageOf(cause));
}
