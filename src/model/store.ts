/**
 * The models of this machine: one folder each, with a note of where it came from and the sum of every file.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { toHex } from "../base/bytes.ts";
import { orAbort } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { fileAct } from "./byte_ranges.ts";
import { isCheckpointFile } from "./checkpoint_files.ts";
import { readJsonFile } from "./json_file.ts";
import { openModel } from "./open_model.ts";
import { ENTRY_FILE, folderOfName, isFileName, readEntry, type StoreEntry } from "./store_entry.ts";
import { copyHashed, type HashedFile, hashFile, Meter, type OnProgress } from "./transfer.ts";

/** Where files of a model come from and what they will be called. */
export interface NewEntry extends Omit<StoreEntry, "files" | "addedAtMs"> {
  /** Size of all files, where it is known: the disk is asked for room before anything is written. */
  readonly totalBytes: number;
  /** Half-done work is kept, and the next try goes on with it. */
  readonly resumable: boolean;
}

/** A local model to be taken in. */
export interface LocalModel {
  /** A GGUF file or a Hugging Face folder. */
  readonly path: string;
  /** The model's own id where absent. */
  readonly name?: string;
  /** Point at the files instead of copying them. */
  readonly link?: boolean;
}

/** A file that is not what was added. */
export interface Damage {
  readonly file: string;
  readonly what: string;
}

/** Room the disk keeps after a model was added: the program's own database and logs need some. */
const SPARE_BYTES = 256 << 20;
const MAX_ENTRY_BYTES = 1 << 20;

/** The local model store. Every change is whole or did not happen; several processes may use it. */
export class ModelStore {
  /** `folder` (`<data-dir>/models`) is made when something is added. */
  constructor(readonly world: World, readonly folder: string) {}

  /** All models, by name. */
  async list(signal: AbortSignal): Promise<StoreEntry[]> {
    const entries: StoreEntry[] = [];
    try {
      for await (const { name, isDirectory } of Deno.readDir(this.folder)) {
        if (!isDirectory || name.startsWith(".")) continue;
        const entry = await this.#read(name, signal);
        if (entry !== undefined) entries.push(entry);
      }
    } catch (error) {
      const isNone = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
      if (!isNone) throw error;
    }
    return entries.sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** The model `name`, `undefined` where the store has none. */
  async get(name: string, signal: AbortSignal): Promise<StoreEntry | undefined> {
    return await this.#read(folderOfName(name), signal);
  }

  /** Path to open the model by. */
  pathOf(entry: StoreEntry): string {
    return join(this.folder, folderOfName(entry.name), entry.main);
  }

  /**
   * Takes a local model in, after a look at whether it is one. Throws what `openModel` throws; `NodeError` `usage` for a
   * name that is taken, `too_large` when the disk has no room.
   */
  async add(model: LocalModel, onProgress: OnProgress, signal: AbortSignal): Promise<StoreEntry> {
    const path = resolve(model.path);
    const id = await idOf(path, signal);
    const name = model.name ?? id;
    const files = await filesOf(path);
    const totalBytes = model.link ? 0 : files.reduce((sum, file) => sum + file.bytes, 0);
    const main = files.length === 1 && files[0]!.path === path ? files[0]!.name : ".";
    const plan = { name, id: name, source: path, main, totalBytes, resumable: false };
    const meter = new Meter(this.world.clock, files.reduce((sum, file) => sum + file.bytes, 0), onProgress);
    return await this.put(plan, async (folder) => {
      const hashed: HashedFile[] = [];
      for (const { path, name } of files) {
        const to = { path: join(folder, name), name };
        hashed.push(
          model.link ? await link(path, to, meter, signal) : await copyHashed(path, to, meter, signal),
        );
      }
      return hashed;
    }, signal);
  }

  /**
   * Adds what `fill` writes into the folder it is given. Two processes that add one name wait for each other, and the
   * second gets what the first added when the work is resumable, else `NodeError` `usage`.
   */
  async put(
    plan: NewEntry,
    fill: (folder: string) => Promise<readonly HashedFile[]>,
    signal: AbortSignal,
  ): Promise<StoreEntry> {
    const final = join(this.folder, folderOfName(plan.name));
    await fileAct("write", this.folder, () => Deno.mkdir(this.folder, { recursive: true, mode: 0o700 }));
    using _lock = await this.#lock(folderOfName(plan.name), signal);
    const there = await this.get(plan.name, signal);
    if (there !== undefined) {
      if (plan.resumable) return there;
      throw new NodeError(
        "usage",
        `Cannot add "${plan.source}": the store has a model "${plan.name}", wanted another name, or \`models remove\` first`,
      );
    }
    const work = join(this.folder, `.adding-${folderOfName(plan.name)}`);
    if (!plan.resumable) await removeFolder(work);
    await Deno.mkdir(work, { recursive: true, mode: 0o700 });
    try {
      await this.#requireRoom(plan, work);
      const files = await fill(work);
      return await this.#finish(plan, files, { work, final });
    } catch (error) {
      if (!plan.resumable) await Deno.remove(work, { recursive: true });
      throw error;
    }
  }

  /** Removes the model `name` and what is half done of it; whether there was one. */
  async remove(name: string, signal: AbortSignal): Promise<boolean> {
    const folder = folderOfName(name);
    using _lock = await this.#lock(folder, signal);
    const half = await removeFolder(join(this.folder, `.adding-${folder}`));
    // Renamed first: what others see is whole or gone
    const gone = join(this.folder, `.removed-${this.#unique()}`);
    try {
      await Deno.rename(join(this.folder, folder), gone);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return half;
      throw error;
    }
    await removeFolder(gone);
    return true;
  }

  /** Reads every byte of the model `name` again; what is damaged. Throws `NodeError` `not_found`. */
  async verify(name: string, onProgress: OnProgress, signal: AbortSignal): Promise<Damage[]> {
    const entry = await this.get(name, signal);
    if (entry === undefined) {
      throw new NodeError("not_found", `Cannot verify "${name}": the store has no model of that name`);
    }
    const meter = new Meter(
      this.world.clock,
      entry.files.reduce((sum, file) => sum + file.bytes, 0),
      onProgress,
    );
    const damages: Damage[] = [];
    for (const file of entry.files) {
      const what = await damageOf(join(this.folder, folderOfName(name), file.name), file, meter, signal);
      if (what !== undefined) damages.push({ file: file.name, what });
    }
    return damages;
  }

  async #read(folder: string, signal: AbortSignal): Promise<StoreEntry | undefined> {
    const json = await readJsonFile(join(this.folder, folder, ENTRY_FILE), MAX_ENTRY_BYTES, signal);
    const entry = json && readEntry(json);
    return entry !== undefined && folderOfName(entry.name) === folder ? entry : undefined;
  }

