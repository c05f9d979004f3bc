/**
 * The backend `onnx`: blocks computed by onnxruntime, in single precision, through graphs that are built here.
 *
 * @module
 */
import type * as Ort from "onnxruntime-node";
import type { Bytes } from "../base/bytes.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import { Lane } from "../base/lane.ts";
import type { BlockRange } from "../base/tensor.ts";
import { blockParts, blockTensorName, outputTensorName, requireBlocks, requireHead } from "../model/slice.ts";
import type { Architecture, ModelSource } from "../model/source.ts";
import type { BlockBackend, LoadedBlocks, LoadOptions, Probe, TextHead } from "./backend.ts";
import { requireRoom, requireRoomForBlocks, WORKING_BYTES } from "./budget.ts";
import { expandModel, matrixFormats, readValues } from "./expanded.ts";
import { type BlockKernel, HostBlocks, type Place } from "./host_blocks.ts";
import type { BlockMemory } from "./host_cache.ts";
import { type HeadKernel, HostHead } from "./host_head.ts";
import { blockGraph, headGraph, weightShape } from "./onnx_graph.ts";
import { type OnnxRuntime, openOnnxRuntime } from "./onnx_runtime.ts";
import { answerDType } from "./precision.ts";
import { ropeAngles } from "./rope_angles.ts";
import { transpose } from "./transpose.ts";

/** What the backend is to work with. */
export interface OnnxOptions {
  /** Memory that may still be taken; without it nothing is refused. */
  availableBytes?(): number;
  /** The library; `openOnnxRuntime` where absent. */
  openRuntime?(): Promise<OnnxRuntime>;
}

/** What every part of one backend shares. */
interface OnnxEngine {
  readonly runtime: OnnxRuntime;
  readonly lane: Lane;
  availableBytes(): number;
}

type Floats = Float32Array<ArrayBuffer>;

const DEVICE = "CPU, onnxruntime";

/** The backend. The library is loaded when something is first asked of it. */
export function createOnnxBackend(options: OnnxOptions = {}): BlockBackend {
  let opened: Promise<OnnxEngine> | undefined;
  const open = () =>
    opened ??= (options.openRuntime ?? openOnnxRuntime)().then((runtime) => ({
      runtime,
      lane: new Lane(),
      availableBytes: () => options.availableBytes?.() ?? Infinity,
    }));
  return {
    name: "onnx",
    async probe(): Promise<Probe> {
      try {
        const { runtime } = await open();
        return { usable: true, device: DEVICE, version: runtime.env.versions.node ?? "unknown" };
      } catch (error) {
        return { usable: false, reason: messageOf(error) };
      }
    },
    load: async (model, range, load, signal) =>
      await loadBlocks(await open(), model, { range, load }, signal),
    loadHead: async (model, load, signal) => await loadHead(await open(), model, load, signal),
  };
}

async function loadBlocks(
  engine: OnnxEngine,
  stored: ModelSource,
  { range, load }: { readonly range: BlockRange; readonly load: LoadOptions },
  signal: AbortSignal,
): Promise<LoadedBlocks> {
  requireBlocks(stored, range);
  const model = expandModel(stored, load.dtype);
  requireRoomForBlocks(model, range, "f32", engine.availableBytes());
  const { architecture } = model;
  const blocks: Feeds[] = [];
  let weightBytes = 0;
  for (let block = range.start; block < range.end; block++) {
    const weights: Record<string, Ort.Tensor> = {};
    for (const part of blockParts(architecture)) {
      weights[part] = await loadWeight(engine, model, blockTensorName(block, part), signal);
      weightBytes += 4 * weights[part].size;
    }
    blocks.push(weights);
  }
  const session = await openSession(engine, blockGraph(architecture), load.threads);
  return new HostBlocks({
    engine: "onnx",
    device: DEVICE,
    architecture,
    range,
    dtype: answerDType(matrixFormats(stored, range), load.dtype),
    weightBytes,
    kernel: new OnnxBlockKernel(engine, architecture, blocks, session),
    lane: engine.lane,
    availableBytes: () => engine.availableBytes(),
  });
}

type Feeds = Readonly<Record<string, Ort.Tensor>>;

/** Nothing is copied: the library reads `values` where they are. */
const tensorOf = ({ runtime }: OnnxEngine, values: Floats, shape: readonly number[]): Ort.Tensor =>
  new runtime.Tensor("float32", values, shape);

async function loadWeight(
  engine: OnnxEngine,
  model: ModelSource,
  name: string,
  signal: AbortSignal,
): Promise<Ort.Tensor> {
  const { shape } = model.tensors.get(name)!;
  const values = await readValues(model, name, signal);
  const [rows, columns] = shape;
  const turned = columns === undefined ? values : transpose(values, rows!, columns);
  return tensorOf(engine, turned, weightShape(shape));
}

