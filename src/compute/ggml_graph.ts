/**
 * Graphs of ggml operations.
 *
 * @module
 */
import { FEW_POSITIONS } from "./backend.ts";
import {
  type Context,
  type GgmlTensor,
  type GgmlType,
  type Graph,
  newContext,
  type Symbols,
  TYPE,
} from "./ggml_context.ts";

/** Arrays that can be handed over. */
export type GgmlData =
  | Uint16Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>;

const big = BigInt;

/** Where a view into a tensor begins and how far apart its rows are, in bytes. */
export interface GgmlStrides {
  readonly row: number;
  readonly plane: number;
  readonly volume: number;
  readonly offset: number;
}

/** A matrix or vector of a model. */
export interface GgmlWeight {
  readonly tensor: GgmlTensor;
  /** Whether it lies in the order that kernels for several columns want. */
  readonly isRepacked: boolean;
}

/** `GGML_PREC_F32`. */
const SINGLE_PRECISION = 10;

/** How a graph is made. */
export interface GgmlGraphOptions {
  /** Room for so many operations and inputs. */
  readonly nodes: number;
  /** Columns of values that it computes. */
  readonly columns: number;
  /** Whether each column of values is multiplied by itself, as far as the order of the weights allows. */
  readonly isApart: boolean;
}

/** Arguments of `ggml_rope_ext` that a model decides. */
export interface GgmlRope {
  readonly dims: number;
  readonly pairs: "adjacent" | "halves";
  readonly base: number;
  readonly scale: number;
  readonly factors: GgmlTensor | undefined;
}

/**
 * Operations to be computed together. Shapes are in ggml's order here, innermost first: what others write as
 * `[tokens, hidden]` is `(hidden, tokens)`.
 */
export class GgmlGraph implements Disposable {
  /** For `GgmlDevice`. */
  readonly handle: Graph;
  /** Whether it computes at most {@linkcode FEW_POSITIONS}. */
  readonly hasFewColumns: boolean;
  readonly #symbols: Symbols;
  readonly #context: Context;
  readonly #isApart: boolean;

