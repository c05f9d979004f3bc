/**
 * Which tensors make up blocks and head of a model, and whether a model has them.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { BlockRange } from "../base/tensor.ts";
import type { Architecture, ModelFamily, ModelSource } from "./source.ts";

/** A tensor that must be there. */
export interface WantedTensor {
  readonly name: string;
  /** Outermost first. */
  readonly shape: readonly number[];
}

/** Parts that every block has, in the order a block computes with them. */
const COMMON_PARTS = [
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
type CommonPart = (typeof COMMON_PARTS)[number];
type FamilyPart = "attn_q_bias" | "attn_k_bias" | "attn_v_bias" | "attn_q_norm" | "attn_k_norm";

/** Parts that only blocks of one family have. */
const FAMILY_PARTS: Readonly<Record<ModelFamily, readonly FamilyPart[]>> = {
  llama: [],
  qwen2: ["attn_q_bias", "attn_k_bias", "attn_v_bias"],
  qwen3: ["attn_q_norm", "attn_k_norm"],
};

/** A weight of a block. */
export type BlockPart = CommonPart | FamilyPart;

/** One value for each part that a block has. */
export type BlockValues<T> = Readonly<Record<CommonPart, T>> & Readonly<Partial<Record<FamilyPart, T>>>;

/** The parts of each block. */
export const blockParts = ({ family }: Pick<Architecture, "family">): readonly BlockPart[] => [
  ...COMMON_PARTS,
  ...FAMILY_PARTS[family],
];

/** The GGUF name of a part of a block, such as `blk.0.attn_q.weight`. */
export function blockTensorName(block: number, part: BlockPart): string {
  const [matrix, isBias] = part.endsWith("_bias") ? [part.slice(0, -"_bias".length), true] : [part, false];
  return `blk.${block}.${matrix}.${isBias ? "bias" : "weight"}`;
}

/** Shape of each part that a block may have. */
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
    attn_q_bias: [heads * headDim],
    attn_k_bias: [kvHeads * headDim],
    attn_v_bias: [kvHeads * headDim],
    attn_q_norm: [headDim],
    attn_k_norm: [headDim],
  };
}

/** The tensors of block `block`. */
export function blockTensors(architecture: Architecture, block: number): WantedTensor[] {
  const shapes = blockShapes(architecture);
  return blockParts(architecture).map((part) => ({
    name: blockTensorName(block, part),
    shape: shapes[part],
  }));
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
    requireNoMore(model, block);
  }
}

/** The same for embeddings, final norm and output matrix. */
export function requireHead(model: ModelSource): void {
  bytesOfAll(model, headTensors(model));
  requireNone(model, ["output.bias", "output_norm.bias"]);
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

/** A block that has more than its family would compute something else without a word. */
function requireNoMore(model: ModelSource, block: number): void {
  const wanted = new Set(blockTensors(model.architecture, block).map(({ name }) => name));
  const known = [
    ...COMMON_PARTS.map((part) => `blk.${block}.${part}.bias`),
    ...Object.values(FAMILY_PARTS).flat().map((part) => blockTensorName(block, part)),
  ];
  requireNone(model, known.filter((name) => !wanted.has(name)));
}

function requireNone(model: ModelSource, names: readonly string[]): void {
  const found = names.find((name) => model.tensors.has(name) || model.unreadable?.has(name));
  if (found === undefined) return;
  throw new NodeError(
    "unsupported",
    `Cannot load "${model.id}": it has the tensor "${found}", wanted none of that name in a "${model.architecture.family}" model`,
  );
}
