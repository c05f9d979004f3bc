/**
 * A model on disk, as engines and tokenizers see it.
 *
 * @module
 */
import type { NodeError } from "../base/errors.ts";

/** Formats of stored weights, by the names of ggml. */
export type WeightFormat =
  | "F32"
  | "F16"
  | "BF16"
  | "Q4_0"
  | "Q4_1"
  | "Q5_0"
  | "Q5_1"
  | "Q8_0"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K";

/**
 * Families whose blocks we compute, by the names of llama.cpp. Mistral and Llama 1 to 3 are `llama`; Qwen 2 and 2.5, with
 * biases on queries, keys and values, `qwen2`; the dense models of Qwen 3, which norm queries and keys head by head, `qwen3`.
 */
export type ModelFamily = "llama" | "qwen2" | "qwen3";

/** Sizes and constants of a model, as its file states them. */
export interface Architecture {
  readonly family: ModelFamily;
  readonly blocks: number;
  readonly hiddenSize: number;
  readonly ffnSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly normEpsilon: number;
  readonly contextLength: number;
  readonly vocabularySize: number;
  readonly rope: RopeParameters;
}

/** Rotary position embedding (Su et al., 2021). */
export interface RopeParameters {
  readonly base: number;
  /** Rotated dimensions of each head. */
  readonly dims: number;
  /**
   * Which pairs rotate: `adjacent` (2i, 2i+1) in GGUF files of Llama, `halves` (i, i + dims/2) in those of Qwen and in
   * Hugging Face checkpoints.
   */
  readonly pairs: "adjacent" | "halves";
  /** Divisors of each frequency, `dims / 2` of them (Llama 3.1 and later), or absent. */
  readonly factors?: Float32Array<ArrayBuffer>;
  /** Linear position scale: positions are multiplied by it. 1 where there is none. */
  readonly scale: number;
}

/** One stored tensor, under its GGUF name (`blk.0.attn_q.weight`, `token_embd.weight`, `output_norm.weight`, `output.weight`). */
export interface TensorInfo {
  readonly name: string;
  readonly format: WeightFormat;
  /** Row-major, outermost first: a matrix is `[rows, columns]`. */
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** One model: a GGUF file or a Hugging Face folder. Reads only the bytes asked for. Dispose to close its files. */
export interface ModelSource extends AsyncDisposable {
  /** The model's id on every API: a GGUF's file name without `.gguf`, a folder's name. */
  readonly id: string;
  /** Absolute path of the file or folder; opening it again gives the same model. */
  readonly path: string;
  readonly architecture: Architecture;
  /** By GGUF name, also for Hugging Face folders. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Tensors that are there and cannot be read, with what `read` throws for them: it matters when one is needed. */
  readonly unreadable?: ReadonlyMap<string, NodeError>;
  /** Bytes of one tensor in its stored format. Throws `NodeError` `not_found`, `corrupt`, `aborted`. */
  read(name: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /** Bytes of rows `start` to `end - 1` of a matrix. Throws as `read` does. */
  readRows(name: string, start: number, end: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /** Bytes of any file range; used by tokenizers and templates. `undefined` where the model has none. */
  tokenizer(signal: AbortSignal): Promise<TokenizerFiles | undefined>;
}

/** What a Hugging Face tokenizer is built from; made from a GGUF's tables where there are no such files. */
export interface TokenizerFiles {
  /** `tokenizer.json` */
  readonly tokenizer: Record<string, unknown>;
  /** `tokenizer_config.json` */
  readonly config: Record<string, unknown>;
  /** `generation_config.json`: which tokens end a text. */
  readonly generation?: Record<string, unknown>;
}
