/** What the shared cases (cases.ts) have in common: models, inputs, distances. */
import { assert, assertEquals } from "@std/assert";
import type { BlockRange } from "../../src/base/tensor.ts";
import type {
  BlockBackend,
  BlockStep,
  EngineName,
  LoadedBlocks,
  LoadOptions,
} from "../../src/compute/backend.ts";
import { createReferenceBackend } from "../../src/compute/reference.ts";
import { openModel } from "../../src/model/open_model.ts";
import type { ModelSource, WeightFormat } from "../../src/model/source.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import {
  randomNumbers,
  type TinyCheckpointOptions,
  type TinyGgufOptions,
  writeTinyCheckpoint,
  writeTinyGguf,
} from "../support/tiny_model.ts";

export type Floats = Float32Array<ArrayBuffer>;

/** Of nobody who leaves. */
export const signal: AbortSignal = new AbortController().signal;
/** What every engine is compared with. */
export const reference: BlockBackend = createReferenceBackend();
/** The default width of tiny models, and all their blocks. */
export const HIDDEN = 64;
export const ALL: BlockRange = { start: 0, end: 4 };
export const AUTO: LoadOptions = { dtype: "auto", threads: 1 };

/** Distance of 8-bit activations, half-precision caches and coarser products from single precision, for ggml. */
const GGML_TOLERANCE: Readonly<Record<WeightFormat, number>> = {
  F32: 1e-5,
  F16: 3e-3,
  BF16: 2e-2,
  Q8_0: 5e-2,
  Q4_0: 5e-2,
  Q4_1: 5e-2,
  Q5_0: 5e-2,
  Q5_1: 5e-2,
  Q4_K: 1e-1,
  Q5_K: 1e-1,
  Q6_K: 1e-1,
};

/** Relative distance that an engine may have from the reference; the others expand all weights to single precision. */
export const toleranceOf = (engine: EngineName, format: WeightFormat): number =>
  engine === "ggml" ? GGML_TOLERANCE[format] : 1e-5;

/** A tiny model with its file. */
export interface OpenedTiny extends AsyncDisposable {
  readonly model: ModelSource;
}

async function inFolder(write: (path: string) => Promise<void>, name: string): Promise<OpenedTiny> {
  await using parts = new AsyncDisposableStack();
  const { path } = parts.use(await temporaryFolder());
  await write(`${path}/${name}`);
  const model = parts.use(await openModel(`${path}/${name}`, signal));
  const owned = parts.move();
  return { model, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A tiny GGUF file. Dispose to delete it. */
export const openGguf = (options: TinyGgufOptions = {}): Promise<OpenedTiny> =>
  inFolder((path) => writeTinyGguf(path, options), "tiny.gguf");

/** A tiny Hugging Face checkpoint. Dispose to delete it. */
export const openCheckpoint = (options: TinyCheckpointOptions = {}): Promise<OpenedTiny> =>
  inFolder((path) => writeTinyCheckpoint(path, options), "tiny");

/** `model`, said to have other tensors. Does not own it. */
export const withTensors = (model: ModelSource, tensors: ModelSource["tensors"]): ModelSource => ({
  id: model.id,
  path: model.path,
  architecture: model.architecture,
  tensors,
  read: (name, signal) => model.read(name, signal),
  readRows: (name, start, end, signal) => model.readRows(name, start, end, signal),
  tokenizer: (signal) => model.tokenizer(signal),
  [Symbol.asyncDispose]: () => Promise.resolve(),
});

/** The same blocks on an engine and on the reference. */
export interface Twins extends AsyncDisposable {
  readonly model: ModelSource;
  readonly blocks: LoadedBlocks;
  readonly plain: LoadedBlocks;
}

/** Loads blocks of `opened`, which it owns, twice. */
export async function loadTwins(
  backend: BlockBackend,
  opened: OpenedTiny,
  range: BlockRange = ALL,
  options: LoadOptions = AUTO,
): Promise<Twins> {
  await using parts = new AsyncDisposableStack();
  const { model } = parts.use(opened);
  const blocks = parts.use(await backend.load(model, range, options, signal));
  const plain = parts.use(await reference.load(model, range, options, signal));
  const owned = parts.move();
  return { model, blocks, plain, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Numbers in [-1, 1), the same for the same seed. */
export const numbers = (count: number, seed: number): Floats =>
  Float32Array.from({ length: count }, randomNumbers(seed));

/** A step of random hidden states. */
export const inputOf = (batch: number, tokens: number, seed = 7, hidden = HIDDEN): BlockStep => ({
  input: { batch, tokens, hidden, data: numbers(batch * tokens * hidden, seed) },
});

/** Tokens `from` to `to - 1` of every row of a step, without its prompts. */
export function tokensOf({ input }: BlockStep, from: number, to: number): BlockStep {
  const { batch, tokens, hidden, data } = input;
  const size = (to - from) * hidden;
  const part = new Float32Array(batch * size);
  for (let row = 0; row < batch; row++) {
    const at = (row * tokens + from) * hidden;
    part.set(data.subarray(at, at + size), row * size);
  }
  return { input: { batch, tokens: to - from, hidden, data: part } };
}

/** Row `index` of a step, or of values shaped like its input. */
export const rowOf = ({ input }: BlockStep, index: number): BlockStep => ({
  input: { ...input, batch: 1, data: rowOfValues(input.data, input.batch, index) },
});
export const rowOfValues = (values: Floats, batch: number, index: number): Floats =>
  values.slice(index * values.length / batch, (index + 1) * values.length / batch);

/** Largest relative distance (L2) of any row of `width` values. */
export function distance(got: Float32Array, wanted: Float32Array, width: number = HIDDEN): number {
  assertEquals(got.length, wanted.length);
  let worst = 0;
  for (let at = 0; at < got.length; at += width) {
    let difference = 0, size = 0;
    for (let i = at; i < at + width; i++) {
      difference += (got[i]! - wanted[i]!) ** 2;
      size += wanted[i]! ** 2;
    }
    const here = Math.sqrt(difference / size);
    if (!(here <= worst)) worst = here; // also when it is NaN
  }
  return worst;
}

/** Asserts that every row of `width` values is within a relative distance. */
export function assertNear(
  got: Float32Array,
  wanted: Float32Array,
  tolerance: number,
  { what = "", width = HIDDEN }: { readonly what?: string; readonly width?: number } = {},
): void {
  const seen = distance(got, wanted, width);
  assert(seen <= tolerance, `${what} is off by ${seen}, wanted at most ${tolerance}`);
}
