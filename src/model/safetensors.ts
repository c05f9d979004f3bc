/**
 * A model in a Hugging Face folder: `config.json`, safetensors files, tokenizer files.
 *
 * @module
 */
import { basename, join, resolve } from "node:path";
import { type Bytes, decodeUtf8 } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import { type ByteRanges, openFileRanges } from "./byte_ranges.ts";
import { checkpointArchitecture, isTied } from "./checkpoint_config.ts";
import { ggufTensorName } from "./checkpoint_names.ts";
import { isJsonObject, type JsonObject, readJsonFile, readSmallFile } from "./json_file.ts";
import { readTensor, rowRange } from "./read_tensor.ts";
import {
  parseSafetensorsHeader,
  SAFETENSORS_LENGTH_BYTES,
  type SafetensorsEntry,
  safetensorsHeaderLength,
} from "./safetensors_header.ts";
import type { Architecture, ModelSource, TensorInfo, TokenizerFiles, WeightFormat } from "./source.ts";

/** What we allow these files to take. Llama 3.1's tokenizer.json has 9 MB, gemma's 34. */
const MAX_CONFIG_BYTES = 4 << 20;
const MAX_INDEX_BYTES = 64 << 20;
const MAX_TOKENIZER_BYTES = 128 << 20;
/** Llama 3.1 405B comes in 191. */
const MAX_FILES = 1024;

const FORMATS: ReadonlySet<string> = new Set<WeightFormat>(["F32", "F16", "BF16"]);

/**
 * Opens the Hugging Face folder `path`: reads `config.json`, the index and the headers of the files. Files that the
 * index names and that are not there are missed when their tensors are read, so a node may hold only what it serves.
 * Throws `NodeError` `not_found`, `denied`, `corrupt`, `unsupported`.
 */
export async function openCheckpoint(path: string, signal: AbortSignal): Promise<ModelSource> {
  const folder = resolve(path);
  const config = await readJsonFile(join(folder, "config.json"), MAX_CONFIG_BYTES, signal);
  if (config === undefined) {
    throw new NodeError(
      "not_found",
      `Cannot open the model "${path}": the folder has no config.json, wanted a Hugging Face checkpoint`,
    );
  }
  const architecture = checkpointArchitecture(config, folder);
  await using opened = new AsyncDisposableStack();
  const weights = await findWeights(folder, signal);
  const stored = new Map<string, StoredTensor>(), unreadable = new Map<string, NodeError>();
  for (const file of weights.files) {
    const missing = await addFile(join(folder, file), { stored, unreadable, opened }, signal);
    if (missing) markMissing(weights.names.get(file) ?? [], join(folder, file), unreadable);
  }
  settleOutput(config, folder, stored, unreadable);
  return new Checkpoint(folder, architecture, { stored, unreadable, files: opened.move() });
}

interface StoredTensor {
  readonly info: TensorInfo;
  readonly file: ByteRanges;
  readonly offset: number;
}

interface Weights {
  readonly files: readonly string[];
  /** Hugging Face names of the tensors in each file, where an index tells. */
  readonly names: ReadonlyMap<string, readonly string[]>;
}