async function openSession(
  { runtime }: OnnxEngine,
  graph: Bytes,
  threads: number,
): Promise<Ort.InferenceSession> {
  try {
    return await runtime.InferenceSession.create(graph, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // Steps differ in length: what is kept for one shape is of no use to the next
      enableMemPattern: false,
      logSeverityLevel: 3,
      // Idle threads that spin take the processor from other programs
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
  } catch (cause) {
    throw new NodeError("unsupported", `Cannot use onnxruntime: ${messageOf(cause)}`, { cause });
  }
}

class OnnxBlockKernel implements BlockKernel {
  readonly #engine: OnnxEngine;
  readonly #architecture: Architecture;
  readonly #blocks: Feeds[];
  readonly #session: Ort.InferenceSession;
  /** What all blocks of a chunk are fed. */
  #chunk: { readonly place: Place; readonly feeds: Feeds } | undefined;

  constructor(
    engine: OnnxEngine,
    architecture: Architecture,
    blocks: Feeds[],
    session: Ort.InferenceSession,
  ) {
    this.#engine = engine;
    this.#architecture = architecture;
    this.#blocks = blocks;
    this.#session = session;
  }

  async compute(block: number, hidden: Floats, place: Place, memory: BlockMemory): Promise<Floats> {
    const { hiddenSize, kvHeads, headDim } = this.#architecture;
    const { batch, tokens, position } = place;
    const width = kvHeads * headDim;
    const filled = position * batch * width;
    const held = [position, batch, width];
    if (this.#chunk?.place !== place) this.#chunk = { place, feeds: this.#feedsOf(place) };
    const out = await this.#session.run({
      ...this.#blocks[block]!,
      ...this.#chunk.feeds,
      hidden: tensorOf(this.#engine, hidden, [batch, tokens, hiddenSize]),
      keys: tensorOf(this.#engine, memory.keys.subarray(0, filled), held),
      values: tensorOf(this.#engine, memory.values.subarray(0, filled), held),
    });
    memory.keys.set(floatsOf(out, "fresh_keys"), filled);
    memory.values.set(floatsOf(out, "fresh_values"), filled);
    return floatsOf(out, "output");
  }

  async free(): Promise<void> {
    this.#blocks.length = 0;
    this.#chunk = undefined;
    await this.#session.release();
  }

  #feedsOf({ tokens, position }: Place): Feeds {
    const { rope } = this.#architecture;
    const { cos, sin } = ropeAngles(rope, position, tokens);
    return {
      cos: tensorOf(this.#engine, cos, [tokens, rope.dims / 2]),
      sin: tensorOf(this.#engine, sin, [tokens, rope.dims / 2]),
      mask: tensorOf(this.#engine, maskOf(tokens, position), [tokens, position + tokens]),
    };
  }
}

const floatsOf = (out: Ort.InferenceSession.OnnxValueMapType, name: string): Floats =>
  out[name]!.data as Floats;

/** `[tokens, position + tokens]`: each token looks at itself and what is before it. */
function maskOf(tokens: number, position: number): Floats {
  const mask = new Float32Array(tokens * (position + tokens));
  for (let token = 0; token < tokens; token++) {
    const row = token * (position + tokens);
    mask.fill(-Infinity, row + position + token + 1, row + position + tokens);
  }
  return mask;
}

async function loadHead(
  engine: OnnxEngine,
  stored: ModelSource,
  { dtype, threads }: LoadOptions,
  signal: AbortSignal,
): Promise<TextHead> {
  requireHead(stored);
  const model = expandModel(stored, dtype);
  const names = { norm: "output_norm.weight", matrix: outputTensorName(model) };
  const bytes = model.tensors.get(names.norm)!.bytes + model.tensors.get(names.matrix)!.bytes;
  requireRoom(`load the output matrix of "${model.id}"`, bytes + WORKING_BYTES, engine.availableBytes());
  const norm = await loadWeight(engine, model, names.norm, signal);
  const matrix = await loadWeight(engine, model, names.matrix, signal);
  const session = await openSession(engine, headGraph(model.architecture), threads);
  return new HostHead({
    engine: "onnx",
    model: stored,
    weightBytes: bytes,
    kernel: headKernel(engine, model.architecture, { norm, matrix }, session),
    lane: engine.lane,
  });
}

function headKernel(
  engine: OnnxEngine,
  { hiddenSize }: Architecture,
  loaded: Feeds,
  session: Ort.InferenceSession,
): HeadKernel {
  let weights = loaded;
  return {
    async score(hidden, rows, scores) {
      const out = await session.run({ ...weights, hidden: tensorOf(engine, hidden, [rows, hiddenSize]) });
      scores.set(floatsOf(out, "scores"));
    },
    async free() {
      weights = {};
      await session.release();
    },
  };
}