  async #finish(
    { totalBytes: _bytes, resumable: _resumable, ...plan }: NewEntry,
    files: readonly HashedFile[],
    { work, final }: { readonly work: string; readonly final: string },
  ): Promise<StoreEntry> {
    const entry: StoreEntry = { ...plan, files, addedAtMs: this.world.clock.now() };
    await Deno.writeTextFile(join(work, ENTRY_FILE), JSON.stringify(entry, undefined, 1), { mode: 0o600 });
    await removeFolder(final); // no entry, or it would have been found: what a crash or another program left
    await Deno.rename(work, final);
    return entry;
  }

  async #requireRoom(plan: NewEntry, work: string): Promise<void> {
    const { bavail, bsize } = await statfs(work);
    let have = bavail * bsize;
    for await (const { name } of Deno.readDir(work)) have += (await Deno.lstat(join(work, name))).size;
    if (plan.totalBytes === 0 || plan.totalBytes + SPARE_BYTES <= have) return;
    const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
    throw new NodeError(
      "too_large",
      `Cannot add "${plan.source}": it takes ${
        gigabytes(plan.totalBytes)
      } and the disk of "${this.folder}" has ` +
        `${gigabytes(have)} free, wanted ${gigabytes(SPARE_BYTES)} more than it takes`,
    );
  }

  /** Held while one name changes; the operating system lets go of it when a process dies. */
  async #lock(folder: string, signal: AbortSignal): Promise<Disposable> {
    await fileAct("write", this.folder, () => Deno.mkdir(this.folder, { recursive: true, mode: 0o700 }));
    const path = join(this.folder, `.lock-${folder}`);
    const file = await fileAct(
      "write",
      path,
      () => Deno.open(path, { create: true, write: true, mode: 0o600 }),
    );
    try {
      await orAbort(file.lock(true), signal);
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  }

  #unique(): string {
    return toHex(this.world.random(8));
  }
}

async function idOf(path: string, signal: AbortSignal): Promise<string> {
  await using model = await openModel(path, signal);
  return model.id;
}

interface LocalFile {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
}

async function filesOf(path: string): Promise<LocalFile[]> {
  const { isFile, size } = await Deno.stat(path);
  if (isFile) return [{ path, name: basename(path), bytes: size }];
  const files: LocalFile[] = [];
  for await (const { name } of Deno.readDir(path)) {
    if (!isCheckpointFile(name) || !isFileName(name)) continue;
    files.push({ path: join(path, name), name, bytes: (await Deno.stat(join(path, name))).size });
  }
  return files;
}

async function link(
  from: string,
  to: { readonly path: string; readonly name: string },
  meter: Meter,
  signal: AbortSignal,
): Promise<HashedFile> {
  const file = await hashFile(from, to.name, (piece) => meter.add(to.name, piece.length), signal);
  await Deno.symlink(await Deno.realPath(from), to.path);
  return file;
}

async function damageOf(
  path: string,
  wanted: HashedFile,
  meter: Meter,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const found = await hashFile(path, wanted.name, (piece) => meter.add(wanted.name, piece.length), signal);
    if (found.bytes !== wanted.bytes) return `it has ${found.bytes} bytes, wanted ${wanted.bytes}`;
    return found.sha256 === wanted.sha256
      ? undefined
      : `its sha256 is ${found.sha256}, wanted ${wanted.sha256}`;
  } catch (error) {
    if (error instanceof NodeError && error.code === "not_found") return "it is missing";
    throw error;
  }
}

async function removeFolder(path: string): Promise<boolean> {
  try {
    await Deno.remove(path, { recursive: true });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
