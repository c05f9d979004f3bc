/**
 * The only reader of /sys and /proc. Their roots can be given, so that recorded trees stand in for a machine.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

/** Where the kernel's trees are found. */
export interface SystemRoots {
  /** Stands for `/sys`. */
  readonly sysfs: string;
  /** Stands for `/proc`. */
  readonly procfs: string;
}

/** Longest file read: the kernel's are far shorter. */
const MAX_BYTES = 1 << 20;
/** Room for nearly all of them. */
const FIRST_BYTES = 4096;

/** Whether a file can be read: denied ones have a cure, absent ones have none. */
export type FileState = "readable" | "absent" | "denied";

/** Why a number could not be read: `busy` passes by itself, `gone` does not, `malformed` is no number. */
export type ReadFailure = "busy" | "io" | "gone" | "malformed";

/** One kernel file that holds a whole number, kept open: a read costs 2 µs, where opening it each time costs 12. */
export interface NumberFile extends Disposable {
  /** The number now; `undefined` when there is none, and then `failure` says why. */
  read(): bigint | undefined;
  /** Why the last read gave nothing; `undefined` after one that gave something. */
  readonly failure: ReadFailure | undefined;
}

/** The kernel's small text files. Paths are absolute, as on the machine itself: `/proc/meminfo`, `/sys/class/…`. */
export interface TextFiles {
  /** Text without white space at its ends and without NULs; `undefined` when it is absent or may not be read. */
  readText(path: string): string | undefined;
  /** Names in a folder, sorted; none when it is absent or may not be read. */
  list(path: string): readonly string[];
}

/** Text files, and those that hold one number. */
export interface SystemFiles extends TextFiles {
  /** Whether `path` could be opened now. */
  state(path: string): FileState;
  /** Where a link leads, as the link says it; `undefined` for what is no link. One device has one such path. */
  link(path: string): string | undefined;
  /** Opens a file of one number. Throws `NodeError` `not_found` or `denied`. */
  openNumber(path: string): NumberFile;
  /** Opens a file of which the first `bytes` are read again and again. Throws `NodeError` `not_found` or `denied`. */
  openHead(path: string, bytes: number): HeadFile;
}

/** The beginning of a text file, kept open. */
export interface HeadFile extends Disposable {
  /** Text as it is now, cut off at the limit; `undefined` when it cannot be read. */
  read(): string | undefined;
}

/** Opens the trees. Reading never throws. */
export function openSystemFiles(roots: SystemRoots): SystemFiles {
  const locate = (path: string) =>
    path.replace(/^\/sys(?=\/)/, roots.sysfs).replace(/^\/proc(?=\/)/, roots.procfs);
  return {
    readText: (path) => attempt(() => readCapped(locate(path))),
    list: (path) =>
      attempt(() => [...Deno.readDirSync(locate(path))].map((entry) => entry.name).sort()) ?? [],
    state: (path) => stateOf(locate(path)),
    link: (path) => attempt(() => linkOf(locate(path))),
    openNumber: (path) => new KeptNumber(open(locate(path), path)),
    openHead: (path, bytes) => new KeptHead(open(locate(path), path), bytes),
  };
}

/** Deno throws a TypeError for what is no link. */
const linkOf = (path: string): string | undefined =>
  Deno.lstatSync(path).isSymlink ? Deno.readLinkSync(path) : undefined;

function stateOf(path: string): FileState {
  try {
    Deno.openSync(path).close();
    return "readable";
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    return isDenied(error) ? "denied" : "absent";
  }
}

/** EACCES and EPERM; Deno's own refusal of /sys and /proc without all permissions is `NotCapable`. */
const isDenied = (error: unknown): boolean =>
  error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable;

function open(located: string, path: string): Deno.FsFile {
  try {
    return Deno.openSync(located);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    const [code, what] = isDenied(error)
      ? ["denied", "permission denied"] as const
      : ["not_found", "it is not there"] as const;
    throw new NodeError(code, `Cannot read ${path}: ${what}, wanted a readable file`, { cause: error });
  }
}

/** Longest number of the kernel with its sign and line end: 64 bits have 20 digits. */
const MAX_DIGITS = 32;

class KeptNumber implements NumberFile {
  failure: ReadFailure | undefined;
  readonly #bytes = new Uint8Array(MAX_DIGITS);
  constructor(readonly file: Deno.FsFile) {}

  read(): bigint | undefined {
    let length: number;
    try {
      this.file.seekSync(0, Deno.SeekMode.Start);
      length = this.file.readSync(this.#bytes) ?? 0;
    } catch (error) {
      this.failure = failureOf(error);
      return undefined;
    }
    const value = parseWhole(this.#bytes, length);
    this.failure = value === undefined ? "malformed" : undefined;
    return value;
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}

class KeptHead implements HeadFile {
  readonly #bytes: Uint8Array;
  readonly #decoder = new TextDecoder();
  constructor(readonly file: Deno.FsFile, bytes: number) {
    this.#bytes = new Uint8Array(bytes);
  }

  read(): string | undefined {
    try {
      this.file.seekSync(0, Deno.SeekMode.Start);
      return this.#decoder.decode(this.#bytes.subarray(0, this.file.readSync(this.#bytes) ?? 0));
    } catch {
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}

/** Sensors answer EAGAIN and ENODATA while they have nothing new, EIO when the bus failed, ENODEV when they left. */
function failureOf(error: unknown): ReadFailure {
  const text = String(error);
  if (/os error (?:11|61|16)\b/.test(text) || error instanceof Deno.errors.WouldBlock) return "busy";
  return /os error (?:19|2|6)\b/.test(text) ? "gone" : "io";
}

/** A whole number in ASCII, with white space around it; `undefined` for anything else. */
function parseWhole(bytes: Uint8Array, length: number): bigint | undefined {
  let at = 0;
  while (at < length && bytes[at]! <= 0x20) at++;
  const negative = bytes[at] === 0x2d;
  if (negative) at++;
  const first = at;
  let small = 0;
  while (at < length && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) small = small * 10 + bytes[at++]! - 0x30;
  const digits = at - first;
  while (at < length && bytes[at]! <= 0x20) at++;
  if (digits === 0 || digits > 20 || at < length) return undefined;
  const value = digits <= 15
    ? BigInt(small)
    : BigInt(String.fromCharCode(...bytes.subarray(first, first + digits)));
  return negative ? -value : value;
}

function readCapped(path: string): string {
  using file = Deno.openSync(path);
  let bytes = new Uint8Array(FIRST_BYTES);
  let length = 0;
  for (let read = 1; read > 0 && length < MAX_BYTES; length += read) {
    if (length === bytes.length) {
      const wider = new Uint8Array(Math.min(8 * length, MAX_BYTES));
      wider.set(bytes);
      bytes = wider;
    }
    read = file.readSync(bytes.subarray(length)) ?? 0;
  }
  return new TextDecoder().decode(bytes.subarray(0, length)).replaceAll("\0", "").trim();
}

/** Absent, denied and vanished files are one answer; a mistake of ours is not. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    return undefined;
  }
}
