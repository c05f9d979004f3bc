/**
 * The backend `ggml`: blocks computed by ggml's own kernels, through a graph that is built here.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import { Lane } from "../base/lane.ts";
import type { BlockRange } from "../base/tensor.ts";
import { blockParts, blockTensorName, outputTensorName, requireBlocks, requireHead } from "../model/slice.ts";
import type { ModelSource, WeightFormat } from "../model/source.ts";
import type { BlockBackend, LoadedBlocks, LoadOptions, Probe, TextHead } from "./backend.ts";
import { requireRoom, requireRoomForBlocks, WORKING_BYTES } from "./budget.ts";
import type { BlockWeights } from "./ggml_block_graph.ts";
import { GgmlBlocks, type GgmlEngine } from "./ggml_blocks.ts";
import type { GgmlTensor } from "./ggml_context.ts";
import { GGML_VERSION, type GgmlDeviceInfo, GgmlLibrary, type GgmlMemory, whyNotOpened } from "./ggml_ffi.ts";
import { GgmlHead } from "./ggml_head.ts";
import { loadGgmlWeights } from "./ggml_weights.ts";
import { ThreadChoice } from "./thread_choice.ts";
import { answerDType, heldBytes, isExact } from "./precision.ts";

/** What the backend is to work with. */
export interface GgmlOptions {
  /** A real folder with ggml's libraries; called once, when something is first asked of the backend. */
  folder(): Promise<string>;
  /** Folder with further backends, such as Vulkan: their device is then taken before the CPU. */
  readonly backendDir?: string;
  /** Keeps ggml's log off stderr. */
  readonly quiet: boolean;
  /** Memory that may still be taken. */
  availableBytes(): number;
  /** Milliseconds since an arbitrary start; without them it is not watched whether many threads are slower than one. */
  monotonic?(): number;
}

/** Devices in the order in which they are taken, when there is a choice. */
const PREFERENCE: readonly GgmlDeviceInfo["kind"][] = ["gpu", "igpu", "cpu"];

/** The backend. Nothing is opened before it is asked for something. */
export function createGgmlBackend(options: GgmlOptions): BlockBackend {
  let opened: Promise<GgmlEngine> | undefined;
  const open = () => opened ??= openEngine(options);
  return {
    name: "ggml",
    async probe(): Promise<Probe> {
      try {
        const { device } = await open();
        return { usable: true, device: device.description, version: GGML_VERSION };
      } catch (error) {
        return { usable: false, reason: messageOf(error) };
      }
    },
    load: async (model, range, load, signal) =>
      await loadBlocks(await open(), model, { range, load }, signal),
    loadHead: async (model, load, signal) => await loadHead(await open(), model, load, signal),
  };
}

async function openEngine(options: GgmlOptions): Promise<GgmlEngine> {
  const folder = await options.folder();
  const library = openLibrary(folder, options.quiet);
  if (options.backendDir !== undefined) {
    const further = await Deno.realPath(options.backendDir);
    // the operator's folder may hold a whole ggml of its own
    if (further !== folder) library.loadBackends(further);
  }
  const devices = library.devices();
  const info = PREFERENCE.map((kind) => devices.find((device) => device.kind === kind))
    .find((device) => device !== undefined);
  if (info === undefined) throw await noDevice(folder);
  const device = library.openDevice(info);
  return {
    device,
    lane: new Lane(),
    availableBytes: () => device.freeMemory() ?? options.availableBytes(),
    monotonic: () => options.monotonic?.() ?? 0,
  };
}

/** C keeps one list of backends in the process: a folder that is opened twice would stand in it twice. */
const libraries = new Map<string, GgmlLibrary>();

function openLibrary(folder: string, quiet: boolean): GgmlLibrary {
  const known = libraries.get(folder);
  if (known !== undefined) return known;
  const library = GgmlLibrary.open(folder, { quiet });
  libraries.set(folder, library);
  return library;
}

/** ggml says nothing about a backend that it could not open: the plainest one of this processor tells why. */
async function noDevice(folder: string): Promise<NodeError> {
  const variants: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith("libggml-cpu-")) variants.push(name);
  }
  const plainest = variants.sort().find((name) => /-x64\.|-armv8\.0/.test(name)) ?? variants[0];
  const why = plainest === undefined
    ? `there is no libggml-cpu library in "${folder}"`
    : whyNotOpened(`${folder}/${plainest}`) ?? `none of ${variants.length} variants suits this processor`;
  return new NodeError("no_backend", `Cannot use ggml: ${why}`);
}

async function loadBlocks(
  engine: GgmlEngine,
  model: ModelSource,
  { range, load }: { readonly range: BlockRange; readonly load: LoadOptions },
  signal: AbortSignal,
): Promise<LoadedBlocks> {
  requireBlocks(model, range);
  const { architecture } = model;
  requireRoomForBlocks(model, range, load.dtype, engine.availableBytes());
  const blocks = Array.from({ length: range.end - range.start }, (_, i) => range.start + i);
  const kinds = blockParts(architecture);
  const names = blocks.flatMap((block) => kinds.map((part) => blockTensorName(block, part)));
  const formats = new Set<WeightFormat>(
    names.map((name) => model.tensors.get(name)!).filter(({ shape }) => shape.length > 1)
      .map(({ format }) => format),
  );
  using parts = new DisposableStack();
  const weights = parts.use(await loadGgmlWeights(engine, model, { names, dtype: load.dtype }, signal));
  const factors = await loadFactors(engine, architecture.rope.factors);
  if (factors !== undefined) parts.use(factors.memory);
  const owned = parts.move();
  await using opened = new AsyncDisposableStack();
  const loaded = opened.use(
    new GgmlBlocks(engine, {
      architecture,
      range,
      blocks: blocks.map((block) =>
        Object.fromEntries(
          kinds.map((part) => [part, weights.get(blockTensorName(block, part))]),
        ) as BlockWeights
      ),
      rope: { ...architecture.rope, factors: factors?.tensor },
      weightBytes: weights.bytes,
      exact: isExact(formats, load.dtype),
      dtype: answerDType(formats, load.dtype),
      threads: new ThreadChoice(load.threads),
      free: () => owned.dispose(),
    }),
  );
  if (load.threads > 1) await loaded.tryThreads(signal);
  opened.move();
  return loaded;
}

async function loadFactors(
  { device }: GgmlEngine,
  factors: Float32Array<ArrayBuffer> | undefined,
): Promise<{ readonly memory: GgmlMemory; readonly tensor: GgmlTensor } | undefined> {
  if (factors === undefined) return undefined;
  using parts = new DisposableStack();
  const memory = parts.use(device.newMemory(1, "plain"));
  const tensor = memory.add("F32", factors.length);
  memory.allocate();
  await memory.fill(tensor, new Uint8Array(factors.buffer, factors.byteOffset, factors.byteLength));
  parts.move();
  return { memory, tensor };
}

async function loadHead(
  engine: GgmlEngine,
  model: ModelSource,
  { dtype, threads }: LoadOptions,
  signal: AbortSignal,
): Promise<TextHead> {
  requireHead(model);
  const names = ["output_norm.weight", outputTensorName(model)];
  const bytes = names.reduce((sum, name) => sum + heldBytes(model.tensors.get(name)!, dtype), WORKING_BYTES);
  requireRoom(`load the output matrix of "${model.id}"`, bytes, engine.availableBytes());
  const weights = await loadGgmlWeights(engine, model, { names, dtype }, signal);
  return new GgmlHead(engine, model, { weights, threads });
}
