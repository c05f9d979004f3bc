/**
 * The backend `reference`: blocks in plain TypeScript. It is what the fast ones are judged by, and what is left where
 * none of them runs.
 *
 * @module
 */
import { Lane } from "../base/lane.ts";
import type { BlockRange } from "../base/tensor.ts";
import {
  blockParts,
  blockTensorName,
  type BlockValues,
  outputTensorName,
  requireBlocks,
  requireHead,
} from "../model/slice.ts";
import type { Architecture, ModelSource } from "../model/source.ts";
import type { BlockBackend, LoadedBlocks, LoadOptions, TextHead } from "./backend.ts";
import { headHeldBytes, requireRoom, requireRoomForBlocks } from "./budget.ts";
import { expandModel, matrixFormats, readValues } from "./expanded.ts";
import { type BlockKernel, HostBlocks, type Place } from "./host_blocks.ts";
import type { BlockMemory } from "./host_cache.ts";
import { HostHead } from "./host_head.ts";
import { answerDType } from "./precision.ts";
import { addInto, addToRows, attend, gateBySilu, multiply, rmsNorm, rotate } from "./reference_math.ts";
import { ropeAngles } from "./rope_angles.ts";

/** What the backend is to work with. */
export interface ReferenceOptions {
  /** Memory that may still be taken; without it nothing is refused. */
  availableBytes?(): number;
  /** Called after each block, so that the caller's event loop can serve others in between. */
  pause?(): Promise<void>;
}

/** What every part of one backend shares. */
interface ReferenceEngine {
  readonly lane: Lane;
  availableBytes(): number;
  pause(): Promise<void>;
}

/** The backend. */
export function createReferenceBackend(options: ReferenceOptions = {}): BlockBackend {
  const engine: ReferenceEngine = {
    lane: new Lane(),
    availableBytes: () => options.availableBytes?.() ?? Infinity,
    pause: () => options.pause?.() ?? Promise.resolve(),
  };
  return {
    name: "reference",
    probe: () => Promise.resolve({ usable: true, device: DEVICE, version: "1" }),
    load: (model, range, load, signal) => loadBlocks(engine, model, { range, load }, signal),
    loadHead: (model, load, signal) => loadHead(engine, model, load, signal),
  };
}

const DEVICE = "CPU, plain TypeScript";

type Floats = Float32Array<ArrayBuffer>;
type BlockWeights = BlockValues<Floats>;

async function loadBlocks(
  engine: ReferenceEngine,
  stored: ModelSource,
  { range, load }: { readonly range: BlockRange; readonly load: LoadOptions },
  signal: AbortSignal,
): Promise<LoadedBlocks> {
  requireBlocks(stored, range);
  const model = expandModel(stored, load.dtype);
  requireRoomForBlocks(model, range, "f32", engine.availableBytes());
  const blocks: BlockWeights[] = [];
  for (let block = range.start; block < range.end; block++) {
    const values: Record<string, Floats> = {};
    for (const part of blockParts(model.architecture)) {
      values[part] = await readValues(model, blockTensorName(block, part), signal);
    }
    blocks.push(values as BlockWeights);
  }
  return new HostBlocks({
    engine: "reference",
    device: DEVICE,
    architecture: model.architecture,
    range,
    dtype: answerDType(matrixFormats(stored, range), load.dtype),
    weightBytes: blocks.flatMap((block) => Object.values(block)).reduce((sum, v) => sum + v.byteLength, 0),
    kernel: new ReferenceKernel(model.architecture, blocks, engine),
    lane: engine.lane,
    availableBytes: () => engine.availableBytes(),
  });
}

class ReferenceKernel implements BlockKernel {
  readonly #architecture: Architecture;
  readonly #blocks: BlockWeights[];
  readonly #engine: ReferenceEngine;

  constructor(architecture: Architecture, blocks: BlockWeights[], engine: ReferenceEngine) {
    this.#architecture = architecture;
    this.#blocks = blocks;
    this.#engine = engine;
  }

