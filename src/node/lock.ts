/**
 * One node a data folder: two processes with one identity would shadow each other in the swarm.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { Clock } from "../base/world.ts";
import type { DataPaths } from "../config/paths.ts";
import { readRunningSettings, type RunningSettings } from "./running_settings.ts";

/** Who holds a data folder, as its lock file tells. */
export interface Holder {
  readonly pid: number;
  /** Base URL of its local API, once it listens. */
  readonly api?: string;
  /** Key of its API for verbs on this machine, where it wants keys. */
  readonly key?: string;
  /** What it serves, as it was named to it. */
  readonly model?: string;
  /** What it was started with; absent before it listens. */
  readonly settings?: RunningSettings;
}

/** The right to use a data folder. Dispose to give it back; the kernel takes it back when the process dies. */
export interface DataLock extends AsyncDisposable {
  /** Writes who we are into the lock file, for `status` and for whoever comes second. */
  describe(holder: Holder): void;
}

/** How long a lock may take. */
const PATIENCE_MS = 250;
/** Between tries, where it can be asked for without waiting. */
const LOOK_MS = 50;
/** Longest lock file that is read: a node may name many peers. */
const MAX_BYTES = 1 << 18;

/**
 * Makes the data folder (0700) where it is missing and locks it. What a killed process left behind does not count.
 * Throws `NodeError` `busy` with the holder's process id, `denied` where the folder cannot be written.
 */
export async function openDataLock(clock: Clock, paths: DataPaths): Promise<DataLock> {
  const file = await openLockFile(paths);
  if (!await tryLock(clock, file)) {
    const holder = readHolder(paths);
    const who = holder === undefined ? "another process" : `process ${holder.pid}`;
    throw new NodeError(
      "busy",
      `Cannot use data folder ${paths.root}: ${who} holds it, wanted a free one (stop it, or choose another with --data-dir)`,
    );
  }
  const write = (text: string) => {
    file.truncateSync(0);
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode(text));
  };
  write(JSON.stringify({ pid: Deno.pid }));
  return {
    describe: (holder) => write(JSON.stringify(holder)),
    [Symbol.asyncDispose]() {
      write("");
      file.close();
      return Promise.resolve();
    },
  };
}

/** Whether a process holds the data folder now. Takes the lock for a moment where none does. */
export async function isDataLocked(clock: Clock, paths: DataPaths): Promise<boolean> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(paths.lock, { read: true });
  } catch {
    return false; // who cannot open it is told so by others
  }
  if (!await tryLock(clock, file)) return true;
  file.close();
  return false;
}

/** Who the lock file names; it may be dead. `undefined` where nobody is named. */
export function readHolder(paths: DataPaths): Holder | undefined {
  try {
    const holder: unknown = JSON.parse(Deno.readTextFileSync(paths.lock).slice(0, MAX_BYTES));
    const { pid, api, key, model, settings: kept } = holder as Partial<Holder>;
    if (!Number.isInteger(pid)) return undefined;
    const settings = readRunningSettings(kept);
    return {
      pid: pid!,
      ...(typeof api === "string" ? { api } : {}),
      ...(typeof key === "string" ? { key } : {}),
      ...(typeof model === "string" ? { model } : {}),
      ...(settings === undefined ? {} : { settings }),
    };
  } catch (error) {
    const isNone = [SyntaxError, TypeError, Deno.errors.NotFound, Deno.errors.NotADirectory].some((kind) =>
      error instanceof kind
    );
    if (isNone) return undefined;
    throw new NodeError(
      "denied",
      `Cannot read ${paths.lock}: it is not readable, wanted the owner's account`,
      {
        cause: error,
      },
    );
  }
}

async function openLockFile(paths: DataPaths): Promise<Deno.FsFile> {
  try {
    await Deno.mkdir(paths.root, { recursive: true, mode: 0o700 });
    return await Deno.open(paths.lock, { create: true, read: true, write: true, mode: 0o600 });
  } catch (error) {
    throw new NodeError(
      "denied",
      `Cannot use data folder ${paths.root}: it cannot be made or written, wanted a writable folder (--data-dir)`,
      { cause: error },
    );
  }
}

/**
 * A lock that is given back lives on for some milliseconds in programs that are just being started: they begin with copies
 * of all open files. So one that does not come at once is waited for a moment. Deno before 2.9 can do nothing but wait.
 */
async function tryLock(clock: Clock, file: Deno.FsFile): Promise<boolean> {
  if (typeof file.tryLock === "function") {
    for (let waited = 0; waited <= PATIENCE_MS; waited += LOOK_MS) {
      if (await file.tryLock(true)) return true;
      await clock.sleep(LOOK_MS);
    }
    file.close();
    return false;
  }
  const locked = file.lock(true).then(() => true);
  const done = new AbortController();
  const late = clock.sleep(PATIENCE_MS, done.signal).then(() => false, () => false);
  const got = await Promise.race([locked, late]);
  done.abort(new NodeError("aborted", "The lock was decided"));
  if (!got) locked.then(() => file.close(), () => {});
  return got;
}
