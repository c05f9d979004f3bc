/**
 * Blocks of Llama (Touvron et al., 2023; grouped heads of Ainslie et al., 2023) and Qwen, and the output matrix, as ONNX
 * graphs.
 *
 * Weights are inputs, not constants: one small graph serves every block of a model, its memory is ours and not held
 * twice, and nothing meets the 2 GB at which a protobuf ends.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { type BlockPart, blockParts, blockShapes } from "../model/slice.ts";
import type { Architecture } from "../model/source.ts";
import { encodeOnnx, type OnnxNode, type OnnxValue } from "./onnx_proto.ts";

/** Collects the nodes of a graph; each method adds one and gives the name of its result. */
class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly constants = new Map<string, readonly number[]>();

  add(
    operator: string,
    inputs: readonly string[],
    { name, ...more }: Pick<OnnxNode, "attributes" | "domain"> & { readonly name?: string } = {},
  ): string {
    const output = name ?? `${operator}_${this.nodes.length}`;
    this.nodes.push({ operator, inputs, outputs: [output], ...more });
    return output;
  }

  product(x: string, matrix: string): string {
    return this.add("MatMul", [x, matrix]);
  }

  norm(x: string, weight: string, epsilon: number): string {
    return this.add("SimplifiedLayerNormalization", [x, weight], {
      attributes: { epsilon: { float: epsilon } },
    });
  }

  transpose(x: string, order: readonly number[], name?: string): string {
    return this.add("Transpose", [x], { attributes: { perm: order }, ...(name && { name }) });
  }

  /** As ONNX has it: 0 keeps a dimension, -1 is what is left. */
  reshape(x: string, shape: readonly number[]): string {
    const constant = `shape_${shape.join("_")}`;
    this.constants.set(constant, shape);
    return this.add("Reshape", [x, constant]);
  }
}

/**
 * The shape of a stored weight as the graphs take it: matrices `[in, out]`. Products with one token, which are most, are
 * twice as fast so (measured with onnxruntime 1.27.0 on x86_64; level from eight tokens on).
 */
export const weightShape = (stored: readonly number[]): readonly number[] => stored.toReversed();

/**
 * One block.
 *
 * Inputs: `hidden` `[batch, tokens, hidden]`; `keys`, `values` that are held `[position, batch, kvHeads × headDim]`; `cos`,
 * `sin` of the new positions `[tokens, dims / 2]`; `mask` `[tokens, position + tokens]`, 0 where a token may look, minus
 * infinity elsewhere; the weights by their names in `blockParts`, matrices as `weightShape` says.
 * Outputs: `output` as `hidden`; `fresh_keys`, `fresh_values` `[tokens, batch, kvHeads × headDim]`.
 */
export function blockGraph(architecture: Architecture): Bytes {
  const { hiddenSize, heads, kvHeads, headDim, normEpsilon, rope } = architecture;
  const width = kvHeads * headDim;
  const shapes = blockShapes(architecture);
  const parts = blockParts(architecture);
  const graph = new GraphBuilder();
  const normed = graph.norm("hidden", "attn_norm", normEpsilon);
  const projected = (matrix: BlockPart, bias: BlockPart) => {
    const product = graph.product(normed, matrix);
    return parts.includes(bias) ? graph.add("Add", [product, bias]) : product;
  };
  const even = (x: string, norm: BlockPart, count: number) =>
    parts.includes(norm) ? normedHeads(graph, x, norm, { ...architecture, heads: count }) : x;
  const q = even(projected("attn_q", "attn_q_bias"), "attn_q_norm", heads);
  const k = even(projected("attn_k", "attn_k_bias"), "attn_k_norm", kvHeads);
  const queries = rotated(graph, q, architecture, heads);
  graph.transpose(rotated(graph, k, architecture, kvHeads), [1, 0, 2], "fresh_keys");
  graph.transpose(projected("attn_v", "attn_v_bias"), [1, 0, 2], "fresh_values");
  const attended = attention(graph, queries, architecture);
  const hidden = graph.add("Add", ["hidden", graph.product(attended, "attn_output")]);

  const feed = graph.norm(hidden, "ffn_norm", normEpsilon);
  const gate = graph.product(feed, "ffn_gate");
  const silu = graph.add("Mul", [gate, graph.add("Sigmoid", [gate])]);
  const gated = graph.add("Mul", [silu, graph.product(feed, "ffn_up")]);
  graph.add("Add", [hidden, graph.product(gated, "ffn_down")], { name: "output" });

  const held = ["position", "batch", width];
  const turned = ["tokens", rope.dims / 2];
  const inputs: OnnxValue[] = [
    { name: "hidden", shape: ["batch", "tokens", hiddenSize] },
    { name: "keys", shape: held },
    { name: "values", shape: held },
    { name: "cos", shape: turned },
    { name: "sin", shape: turned },
    { name: "mask", shape: ["tokens", "positions"] },
    ...parts.map((name) => ({ name, shape: weightShape(shapes[name]) })),
  ];
  const fresh = ["tokens", "batch", width];
  const outputs: OnnxValue[] = [
    { name: "output", shape: ["batch", "tokens", hiddenSize] },
    { name: "fresh_keys", shape: fresh },
    { name: "fresh_values", shape: fresh },
  ];
  return encodeOnnx({ inputs, outputs, nodes: graph.nodes, constants: graph.constants });
}