  async compute(
    block: number,
    hidden: Float32Array<ArrayBuffer>,
    place: Place,
    memory: BlockMemory,
  ): Promise<Float32Array<ArrayBuffer>> {
    computeBlock(this.#architecture, this.#blocks[block]!, hidden, { ...place, memory });
    await this.#engine.pause();
    return hidden;
  }

  free(): Promise<void> {
    this.#blocks.length = 0;
    return Promise.resolve();
  }
}

/**
 * One block of Llama (Touvron et al., 2023), with the biases of Qwen 2 or the normed queries and keys of Qwen 3 where they
 * are there, over `hidden`, in place.
 */
function computeBlock(
  architecture: Architecture,
  weights: BlockWeights,
  hidden: Float32Array<ArrayBuffer>,
  { memory, ...place }: Place & { readonly memory: BlockMemory },
): void {
  const { hiddenSize, ffnSize, heads, kvHeads, headDim, normEpsilon, rope } = architecture;
  const attention = rmsNorm(hidden, weights.attn_norm, normEpsilon);
  const projected = (matrix: Floats, bias: Floats | undefined, norm?: Floats) => {
    const product = multiply(attention, matrix, hiddenSize);
    if (bias !== undefined) addToRows(product, bias);
    return norm === undefined ? product : rmsNorm(product, norm, normEpsilon);
  };
  const queries = projected(weights.attn_q, weights.attn_q_bias, weights.attn_q_norm);
  const keys = projected(weights.attn_k, weights.attn_k_bias, weights.attn_k_norm);
  const values = projected(weights.attn_v, weights.attn_v_bias);
  const angles = ropeAngles(rope, place.position, place.tokens);
  rotate(queries, { tokens: place.tokens, heads, headDim }, rope, angles);
  rotate(keys, { tokens: place.tokens, heads: kvHeads, headDim }, rope, angles);
  remember(keys, memory.keys, place);
  remember(values, memory.values, place);
  const attended = attend(queries, place, memory, architecture);
  addInto(hidden, multiply(attended, weights.attn_output, heads * headDim));

  const feed = rmsNorm(hidden, weights.ffn_norm, normEpsilon);
  const gate = multiply(feed, weights.ffn_gate, hiddenSize);
  gateBySilu(gate, multiply(feed, weights.ffn_up, hiddenSize));
  addInto(hidden, multiply(gate, weights.ffn_down, ffnSize));
}

/** Puts `[batch, tokens, width]` into memory of `[capacity, batch, width]`. */
function remember(values: Float32Array, memory: Float32Array, { batch, tokens, position }: Place): void {
  const width = values.length / (batch * tokens);
  for (let row = 0; row < batch; row++) {
    for (let token = 0; token < tokens; token++) {
      const from = (row * tokens + token) * width;
      memory.set(values.subarray(from, from + width), ((position + token) * batch + row) * width);
    }
  }
}

async function loadHead(
  engine: ReferenceEngine,
  stored: ModelSource,
  { dtype }: LoadOptions,
  signal: AbortSignal,
): Promise<TextHead> {
  requireHead(stored);
  const model = expandModel(stored, dtype);
  requireRoom(
    `load the output matrix of "${model.id}"`,
    headHeldBytes(model, "f32"),
    engine.availableBytes(),
  );
  const { hiddenSize, normEpsilon } = model.architecture;
  let norm = await readValues(model, "output_norm.weight", signal);
  let matrix = await readValues(model, outputTensorName(model), signal);
  return new HostHead({
    engine: "reference",
    model: stored,
    weightBytes: norm.byteLength + matrix.byteLength,
    kernel: {
      async score(hidden, _rows, scores) {
        scores.set(multiply(rmsNorm(hidden, norm, normEpsilon), matrix, hiddenSize));
        await engine.pause();
      },
      free() {
        norm = matrix = new Float32Array(0);
        return Promise.resolve();
      },
    },
    lane: engine.lane,
  });
}
