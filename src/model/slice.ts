/**
 * Which tensors make up blocks and head of a model, and whether a model has them.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { BlockRange } from "../base/tensor.ts";
import type { Architecture, ModelSource } from "./source.ts";

/** A tensor that must be there. */
export interface WantedTensor {
  readonly name: string;
  /** Outermost first. */
  readonly shape: readonly number[];
}

/** Parts of a block, in the order a block computes with them. */
export const BLOCK_PARTS = [
  "attn_norm",
  "attn_q",
  "attn_k",
  "attn_v",
  "attn_output",
  "ffn_norm",
  "ffn_gate",
  "ffn_up",
  "ffn_down",
] as const;
/** One of {@linkcode BLOCK_PARTS}. */
export type BlockPart = (typeof BLOCK_PARTS)[number];

/** The GGUF name of a part of a block, such as `blk.0.attn_q.weight`. */
export const blockTensorName = (block: number, part: BlockPart): string => `blk.${block}.${part}.weight`;

/** Shape of each part of a block. */
export function blockShapes(architecture: Architecture): Readonly<Record<BlockPart, readonly number[]>> {
  const { hiddenSize, ffnSize, heads, kvHeads, headDim } = architecture;
  return {
    attn_norm: [hiddenSize],
    attn_q: [heads * headDim, hiddenSize],
    attn_k: [kvHeads * headDim, hiddenSize],
    attn_v: [kvHeads * headDim, hiddenSize],
    attn_output: [hiddenSize, heads * headDim],
    ffn_norm: [hiddenSize],
    ffn_gate: [ffnSize, hiddenSize],
    ffn_up: [ffnSize, hiddenSize],
    ffn_down: [hiddenSize, ffnSize],
  };
}

/** The tensors of block `block`. */
export function blockTensors(architecture: Architecture, block: number): WantedTensor[] {
  const shapes = blockShapes(architecture);
  return BLOCK_PARTS.map((part) => ({ name: blockTensorName(block, part), shape: shapes[part] }));
}

/** Name of the output matrix: the embeddings themselves where the model ties the two. */
export const outputTensorName = (model: ModelSource): string =>
  model.tensors.has("output.weight") || model.unreadable?.has("output.weight")
    ? "output.weight"
    : "token_embd.weight";

/** Embeddings, final norm and, where it is not tied, output matrix. */
export function headTensors(model: ModelSource): WantedTensor[] {
  const { vocabularySize, hiddenSize } = model.architecture;
  const matrices = new Set(["token_embd.weight", outputTensorName(model)]);
  return [
    ...Array.from(matrices, (name) => ({ name, shape: [vocabularySize, hiddenSize] })),
    { name: "output_norm.weight", shape: [hiddenSize] },
  ];
}

/** Stored bytes of one block. Throws as `requireBlocks` does. */
export function blockBytes(model: ModelSource, block: number): number {
  return bytesOfAll(model, blockTensors(model.architecture, block));
}

/** Stored bytes of embeddings, final norm and output matrix. Throws as `requireHead` does. */
export const headBytes = (model: ModelSource): number => bytesOfAll(model, headTensors(model));

/**
 * Checks, before anything is loaded, that the model has every tensor of blocks `range` in the right shape.
 * Throws `NodeError` `not_found`, `corrupt` or `unsupported` with the name of the tensor; `RangeError` for blocks the
 * model does not have.
 */
export function requireBlocks(model: ModelSource, range: BlockRange): void {
  const { blocks } = model.architecture;
  if (!(range.start >= 0 && range.start < range.end && range.end <= blocks)) {
    throw new RangeError(`Cannot load blocks ${range.start} to ${range.end}: "${model.id}" has ${blocks}`);
  }
  for (let block = range.start; block < range.end; block++) {
    bytesOfAll(model, blockTensors(model.architecture, block));
    requireNoBias(model, block);
  }
}

/** The same for embeddings, final norm and output matrix. */
export function requireHead(model: ModelSource): void {
  bytesOfAll(model, headTensors(model));
}

function bytesOfAll(model: ModelSource, wanted: readonly WantedTensor[]): number {
  let sum = 0;
  for (const { name, shape } of wanted) {
    const info = model.tensors.get(name);
    if (info === undefined) {
      throw model.unreadable?.get(name) ??
        new NodeError(
          "not_found",
          `Cannot load "${model.id}": it has no tensor "${name}", wanted [${shape.join(", ")}]`,
        );
    }
    if (info.shape.join() !== shape.join()) {
      throw new NodeError(
        "corrupt",
        `Cannot load "${model.id}": its tensor "${name}" is [${info.shape.join(", ")}], wanted [${
          shape.join(", ")
        }]`,
      );
    }
    sum += info.bytes;
  }
  return sum;
}

/** A block whose matrices have biases would compute something else without a word. */
function requireNoBias(model: ModelSource, block: number): void {
  for (const part of BLOCK_PARTS) {
    const name = `blk.${block}.${part}.bias`;
    if (model.tensors.has(name) || model.unreadable?.has(name)) {
      throw new NodeError(
        "unsupported",
        `Cannot load "${model.id}": it has biases ("${name}"), wanted blocks without`,
      );
    }
  }
}