async function findWeights(folder: string, signal: AbortSignal): Promise<Weights> {
  const indexPath = join(folder, "model.safetensors.index.json");
  const index = await readJsonFile(indexPath, MAX_INDEX_BYTES, signal);
  if (index !== undefined) return readIndex(index, indexPath);
  if (await isThere(join(folder, "model.safetensors"))) {
    return { files: ["model.safetensors"], names: new Map() };
  }
  const old = await isThere(join(folder, "pytorch_model.bin")) ||
    await isThere(join(folder, "pytorch_model.bin.index.json"));
  if (old) {
    throw new NodeError(
      "unsupported",
      `Cannot open the model "${folder}": its weights are pickled (pytorch_model.bin), wanted safetensors: load it with ` +
        `transformers and call save_pretrained(folder, safe_serialization=True)`,
    );
  }
  throw new NodeError(
    "not_found",
    `Cannot open the model "${folder}": it has no model.safetensors and no index of one`,
  );
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function readIndex(index: JsonObject, path: string): Weights {
  const map = index["weight_map"];
  if (!isJsonObject(map)) throw new NodeError("corrupt", `Cannot read "${path}": it has no weight_map`);
  const names = new Map<string, string[]>();
  for (const [name, file] of Object.entries(map)) {
    // A file beside the index: anything else would read from where the owner did not point
    if (typeof file !== "string" || file !== basename(file) || !file.endsWith(".safetensors")) {
      throw new NodeError(
        "corrupt",
        `Cannot read "${path}": the file of "${name}" is ${JSON.stringify(file)}`,
      );
    }
    const inFile = names.get(file);
    if (inFile === undefined) names.set(file, [name]);
    else inFile.push(name);
  }
  if (names.size > MAX_FILES) {
    throw new NodeError(
      "corrupt",
      `Cannot read "${path}": it names ${names.size} files, wanted at most ${MAX_FILES}`,
    );
  }
  return { files: [...names.keys()].sort(), names };
}

interface Found {
  readonly stored: Map<string, StoredTensor>;
  readonly unreadable: Map<string, NodeError>;
  readonly opened: AsyncDisposableStack;
}

/** Adds the tensors of one file; whether the file is missing. */
async function addFile(path: string, found: Found, signal: AbortSignal): Promise<boolean> {
  if (!await isThere(path)) return true;
  const file = found.opened.use(await openFileRanges(path));
  const start = await file.read(0, SAFETENSORS_LENGTH_BYTES, signal);
  const length = safetensorsHeaderLength(start, file.size, path);
  const json = await file.read(SAFETENSORS_LENGTH_BYTES, length, signal);
  for (const entry of parseSafetensorsHeader(json, file.size, path).values()) {
    addEntry(entry, file, path, found);
  }
  return false;
}

function addEntry(entry: SafetensorsEntry, file: ByteRanges, path: string, found: Found): void {
  const name = ggufTensorName(entry.name);
  if (name === undefined) return;
  const { dtype, shape, offset, bytes } = entry;
  if (!FORMATS.has(dtype)) {
    found.unreadable.set(
      name,
      new NodeError(
        "unsupported",
        `Cannot read the tensor "${entry.name}" of "${path}": it is stored as ${dtype}, wanted F32, F16 or BF16`,
      ),
    );
    return;
  }
  found.stored.set(name, { info: { name, format: dtype as WeightFormat, shape, bytes }, file, offset });
}

function markMissing(names: readonly string[], path: string, unreadable: Map<string, NodeError>): void {
  for (const hubName of names) {
    const name = ggufTensorName(hubName);
    if (name === undefined) continue;
    unreadable.set(
      name,
      new NodeError(
        "not_found",
        `Cannot read the tensor "${hubName}": its file "${path}" is not there; fetch it`,
      ),
    );
  }
}

/** A tied model has no output matrix of its own, whatever is stored; one that is not tied must have it. */
function settleOutput(
  config: JsonObject,
  folder: string,
  stored: Map<string, StoredTensor>,
  unreadable: Map<string, NodeError>,
): void {
  if (isTied(config)) {
    stored.delete("output.weight");
    unreadable.delete("output.weight");
  } else if (!stored.has("output.weight") && !unreadable.has("output.weight")) {
    unreadable.set(
      "output.weight",
      new NodeError(
        "not_found",
        `Cannot read "lm_head.weight": "${folder}" has none and is not tied to its embeddings`,
      ),
    );
  }
}

interface CheckpointParts {
  readonly stored: ReadonlyMap<string, StoredTensor>;
  readonly unreadable: ReadonlyMap<string, NodeError>;
  readonly files: AsyncDisposableStack;
}

class Checkpoint implements ModelSource {
  readonly id: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly unreadable: ReadonlyMap<string, NodeError>;
  readonly #parts: CheckpointParts;

  constructor(readonly path: string, readonly architecture: Architecture, parts: CheckpointParts) {
    this.id = basename(path);
    this.tensors = new Map(Array.from(parts.stored, ([name, { info }]) => [name, info]));
    this.unreadable = parts.unreadable;
    this.#parts = parts;
  }

  async read(name: string, signal: AbortSignal): Promise<Bytes> {
    const { file, offset, info } = this.#stored(name);
    return await readTensor(file, name, { offset, length: info.bytes }, signal);
  }

  async readRows(name: string, start: number, end: number, signal: AbortSignal): Promise<Bytes> {
    const { file, offset, info } = this.#stored(name);
    const range = rowRange(info, start, end);
    return await readTensor(file, name, { offset: offset + range.offset, length: range.length }, signal);
  }

  async tokenizer(signal: AbortSignal): Promise<TokenizerFiles | undefined> {
    return await checkpointTokenizer(this.path, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.files.disposeAsync();
  }

  #stored(name: string): StoredTensor {
    const stored = this.#parts.stored.get(name);
    if (stored !== undefined) return stored;
    throw this.unreadable.get(name) ??
      new NodeError("not_found", `Cannot read the tensor "${name}": "${this.path}" has none of that name`);
  }
}

async function checkpointTokenizer(folder: string, signal: AbortSignal): Promise<TokenizerFiles | undefined> {
  const tokenizer = await readJsonFile(join(folder, "tokenizer.json"), MAX_TOKENIZER_BYTES, signal);
  if (tokenizer === undefined) {
    if (!await isThere(join(folder, "tokenizer.model"))) return undefined;
    throw new NodeError(
      "unsupported",
      `Cannot read the tokenizer of "${folder}": it has only tokenizer.model, wanted tokenizer.json: load it with ` +
        `transformers' AutoTokenizer and call save_pretrained(folder)`,
    );
  }
  const config = await readJsonFile(join(folder, "tokenizer_config.json"), MAX_CONFIG_BYTES, signal) ?? {};
  const template = await readSmallFile(join(folder, "chat_template.jinja"), MAX_CONFIG_BYTES, signal);
  // transformers, too, looks into config.json where there is no generation_config.json
  const generation = await readJsonFile(join(folder, "generation_config.json"), MAX_CONFIG_BYTES, signal) ??
    await readJsonFile(join(folder, "config.json"), MAX_CONFIG_BYTES, signal);
  return {
    tokenizer,
    config: template === undefined ? config : { ...config, chat_template: decodeUtf8(template) },
    ...(generation === undefined ? {} : { generation }),
  };
}
