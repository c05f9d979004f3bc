/**
 * The computation of blocks as a graph of ggml operations: Llama's (Touvron et al., 2023; grouped heads of Ainslie et al.,
 * 2023), with the biases of Qwen 2 or the normed queries and keys of Qwen 3 where they are there. Some 30 operations a
 * block, and 14 more where columns are multiplied apart.
 *
 * @module
 */
import type { Architecture } from "../model/source.ts";
import type { BlockValues } from "../model/slice.ts";
import type { GgmlTensor } from "./ggml_context.ts";
import type { GgmlGraph, GgmlRope, GgmlWeight } from "./ggml_graph.ts";

/** Weights of one block. */
export type BlockWeights = BlockValues<GgmlWeight>;

/** Attention memory of one block: `(headDim × kvHeads, capacity × batch)` each. */
export interface BlockCache {
  readonly keys: GgmlTensor;
  readonly values: GgmlTensor;
}

/** What one graph computes. */
export interface GraphShape {
  /** Rows of the batch, `firstRow` onward of the cache. */
  readonly rows: number;
  readonly firstRow: number;
  /** Tokens of each row. */
  readonly tokens: number;
  /** Positions that attention reads; those beyond what is filled are masked. */
  readonly positions: number;
  /** Whether values are added to each block's input. */
  readonly prompted: boolean;
}

/** What graphs over one cache have in common. */
export interface GraphPlan {
  readonly architecture: Architecture;
  readonly rope: GgmlRope;
  readonly blocks: readonly BlockWeights[];
  readonly cache: readonly BlockCache[];
  /** Positions of each row of the cache. */
  readonly capacity: number;
  /** Bytes of one value in the cache. */
  readonly cacheValueBytes: number;
}

/** Inputs and output of a graph; values of row r and token t stand at `r × tokens + t`. */
export interface BlockGraphEnds {
  /** f32 `(hidden, rows × tokens)`. */
  readonly hidden: GgmlTensor;
  /** i32 `(rows × tokens)`. */
  readonly positions: GgmlTensor;
  /** i64 `(rows × tokens)`: which row of the cache each token is written to. */
  readonly places: GgmlTensor;
  /** f16 `(positions, tokens)`: 0 where a token may look, minus infinity elsewhere. */
  readonly mask: GgmlTensor;
  /** f32 as `hidden`, one for each block of a prompted graph. */
  readonly prompts: readonly GgmlTensor[];
  readonly output: GgmlTensor;
}

/** Nodes to reserve for a graph over `blocks` blocks. */
export const graphNodes = (blocks: number): number => 58 * blocks + 16;

/** Adds the blocks of `plan` to an empty graph. */
export function buildBlocks(graph: GgmlGraph, plan: GraphPlan, shape: GraphShape): BlockGraphEnds {
  const { hiddenSize } = plan.architecture;
  const columns = shape.rows * shape.tokens;
  const hidden = graph.input("F32", hiddenSize, columns);
  const positions = graph.input("I32", columns);
  const places = graph.input("I64", columns);
  const mask = graph.input("F16", shape.positions, shape.tokens);
  const prompts = shape.prompted ? plan.blocks.map(() => graph.input("F32", hiddenSize, columns)) : [];
  let x = hidden;
  plan.blocks.forEach((weights, i) => {
    if (shape.prompted) x = graph.add(x, prompts[i]!);
    x = attend({ graph, plan, shape, inputs: { positions, places, mask } }, weights, plan.cache[i]!, x);
    x = feedForward(graph, weights, plan.architecture.normEpsilon, x);
  });
  graph.output(x);
  return { hidden, positions, places, mask, prompts, output: x };
}

interface Attention {
  readonly graph: GgmlGraph;
  readonly plan: GraphPlan;
  readonly shape: GraphShape;
  readonly inputs: Pick<BlockGraphEnds, "positions" | "places" | "mask">;
}

function attend(
  { graph, plan, shape, inputs }: Attention,
  weights: BlockWeights,
  cache: BlockCache,
  x: GgmlTensor,
): GgmlTensor {
  const { heads, kvHeads, headDim, normEpsilon } = plan.architecture;
  const { rows, tokens } = shape;
  const normed = graph.norm(x, weights.attn_norm, normEpsilon);
  const projected = (weight: GgmlWeight, bias: GgmlWeight | undefined) => {
    const product = graph.multiply(weight, normed);
    return bias === undefined ? product : graph.add(product, bias.tensor);
  };
  const turned = (x: GgmlTensor, norm: GgmlWeight | undefined, count: number) => {
    const perHead = graph.reshape(x, headDim, count, rows * tokens);
    const even = norm === undefined ? perHead : graph.norm(perHead, norm, normEpsilon);
    return graph.rope(even, inputs.positions, plan.rope);
  };
  const q = turned(projected(weights.attn_q, weights.attn_q_bias), weights.attn_q_norm, heads);
  const k = turned(projected(weights.attn_k, weights.attn_k_bias), weights.attn_k_norm, kvHeads);
  const v = projected(weights.attn_v, weights.attn_v_bias);
  // The writes stand in the graph before the views that read them: nothing else orders the two
  graph.expand(q);
  graph.expand(
    graph.setRows(cache.keys, graph.reshape(k, headDim * kvHeads, rows * tokens), inputs.places),
  );
  graph.expand(graph.setRows(cache.values, v, inputs.places));
  const attended = graph.attention({
    q: graph.swapMiddle(graph.reshape(q, headDim, heads, tokens, rows)),
    k: cacheView(graph, plan, shape, cache.keys),
    v: cacheView(graph, plan, shape, cache.values),
    mask: inputs.mask,
  }, 1 / Math.sqrt(headDim));
  const merged = graph.reshape(attended, headDim * heads, rows * tokens);
  return graph.add(graph.multiply(weights.attn_output, merged), x);
}

/** `(headDim, positions, kvHeads, rows)` of the cache. */
function cacheView(graph: GgmlGraph, plan: GraphPlan, shape: GraphShape, cache: GgmlTensor): GgmlTensor {
  const { kvHeads, headDim } = plan.architecture;
  const headBytes = headDim * plan.cacheValueBytes;
  const positionBytes = kvHeads * headBytes;
  const rowBytes = plan.capacity * positionBytes;
  return graph.view(cache, [headDim, shape.positions, kvHeads, shape.rows], {
    row: positionBytes,
    plane: headBytes,
    volume: rowBytes,
    offset: shape.firstRow * rowBytes,
  });
}

function feedForward(graph: GgmlGraph, weights: BlockWeights, epsilon: number, x: GgmlTensor): GgmlTensor {
  const normed = graph.norm(x, weights.ffn_norm, epsilon);
  const gated = graph.swiglu(
    graph.multiply(weights.ffn_gate, normed),
    graph.multiply(weights.ffn_up, normed),
  );
  return graph.add(graph.multiply(weights.ffn_down, gated), x);
}
