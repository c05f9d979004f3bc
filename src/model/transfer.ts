/**
 * Bytes on their way into a file: counted, hashed, and told about.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { type Bytes, toHex } from "../base/bytes.ts";
import type { Clock } from "../base/world.ts";
import { fileAct, openFileRanges } from "./byte_ranges.ts";

/** How far a long piece of work is. */
export interface TransferProgress {
  /** The file at work. */
  readonly file: string;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** `undefined` until a rate is known. */
  readonly secondsLeft: number | undefined;
}

/** Hears about progress; called a few times a second at most, and once at the end. */
export type OnProgress = (progress: TransferProgress) => void;

/** A file of the store. */
export interface HashedFile {
  readonly name: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** Bytes of one read or write. */
const PIECE_BYTES = 1 << 20;
const TELL_EVERY_MS = 500;

/**
 * One line for people.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const progress = { file: "a.gguf", bytes: 12.3e6, totalBytes: 98.4e6, bytesPerSecond: 6.1e6, secondsLeft: 14.1 };
 * assertEquals(progressText(progress), "a.gguf: 12.3 of 98.4 MB, 6.1 MB/s, 14 s left");
 * ```
 */
export function progressText(progress: TransferProgress): string {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  const { file, bytes, totalBytes, bytesPerSecond, secondsLeft } = progress;
  const left = secondsLeft === undefined ? "" : `, ${Math.round(secondsLeft)} s left`;
  return `${file}: ${megabytes(bytes)} of ${megabytes(totalBytes)} MB, ${
    megabytes(bytesPerSecond)
  } MB/s${left}`;
}

/** Hears a line about work of which `share` is done, 1 at the end. */
export type TellTransfer = (text: string, share: number) => void;

/**
 * Tells `line` ten times of one piece of work: for logs and pipes, where each line stays.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const lines: string[] = [];
 * const tell = everyTenth((line) => lines.push(line));
 * for (let done = 0; done <= 100; done++) tell(`${done} %`, done / 100);
 * assertEquals([lines.length, lines[1], lines.at(-1)], [11, "10 %", "100 %"]);
 * ```
 */
export function everyTenth(line: (text: string) => void): TellTransfer {
  let told = -1;
  return (text, share) => {
    const tenth = Math.floor(10 * share);
    if (tenth !== told) line(text);
    told = tenth;
  };
}

/** Counts bytes of one piece of work over all its files. */
export class Meter {
  #bytes = 0;
  /** Bytes that were there before: they count as done, not as fast. */
  #skipped = 0;
  #toldAtMs = -Infinity;
  readonly #startedAtMs: number;

  constructor(
    readonly clock: Clock,
    readonly totalBytes: number,
    readonly onProgress: OnProgress,
  ) {
    this.#startedAtMs = clock.monotonic();
  }

  /** `bytes` more are done. */
  add(file: string, bytes: number): void {
    this.#bytes += bytes;
    const now = this.clock.monotonic();
    const done = this.#bytes >= this.totalBytes;
    if (!done && now - this.#toldAtMs < TELL_EVERY_MS) return;
    this.#toldAtMs = now;
    const seconds = (now - this.#startedAtMs) / 1000;
    const bytesPerSecond = seconds > 0 ? (this.#bytes - this.#skipped) / seconds : 0;
    const secondsLeft = bytesPerSecond > 0 ? (this.totalBytes - this.#bytes) / bytesPerSecond : undefined;
    this.onProgress({ file, bytes: this.#bytes, totalBytes: this.totalBytes, bytesPerSecond, secondsLeft });
  }

  /** `bytes` need not be moved any more; a negative number takes some back. */
  skip(file: string, bytes: number): void {
    this.#skipped += bytes;
    this.add(file, bytes);
  }
}

/** sha256 of a growing sequence of bytes. */
export class Sha256 {
  readonly #hash: Hash = createHash("sha256");

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Lower-case hexadecimal; the last call. */
  hex(): string {
    return toHex(new Uint8Array(this.#hash.digest()));
  }
}

/** Hashes the file `path` and hands each piece to `take`. Throws `NodeError` `not_found`, `denied`, `aborted`. */
export async function hashFile(
  path: string,
  name: string,
  take: (piece: Bytes) => Promise<void> | void,
  signal: AbortSignal,
): Promise<HashedFile> {
  await using file = await openFileRanges(path);
  const hash = new Sha256();
  let at = 0;
  while (true) {
    const piece = await file.read(at, PIECE_BYTES, signal);
    if (piece.length === 0) return { name, bytes: at, sha256: hash.hex() };
    hash.update(piece);
    await take(piece);
    at += piece.length;
  }
}

/** Copies the file `from` to the new file `to`, down to the disk. Throws as `hashFile` does. */
export async function copyHashed(
  from: string,
  to: { readonly path: string; readonly name: string },
  meter: Meter,
  signal: AbortSignal,
): Promise<HashedFile> {
  using out = await fileAct(
    "write",
    to.path,
    () => Deno.open(to.path, { write: true, createNew: true, mode: 0o600 }),
  );
  const file = await hashFile(from, to.name, async (piece) => {
    await writeAll(out, piece, to.path);
    meter.add(to.name, piece.length);
  }, signal);
  await out.syncData();
  return file;
}

/** Writes every byte, however many calls it takes. Throws `NodeError` `too_large` when the disk is full. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array, path: string): Promise<void> {
  await fileAct("write", path, async () => {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  });
}
