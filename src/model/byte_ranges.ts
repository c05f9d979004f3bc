/**
 * Random access to the bytes of a file, wherever it lies.
 *
 * @module
 */
import { type Bytes, concatBytes } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
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
  return {
    size,
    read: (offset, length, signal) => lane.run(() => readAt(file, path, { offset, length }, signal), signal),
    [Symbol.asyncDispose]: () => Promise.resolve(file.close()),
  };
}

async function readAt(
  file: Deno.FsFile,
  path: string,
  range: { readonly offset: number; readonly length: number },
  signal: AbortSignal,
): Promise<Bytes> {
  return await fileAct("read", path, async () => {
    await file.seek(range.offset, Deno.SeekMode.Start);
    const out = new Uint8Array(range.length);
    let filled = 0;
    while (filled < out.length) {
      signal.throwIfAborted();
      const read = await file.read(out.subarray(filled, filled + PIECE_BYTES));
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

/** Does `work` on `path`; the operating system's refusals become `NodeError` `not_found`, `denied` or `no_memory`. */
export async function fileAct<T>(act: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw new NodeError("not_found", `Cannot ${act} "${path}": there is no such file`, { cause: error });
    }
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
      throw new NodeError("denied", `Cannot ${act} "${path}": permission denied`, { cause: error });
    }
    throw error;
  }
}
