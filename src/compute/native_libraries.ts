/**
 * ggml's libraries as real files. They lie inside the compiled program, where only Deno can open them: a path that is
 * handed on into C has to exist.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import { dataPaths } from "../config/paths.ts";
import { BASE_LIBRARY, FRONT_LIBRARY } from "./ggml_ffi.ts";

/** Where libraries are looked for and written to. */
export interface NativeLibrariesOptions {
  readonly dataDir: string;
  /** The operator's folder. A whole ggml in it (a build of their own) is used as it is, instead of ours. */
  readonly backendDir?: string;
}

/** File name → sha256, hex. */
type Sums = ReadonlyMap<string, string>;

const MANIFEST = "manifest.json";
/** Longest manifest that is read. */
const MAX_MANIFEST_BYTES = 1 << 16;
/** A file name and nothing that leads elsewhere. */
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const SHA256 = /^[0-9a-f]{64}$/;
/** Names of folders that we wrote: the beginning of their manifest's sha256. */
const FOLDER_NAME = /^[0-9a-f]{16}$/;

/** Seen from the compiled bundle `dist/main.js`, and from this file in the source. */
const BUILT_IN = ["../native", "../../native"]
  .map((folder) => new URL(`${folder}/${Deno.build.target}`, import.meta.url));

/**
 * A real folder with ggml's libraries for this machine: the operator's, else ours written out below the data folder.
 * Throws `NodeError` `no_backend` where there are none, `corrupt` for damaged ones, `denied` where the data folder cannot
 * be written.
 */
export async function openNativeLibraries({ dataDir, backendDir }: NativeLibrariesOptions): Promise<string> {
  if (backendDir !== undefined) {
    const names = await namesIn(backendDir);
    if (names.has(BASE_LIBRARY) && names.has(FRONT_LIBRARY)) return await Deno.realPath(backendDir);
  }
  for (const folder of BUILT_IN) {
    if (await isFile(new URL(`${folder}/${MANIFEST}`))) {
      return await writeOutLibraries(folder, dataPaths(dataDir).native);
    }
  }
  throw new NodeError(
    "no_backend",
    `Cannot find ggml's libraries: none for ${Deno.build.target} are built in, wanted a folder of them (--backend-dir), ` +
      "or from source: deno run -A scripts/native_libraries.ts",
  );
}

/**
 * Copies the files that `source`'s manifest names into `parent/<hash>`, and returns that folder. Those that are there and
 * whole stay untouched. Whoever is killed in between, or does the same at the same time, leaves nothing half-written
 * under a name that is used. Folders of other versions are removed once this one is complete.
 * Throws `NodeError` `corrupt` and `denied`.
 */
export async function writeOutLibraries(source: URL, parent: string): Promise<string> {
  const manifest = await readBuiltIn(source, MANIFEST);
  const sums = parseManifest(manifest, source);
  const hash = (await sha256(manifest)).slice(0, 16);
  const folder = `${parent}/${hash}`;
  if ((await damagedFiles(folder, sums)).length > 0) {
    try {
      await repair(source, folder, sums);
      await removeOthers(parent, hash);
    } catch (error) {
      if (error instanceof NodeError) throw error;
      throw new NodeError(
        "denied",
        `Cannot write ggml's libraries to "${folder}": ${
          messageOf(error)
        }, wanted a folder with room for them (choose another with --data-dir)`,
        { cause: error },
      );
    }
  }
  return await Deno.realPath(folder);
}

/** The kernel gives up the lock of whoever dies: what lies under a temporary name then is nobody's. */
async function repair(source: URL, folder: string, sums: Sums): Promise<void> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  using lock = await Deno.open(`${folder}/.lock`, { create: true, write: true, mode: 0o600 });
  await lock.lock(true);
  for (const name of await damagedFiles(folder, sums)) {
    const bytes = await readBuiltIn(source, name);
    if (await sha256(bytes) !== sums.get(name)) {
      throw new NodeError("corrupt", `Cannot use the built-in "${name}": its sum is not the manifest's`);
    }
    const part = `${folder}/.part`;
    await Deno.writeFile(part, bytes, { mode: 0o600 });
    await Deno.rename(part, `${folder}/${name}`);
  }
}

async function damagedFiles(folder: string, sums: Sums): Promise<string[]> {
  const damaged: string[] = [];
  for (const [name, sum] of sums) {
    const bytes = await Deno.readFile(`${folder}/${name}`).catch(() => undefined);
    if (bytes === undefined || await sha256(bytes) !== sum) damaged.push(name);
  }
  return damaged;
}

/** An update would else leave eight megabytes behind each time. Those still loaded live on without their names. */
async function removeOthers(parent: string, keep: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(parent)) {
    if (isDirectory && FOLDER_NAME.test(name) && name !== keep) {
      // One that cannot be removed is a waste of room, not a reason to do without an engine
      await Deno.remove(`${parent}/${name}`, { recursive: true }).catch(() => {});
    }
  }
}

function parseManifest(bytes: Uint8Array<ArrayBuffer>, source: URL): Sums {
  const broken = (what: string) =>
    new NodeError("corrupt", `Cannot use the libraries in "${source.pathname}": their manifest ${what}`);
  if (bytes.length > MAX_MANIFEST_BYTES) throw broken(`has ${bytes.length} bytes`);
  let files: unknown;
  try {
    files = (JSON.parse(new TextDecoder().decode(bytes)) as { readonly files?: unknown } | null)?.files;
  } catch {
    throw broken("is no JSON");
  }
  if (typeof files !== "object" || files === null) throw broken("names no files");
  const sums = new Map<string, string>();
  for (const [name, sum] of Object.entries(files)) {
    if (!FILE_NAME.test(name) || typeof sum !== "string" || !SHA256.test(sum)) {
      throw broken(`has no file name and sha256 at ${JSON.stringify(name).slice(0, 80)}`);
    }
    sums.set(name, sum);
  }
  if (sums.size === 0) throw broken("names no files");
  return sums;
}

async function readBuiltIn(source: URL, name: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(new URL(`${source}/${name}`));
  } catch (error) {
    throw new NodeError("corrupt", `Cannot read the built-in "${name}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function namesIn(folder: string): Promise<Set<string>> {
  try {
    const names = new Set<string>();
    for await (const { name } of Deno.readDir(folder)) names.add(name);
    return names;
  } catch (error) {
    throw new NodeError("no_backend", `Cannot use the backend folder "${folder}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const isFile = (url: URL): Promise<boolean> => Deno.stat(url).then(({ isFile }) => isFile, () => false);

const sha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