  /** Made by `GgmlDevice.newGraph`. */
  constructor(symbols: Symbols, { nodes, columns, isApart }: GgmlGraphOptions) {
    this.hasFewColumns = columns <= FEW_POSITIONS;
    this.#symbols = symbols;
    this.#isApart = isApart;
    this.#context = newContext(symbols, nodes, nodes);
    this.handle = symbols.ggml_new_graph_custom(this.#context, big(nodes), 0) as Graph;
  }

  /** All operations, in the order of their computation. */
  *nodes(): Generator<GgmlTensor> {
    const count = this.#symbols.ggml_graph_n_nodes(this.handle);
    for (let i = 0; i < count; i++) yield this.#symbols.ggml_graph_node(this.handle, i) as GgmlTensor;
  }

  /** A tensor that is set before each computation. */
  input(type: GgmlType, columns: number, rows = 1, planes = 1): GgmlTensor {
    const dims = [big(columns), big(rows), big(planes)] as const;
    const tensor = this.#symbols.ggml_new_tensor_3d(this.#context, TYPE[type], ...dims);
    this.#symbols.ggml_set_input(tensor);
    return tensor as GgmlTensor;
  }

  /** Marks what is read after each computation, and adds it to the graph. */
  output(tensor: GgmlTensor): void {
    this.#symbols.ggml_set_output(tensor);
    this.expand(tensor);
  }

  /** Puts `tensor` and all it needs next in the order of computation. */
  expand(tensor: GgmlTensor): void {
    this.#symbols.ggml_build_forward_expand(this.handle, tensor);
  }

  /** Overwrites `data.length` values of an input, beginning `offset` bytes in. */
  set(tensor: GgmlTensor, data: GgmlData, offset = 0): void {
    this.#symbols.ggml_backend_tensor_set(tensor, data, big(offset), big(data.byteLength));
  }

  /** Fills `out` from an output, beginning `offset` bytes in. */
  get(tensor: GgmlTensor, out: Float32Array<ArrayBuffer>, offset = 0): void {
    this.#symbols.ggml_backend_tensor_get(tensor, out, big(offset), big(out.byteLength));
  }

  /** Root mean square norm of each row, times `weight`. */
  norm(x: GgmlTensor, { tensor }: GgmlWeight, epsilon: number): GgmlTensor {
    const symbols = this.#symbols;
    return symbols.ggml_mul(
      this.#context,
      symbols.ggml_rms_norm(this.#context, x, epsilon),
      tensor,
    ) as GgmlTensor;
  }

  /** Sum, element by element. */
  add(a: GgmlTensor, b: GgmlTensor): GgmlTensor {
    return this.#symbols.ggml_add(this.#context, a, b) as GgmlTensor;
  }

  /** `(columns, rows)` weights times `(columns, n)` values: `(rows, n)`. */
  multiply({ tensor, isRepacked }: GgmlWeight, x: GgmlTensor): GgmlTensor {
    // as planes of one column each, the product is that of single columns, bit by bit
    return this.#isApart && !isRepacked
      ? this.swapMiddle(this.#product(tensor, this.swapMiddle(x)))
      : this.#product(tensor, x);
  }

  #product(weight: GgmlTensor, x: GgmlTensor): GgmlTensor {
    return this.#symbols.ggml_mul_mat(this.#context, weight, x) as GgmlTensor;
  }

  /** `silu(gate) * up`. */
  swiglu(gate: GgmlTensor, up: GgmlTensor): GgmlTensor {
    return this.#symbols.ggml_swiglu_split(this.#context, gate, up) as GgmlTensor;
  }

  /** The same values in another shape of 2 to 4 dimensions. */
  reshape(x: GgmlTensor, a: number, b: number, c?: number, d?: number): GgmlTensor {
    const symbols = this.#symbols;
    const reshaped = c === undefined
      ? symbols.ggml_reshape_2d(this.#context, x, big(a), big(b))
      : d === undefined
      ? symbols.ggml_reshape_3d(this.#context, x, big(a), big(b), big(c))
      : symbols.ggml_reshape_4d(this.#context, x, big(a), big(b), big(c), big(d));
    return reshaped as GgmlTensor;
  }

  /** A window of four dimensions into `x`. */
  view(x: GgmlTensor, dims: readonly [number, number, number, number], strides: GgmlStrides): GgmlTensor {
    return this.#symbols.ggml_view_4d(
      this.#context,
      x,
      big(dims[0]),
      big(dims[1]),
      big(dims[2]),
      big(dims[3]),
      big(strides.row),
      big(strides.plane),
      big(strides.volume),
      big(strides.offset),
    ) as GgmlTensor;
  }

  /** The second and third dimension change places. */
  swapMiddle(x: GgmlTensor): GgmlTensor {
    return this.#symbols.ggml_permute(this.#context, x, 0, 2, 1, 3) as GgmlTensor;
  }

  /** Rotary positions on `(headDim, heads, tokens)`. */
  rope(x: GgmlTensor, positions: GgmlTensor, rope: GgmlRope): GgmlTensor {
    return this.#symbols.ggml_rope_ext(
      this.#context,
      x,
      positions,
      rope.factors ?? null,
      rope.dims,
      rope.pairs === "adjacent" ? 0 : 2,
      0,
      rope.base,
      rope.scale,
      0,
      1,
      32,
      1,
    ) as GgmlTensor;
  }

  /** Writes the rows of `x` to rows `indices` of `target`. */
  setRows(target: GgmlTensor, x: GgmlTensor, indices: GgmlTensor): GgmlTensor {
    return this.#symbols.ggml_set_rows(this.#context, target, x, indices) as GgmlTensor;
  }

  /** Attention of `q` `(headDim, tokens, heads, rows)` over `k` and `v`: `(headDim, heads, tokens, rows)`. */
  attention(
    { q, k, v, mask }: Readonly<Record<"q" | "k" | "v" | "mask", GgmlTensor>>,
    scale: number,
  ): GgmlTensor {
    const attended = this.#symbols.ggml_flash_attn_ext(this.#context, q, k, v, mask, scale, 0, 0);
    // GPUs would sum in half precision, which ends at 65,504: the biased keys of Qwen 2 go beyond
    this.#symbols.ggml_flash_attn_ext_set_prec(attended, SINGLE_PRECISION);
    return attended as GgmlTensor;
  }

  [Symbol.dispose](): void {
    this.#symbols.ggml_free(this.#context);
  }
}
