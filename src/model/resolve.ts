/**
 * From what an owner calls a model to the model itself.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { isCheckpointFile } from "./checkpoint_files.ts";
import { DEMO_MODEL, demoModelPaths } from "./demo_model.ts";
import { download, type HubFile, type HubFolder, hubOf, listFiles, repositoryUrl } from "./hugging_face.ts";
import { openModel } from "./open_model.ts";
import type { ModelSource } from "./source.ts";
import type { ModelStore } from "./store.ts";
import { type StoreEntry } from "./store_entry.ts";
import { type HashedFile, Meter, type OnProgress } from "./transfer.ts";

/** What resolving needs from around it. */
export interface ResolveContext {
  readonly world: World;
  readonly store: ModelStore;
  /** Environment variables: `HF_ENDPOINT`, `HF_TOKEN`, cache folders. */
  readonly environment: Readonly<Record<string, string>>;
  readonly onProgress: OnProgress;
}

/** A model that is on this machine. */
export interface ResolvedModel {
  /** GGUF file or folder: {@linkcode openModel} opens it. */
  readonly path: string;
  /** The id on every API, where it is another than the file's own. */
  readonly id?: string;
  /** `https://huggingface.co/…`, where it is known. */
  readonly repository?: string;
}

/**
 * The model that `text` names: a `.gguf` file, a folder with `config.json`, `hf:org/name[/file.gguf]` (fetched into the
 * store when it is not there), a name of the store, or `smollm2-135m`. Throws `NodeError` `usage` with the list of what
 * was tried when it is none of these; else what the file, the store or Hugging Face refuse.
 */
export async function resolveModel(
  context: ResolveContext,
  text: string,
  signal: AbortSignal,
): Promise<ResolvedModel> {
  const here = await resolveHere(context, text, signal);
  if (here !== undefined) return here;
  const hub = parseHubSource(text);
  if (hub === undefined) return await fetchDemo(context, signal);
  return ofEntry(context, await fetchHub(context, hub, signal));
}

/** As {@linkcode resolveModel}, but nothing is fetched: `undefined` for a model that Hugging Face would be asked for. */
export async function resolveHere(
  context: ResolveContext,
  text: string,
  signal: AbortSignal,
): Promise<ResolvedModel | undefined> {
  const hub = parseHubSource(text);
  if (hub !== undefined) {
    const there = await context.store.get(storeNameOf(hub), signal);
    return there === undefined ? undefined : ofEntry(context, there);
  }
  const tried: string[] = [];
  const local = await localModel(text, tried);
  if (local !== undefined) return local;
  const entry = await storedModel(context, text, tried, signal);
  if (entry !== undefined) return ofEntry(context, entry);
  if (text === DEMO_MODEL.name) return await keptDemo(context);
  tried.push(
    `it is not the demo model "${DEMO_MODEL.name}"`,
    `it does not begin with "hf:" (hf:org/name[/file.gguf])`,
  );
  throw new NodeError("usage", `Cannot find the model "${text}": ${tried.join("; ")}`);
}

/** Resolves and opens. Throws as {@linkcode resolveModel} and {@linkcode openModel} do. */
export async function openNamedModel(
  context: ResolveContext,
  text: string,
  signal: AbortSignal,
): Promise<{ readonly source: ModelSource; readonly repository: string | undefined }> {
  const { path, id, repository } = await resolveModel(context, text, signal);
  const source = await openModel(path, signal);
  return { source: id === undefined ? source : renamed(source, id), repository };
}