/** Norms each head of `x` `[batch, tokens, heads × headDim]` by itself. */
function normedHeads(
  graph: GraphBuilder,
  x: string,
  norm: string,
  { heads, headDim, normEpsilon }: Architecture,
): string {
  const perHead = graph.reshape(x, [0, 0, heads, headDim]);
  return graph.reshape(graph.norm(perHead, norm, normEpsilon), [0, 0, heads * headDim]);
}

/** Turns each head of `x` `[batch, tokens, heads × headDim]`; the tables begin with the first token's position. */
function rotated(
  graph: GraphBuilder,
  x: string,
  { headDim, rope }: Architecture,
  heads: number,
): string {
  graph.constants.set("first_position", [0]);
  return graph.add("RotaryEmbedding", [x, "first_position", "cos", "sin"], {
    domain: "com.microsoft",
    attributes: {
      interleaved: rope.pairs === "adjacent" ? 1 : 0,
      num_heads: heads,
      ...(rope.dims === headDim ? {} : { rotary_embedding_dim: rope.dims }),
    },
  });
}

/** What each head sees, `[batch, tokens, heads × headDim]`. Heads of a group stand beside each other. */
function attention(graph: GraphBuilder, queries: string, { heads, kvHeads, headDim }: Architecture): string {
  /** All positions as `[batch, kvHeads, 1, positions, headDim]`. */
  const whole = (held: string, fresh: string) => {
    const joined = graph.add("Concat", [held, fresh], { attributes: { axis: 0 } });
    return graph.transpose(graph.reshape(joined, [0, 0, kvHeads, 1, headDim]), [1, 2, 3, 0, 4]);
  };
  const grouped = graph.transpose(
    graph.reshape(queries, [0, 0, kvHeads, heads / kvHeads, headDim]),
    [0, 2, 3, 1, 4],
  );
  const scores = graph.add("FusedMatMul", [grouped, whole("keys", "fresh_keys")], {
    domain: "com.microsoft",
    attributes: { transB: 1, alpha: { float: 1 / Math.sqrt(headDim) } },
  });
  const weights = graph.add("Softmax", [graph.add("Add", [scores, "mask"])], { attributes: { axis: 4 } });
  const seen = graph.add("MatMul", [weights, whole("values", "fresh_values")]);
  return graph.reshape(graph.transpose(seen, [0, 3, 1, 2, 4]), [0, 0, heads * headDim]);
}

/**
 * Final norm and output matrix. Inputs: `hidden` `[rows, hidden]`, `norm` `[hidden]`, `matrix` `[hidden, vocabulary]`.
 * Output: `scores` `[rows, vocabulary]`.
 */
export function headGraph({ hiddenSize, vocabularySize, normEpsilon }: Architecture): Bytes {
  const graph = new GraphBuilder();
  const normed = graph.norm("hidden", "norm", normEpsilon);
  graph.add("MatMul", [normed, "matrix"], { name: "scores" });
  return encodeOnnx({
    inputs: [
      { name: "hidden", shape: ["rows", hiddenSize] },
      { name: "norm", shape: [hiddenSize] },
      { name: "matrix", shape: [hiddenSize, vocabularySize] },
    ],
    outputs: [{ name: "scores", shape: ["rows", vocabularySize] }],
    nodes: graph.nodes,
    constants: graph.constants,
  });
}
