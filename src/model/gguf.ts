/**
 * A model in one GGUF file.
 *
 * @module
 */
import { basename, resolve } from "node:path";
import type { Bytes } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import { type ByteRanges, openFileRanges } from "./byte_ranges.ts";
import { dequantize } from "./dequantize.ts";
import { isWeightFormat, READABLE_FORMATS } from "./ggml_formats.ts";
import { ggufArchitecture } from "./gguf_architecture.ts";
import {
  type GgufArray,
  type GgufHeader,
  type GgufTensor,
  parseGgufArray,
  parseGgufHeader,
} from "./gguf_header.ts";
import { ggufTokenizer } from "./gguf_tokenizer.ts";
import { readTensor, rowRange } from "./read_tensor.ts";
import type { Architecture, ModelSource, TensorInfo, TokenizerFiles } from "./source.ts";

/** First bytes asked for; most headers need 2 to 8 MB, ours a fraction of it. Each further try takes four times as many. */
const FIRST_HEADER_BYTES = 1 << 20;
/** What we allow a header to take. */
const MAX_HEADER_BYTES = 128 << 20;

/**
 * Opens the GGUF file `path`: reads its header only. Throws `NodeError` `not_found`, `denied`, `corrupt`, `unsupported`.
 */
export async function openGguf(path: string, signal: AbortSignal): Promise<ModelSource> {
  const absolute = resolve(path);
  await using opened = new AsyncDisposableStack();
  const ranges = opened.use(await openFileRanges(absolute));
  const model = await openGgufRanges(ranges, absolute, signal);
  opened.move();
  return model;
}

/** The model whose file is `ranges`, which it owns from then on. `path` gives its id. Throws as `openGguf` does. */
export async function openGgufRanges(
  ranges: ByteRanges,
  path: string,
  signal: AbortSignal,
): Promise<ModelSource> {
  const header = await readHeader(ranges, path, signal);
  const factors = header.tensors.get("rope_freqs.weight");
  const architecture = ggufArchitecture(header.metadata, {
    path,
    vocabularySize: header.tensors.get("token_embd.weight")?.shape[0] ?? tokenCount(header),
    ropeFactors: factors && await readFactors(ranges, factors, signal),
  });
  return new GgufModel(ranges, path, header, architecture);
}

async function readHeader(ranges: ByteRanges, path: string, signal: AbortSignal): Promise<GgufHeader> {
  for (let length = FIRST_HEADER_BYTES; length <= MAX_HEADER_BYTES * 4; length *= 4) {
    const prefix = await ranges.read(0, Math.min(length, ranges.size, MAX_HEADER_BYTES), signal);
    const header = parseGgufHeader(prefix, ranges.size, path);
    if (header !== undefined) return header;
  }
  throw new NodeError(
    "corrupt",
    `Cannot read "${path}": its header is longer than ${MAX_HEADER_BYTES} bytes`,
  );
}

function tokenCount(header: GgufHeader): number | undefined {
  const tokens = header.metadata.get("tokenizer.ggml.tokens");
  return typeof tokens === "object" ? tokens.count : undefined;
}

async function readFactors(ranges: ByteRanges, tensor: GgufTensor, signal: AbortSignal) {
  if (tensor.format !== "F32" || tensor.bytes === undefined) {
    throw new NodeError(
      "unsupported",
      `Cannot read "${tensor.name}": it is stored as ${tensor.format}, wanted F32`,
    );
  }
  const range = { offset: tensor.offset, length: tensor.bytes };
  return dequantize("F32", await readTensor(ranges, tensor.name, range, signal));
}

class GgufModel implements ModelSource {
  readonly id: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly unreadable: ReadonlyMap<string, NodeError>;
  readonly #ranges: ByteRanges;
  readonly #header: GgufHeader;

  constructor(
    ranges: ByteRanges,
    readonly path: string,
    header: GgufHeader,
    readonly architecture: Architecture,
  ) {
    this.id = basename(path).replace(/\.gguf$/i, "");
    this.#ranges = ranges;
    this.#header = header;
    const tensors = new Map<string, TensorInfo>(), unreadable = new Map<string, NodeError>();
    for (const { name, format, shape, bytes } of header.tensors.values()) {
      if (isWeightFormat(format) && bytes !== undefined) tensors.set(name, { name, format, shape, bytes });
      else unreadable.set(name, unknownFormat(path, name, format));
    }
    this.tensors = tensors;
    this.unreadable = unreadable;
  }

  async read(name: string, signal: AbortSignal): Promise<Bytes> {
    const info = this.#info(name);
    const offset = this.#header.tensors.get(name)!.offset;
    return await readTensor(this.#ranges, name, { offset, length: info.bytes }, signal);
  }

  async readRows(name: string, start: number, end: number, signal: AbortSignal): Promise<Bytes> {
    const range = rowRange(this.#info(name), start, end);
    const offset = this.#header.tensors.get(name)!.offset + range.offset;
    return await readTensor(this.#ranges, name, { offset, length: range.length }, signal);
  }

  async tokenizer(signal: AbortSignal): Promise<TokenizerFiles | undefined> {
    const list = async (array: GgufArray) => {
      const bytes = await this.#ranges.read(array.start, array.end - array.start, signal);
      return parseGgufArray(array, bytes, this.path);
    };
    return await ggufTokenizer(this.#header.metadata, list, this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ranges[Symbol.asyncDispose]();
  }

  #info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info !== undefined) return info;
    throw this.unreadable.get(name) ??
      new NodeError("not_found", `Cannot read the tensor "${name}": "${this.path}" has none of that name`);
  }
}

const unknownFormat = (path: string, name: string, format: string) =>
  new NodeError(
    "unsupported",
    `Cannot read the tensor "${name}" of "${path}": it is stored as ${format}, wanted one of ${READABLE_FORMATS}`,
  );