/** The same model under another id. */
function renamed(source: ModelSource, id: string): ModelSource {
  return {
    id,
    path: source.path,
    architecture: source.architecture,
    tensors: source.tensors,
    ...(source.unreadable === undefined ? {} : { unreadable: source.unreadable }),
    read: (name, signal) => source.read(name, signal),
    readRows: (name, start, end, signal) => source.readRows(name, start, end, signal),
    tokenizer: (signal) => source.tokenizer(signal),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

const ofEntry = ({ store }: ResolveContext, entry: StoreEntry): ResolvedModel => ({
  path: store.pathOf(entry),
  id: entry.id,
  ...(entry.repository === undefined ? {} : { repository: entry.repository }),
});

async function localModel(path: string, tried: string[]): Promise<ResolvedModel | undefined> {
  try {
    const { isFile } = await Deno.stat(path);
    // A folder that is no model may still share its name with one of the store
    if (isFile || (await Deno.stat(`${path}/config.json`)).isFile) return { path };
  } catch (error) {
    const isThere = await Deno.stat(path).then(() => true, () => false);
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new NodeError("denied", `Cannot open the model "${path}": permission denied`, { cause: error });
    }
    tried.push(
      isThere ? "the folder of that name has no config.json" : "there is no file or folder of that name",
    );
  }
  return undefined;
}

async function storedModel(
  { store }: ResolveContext,
  name: string,
  tried: string[],
  signal: AbortSignal,
): Promise<StoreEntry | undefined> {
  try {
    const entry = await store.get(name, signal);
    if (entry !== undefined) return entry;
  } catch (error) {
    // A path cannot be a name of the store
    if (!(error instanceof NodeError) || error.code !== "usage") throw error;
  }
  const names = (await store.list(signal)).map((entry) => entry.name);
  tried.push(`the store has ${names.length === 0 ? "no models" : `only ${names.join(", ")}`}`);
  return undefined;
}

/** What follows `hf:`. */
export interface HubSource extends HubFolder {
  /** One GGUF file of the folder; the whole checkpoint where absent. */
  readonly file?: string;
}

/**
 * Takes `hf:org/name[/folder][/file.gguf]` apart; `undefined` for what does not begin with `hf:`.
 * Throws `NodeError` `usage`.
 */
export function parseHubSource(text: string): HubSource | undefined {
  if (!text.startsWith("hf:")) return undefined;
  const parts = text.slice(3).split("/");
  const isGguf = parts.length > 2 && parts.at(-1)!.toLowerCase().endsWith(".gguf");
  const [org, name, ...rest] = parts;
  const fits = parts.length >= 2 && parts.every((part) => /^[A-Za-z0-9_][\w.-]*$/.test(part)) &&
    (rest.length === 0 || isGguf);
  if (!fits) {
    throw new NodeError(
      "usage",
      `Cannot read the model "${text}": wanted hf:org/name or hf:org/name/file.gguf`,
    );
  }
  const repository = `${org}/${name}`;
  if (!isGguf) return { repository, path: "" };
  return { repository, path: rest.slice(0, -1).join("/"), file: rest.at(-1)! };
}

/** Brings a model of Hugging Face into the store; nothing is asked of the Internet when it is there. */
export async function fetchHub(
  context: ResolveContext,
  source: HubSource,
  signal: AbortSignal,
): Promise<StoreEntry> {
  const { repository } = source;
  const name = storeNameOf(source);
  const there = await context.store.get(name, signal);
  if (there !== undefined) return there;
  const hub = hubOf(context.environment);
  const files = chooseFiles(await listFiles(context.world, hub, source, signal), source);
  return await fetchFiles(context, { name, id: repository, source, files }, signal);
}

/** What the store calls a model of Hugging Face. */
const storeNameOf = ({ repository, file }: HubSource): string =>
  file === undefined ? repository : `${repository}/${file.replace(/\.gguf$/i, "")}`;

function chooseFiles(listed: readonly HubFile[], { repository, file }: HubSource): readonly HubFile[] {
  if (file !== undefined) {
    const found = listed.filter(({ name }) => name === file);
    if (found.length > 0) return found;
    throw new NodeError("not_found", `Cannot fetch "hf:${repository}": it has no file "${file}"`);
  }
  const checkpoint = listed.filter(({ name }) => isCheckpointFile(name));
  const names = new Set(checkpoint.map(({ name }) => name));
  if (names.has("config.json") && [...names].some((name) => name.endsWith(".safetensors"))) return checkpoint;
  const single = listed.filter(({ name }) => name.toLowerCase().endsWith(".gguf"));
  if (single.length === 1) return single;
  if (single.length > 1) {
    const choices = single.map(({ name }) => `hf:${repository}/${name}`).join(", ");
    throw new NodeError("usage", `Cannot choose a file of "hf:${repository}": wanted one of ${choices}`);
  }
  throw new NodeError(
    "unsupported",
    `Cannot use "hf:${repository}": it has neither config.json with safetensors nor a .gguf file`,
  );
}

interface HubModel {
  readonly name: string;
  readonly id: string;
  readonly source: HubFolder;
  readonly files: readonly HubFile[];
}

async function fetchFiles(
  { world, store, environment, onProgress }: ResolveContext,
  { name, id, source, files }: HubModel,
  signal: AbortSignal,
): Promise<StoreEntry> {
  const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const isGguf = files.length === 1;
  const plan = {
    name,
    id,
    source: `hf:${source.repository}`,
    repository: repositoryUrl(source.repository),
    main: isGguf ? files[0]!.name : ".",
    totalBytes,
    resumable: true,
  };
  return await store.put(plan, async (into) => {
    const meter = new Meter(world.clock, totalBytes, onProgress);
    const work = { world, hub: hubOf(environment), folder: source, into, meter };
    const done: HashedFile[] = [];
    for (const file of files) done.push(await download(work, file, signal));
    return done;
  }, signal);
}

/** The demo model from the cache of `scripts/demo_model.sh`; the store is looked up before. */
async function keptDemo({ environment }: ResolveContext): Promise<ResolvedModel | undefined> {
  const { name, repository, file } = DEMO_MODEL;
  for (const path of demoModelPaths(environment)) {
    const size = await Deno.stat(path).then((found) => found.size, () => undefined);
    if (size === file.bytes) return { path, id: name, repository: repositoryUrl(repository) };
  }
  return undefined;
}

async function fetchDemo(context: ResolveContext, signal: AbortSignal): Promise<ResolvedModel> {
  const { name, repository, file } = DEMO_MODEL;
  try {
    const source = { repository, path: "" };
    return ofEntry(context, await fetchFiles(context, { name, id: name, source, files: [file] }, signal));
  } catch (error) {
    if (!(error instanceof NodeError) || !["unreachable", "denied", "not_found"].includes(error.code)) {
      throw error;
    }
    throw new NodeError(
      "unreachable",
      `Cannot fetch the demo model "${name}": ${
        repositoryUrl(repository)
      } is out of reach, wanted it or the file in ` +
        `${demoModelPaths(context.environment)[0]} (sh scripts/demo_model.sh fetches it there through pip)`,
      { cause: error },
    );
  }
}
