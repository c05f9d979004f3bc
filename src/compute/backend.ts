/**
 * Running transformer blocks, as the rooms above see it. Every engine passes the same cases (tests/compute/cases.ts).
 *
 * @module
 */
import type { Activations, BlockRange, FloatDType } from "../base/tensor.ts";
import type { ModelSource } from "../model/source.ts";
import type { CpuSpent } from "./cpu_time.ts";
import type { TokenChoice } from "./sample_token.ts";

/**
 * Positions that are few, over all rows: one token, or one with 8 guesses behind it. A pass over them is one piece of work,
 * computed as single ones are, bit by bit, where docs/decisions/ggml.md says so.
 */
export const FEW_POSITIONS = 9;

/** Engines by their names on the command line. */
export type EngineName = "ggml" | "onnx" | "reference";

/** What a backend found on this machine, or why it cannot run here. */
export type Probe =
  | { readonly usable: true; readonly device: string; readonly version: string }
  | { readonly usable: false; readonly reason: string };

/** How blocks are to be held and computed. */
export interface LoadOptions {
  /**
   * `auto` keeps weights as stored and the cache in half precision, except that a model stored in single precision is
   * computed in it throughout; `f32` expands checkpoints of f16 and bf16 and keeps an exact cache. Quantised weights
   * stay as they are under every choice.
   */
  readonly dtype: "auto" | "f32" | "f16" | "bf16";
  /** Threads of the engine, 1 or more. */
  readonly threads: number;
}

/** One way to run transformer blocks: ggml, onnxruntime, or the plain TypeScript reference. */
export interface BlockBackend {
  readonly name: EngineName;
  /** Never throws: an absent library is an answer. */
  probe(): Promise<Probe>;
  /** Loads `range` of `model`. Throws `NodeError` `unsupported`, `no_memory`, `corrupt`, `no_backend`. */
  load(
    model: ModelSource,
    range: BlockRange,
    options: LoadOptions,
    signal: AbortSignal,
  ): Promise<LoadedBlocks>;
  /** Loads embeddings, final norm and output matrix. Throws as `load` does. */
  loadHead(model: ModelSource, options: LoadOptions, signal: AbortSignal): Promise<TextHead>;
}

/** Room for one session's attention memory. */
export interface CacheSize {
  /** Part of the loaded blocks. */
  readonly range: BlockRange;
  readonly batch: number;
  /** Positions of each row. */
  readonly capacity: number;
}

/** Blocks in device memory. Computations run one after another, in the order asked. */
export interface LoadedBlocks extends AsyncDisposable {
  readonly engine: EngineName;
  readonly device: string;
  /** `card` where something other than the processor computes; absent is `processor`. */
  readonly deviceKind?: "processor" | "card";
  readonly range: BlockRange;
  readonly hiddenSize: number;
  /** Type of the answers on the wire. */
  readonly dtype: FloatDType;
  readonly weightBytes: number;
  /** Bytes of keys and values of one position of one row in one block. */
  readonly cacheBytesPerToken: number;
  /** Reserves and clears the memory. Throws `NodeError` `no_memory`; `RangeError` for blocks that are not loaded. */
  openCache(size: CacheSize, signal: AbortSignal): Promise<KvCache>;
  /** Blocks `range` over whole sequences from position 0, without memory of earlier calls. Same shape out. */
  forward(step: BlockStep, range: BlockRange, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>>;
  /**
   * Blocks of `cache.range` at positions `cache.length` onward; then `cache.length` grows by `tokens`, which may be 0.
   * Throws `RangeError` when the cache is too small, or for rows, prompts or positions that do not fit.
   */
  step(step: CacheStep, cache: KvCache, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>>;
  /**
   * Embeddings, blocks and output matrix in one call, where a call has its price: scores `[scored, vocabulary]` of the
   * last positions. The blocks must be those of the whole model. Throws as `step`, `embed` and `logits` do.
   */
  scores?(
    step: TextStep,
    cache: KvCache,
    head: TextHead,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>>;
  /** The same where only the token is wanted that follows: its id, as `sampleToken` chooses it. */
  next?(step: NextStep, cache: KvCache, head: TextHead, signal: AbortSignal): Promise<number>;
}

/** Input of blocks. */
export interface BlockStep {
  readonly input: Activations;
  /** Deep prompts: `[blocks, batch, promptTokens, hidden]`, added to the first tokens of each block's input. */
  readonly prompts?: { readonly tokens: number; readonly data: Float32Array<ArrayBuffer> };
  /** Told, in one part or several, what the computation took. */
  readonly spent?: CpuSpent;
}

/** Input of a step over a cache. Done in this order: rewind, reorder, compute. */
export interface CacheStep extends BlockStep {
  /** Forget positions from here on (`start_from_position`). */
  readonly rewindTo?: number;
  /** Row `i` continues what row `rows[i]` held (`hypo_ids` of beam search). */
  readonly rows?: readonly number[];
}

/** Token ids through head and blocks in one call. */
export interface TextStep {
  /** 1 or more. */
  readonly ids: readonly number[];
  /** So many of the last positions are scored. */
  readonly scored: number;
  /** Only so many of the best scores of each position are wanted; all others may come as -Infinity. */
  readonly best?: number;
  /** Forget positions from here on, first. */
  readonly rewindTo?: number;
  /** Told what the blocks' computation took. */
  readonly spent?: CpuSpent;
}

/** Token ids through head and blocks to the id that follows. */
export interface NextStep extends Pick<TextStep, "ids" | "rewindTo" | "spent"> {
  readonly choice: DrawnChoice;
  /** It may go on with that id; it never does without. */
  readonly goOnUnless?: GoOn["unless"];
}

/**
 * The id that was chosen is most likely to be fed next: an engine may compute what follows before it is asked, and forgets
 * it again where something else is asked.
 */
export interface GoOn {
  /** What the next positions are added to, of the first blocks or all of them. */
  readonly cache: KvCache;
  /** Ids behind which nothing follows. */
  readonly unless: readonly number[];
}

/** How a token is chosen, and the number that chance has drawn for it. */
export interface DrawnChoice extends TokenChoice {
  /** In [0, 1); means nothing at temperature 0. */
  readonly draw: number;
}

/** Attention memory of one session. Dispose to free it. */
export interface KvCache extends CacheSize, AsyncDisposable {
  /** Positions filled. */
  readonly length: number;
}

/** What turns token ids into hidden states and back. */
export interface TextHead extends AsyncDisposable {
  readonly engine: EngineName;
  readonly hiddenSize: number;
  readonly vocabularySize: number;
  readonly weightBytes: number;
  /** Embeddings `[ids.length, hidden]`. Throws `RangeError` for an id outside the vocabulary. */
  embed(ids: readonly number[], signal: AbortSignal): Promise<Float32Array<ArrayBuffer>>;
  /** Final norm and output matrix over `rows` hidden states `[rows, hidden]` to scores `[rows, vocabulary]`. */
  logits(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>>;
  /** The same, where a row of scores has its price on the way: only the `best` of each, all others -Infinity. */
  bestLogits?(
    hidden: Float32Array<ArrayBuffer>,
    rows: number,
    best: number,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>>;
  /** The same where only the token is wanted that follows the one state `[hidden]`: its id, as `sampleToken` chooses it. */
  next?(
    hidden: Float32Array<ArrayBuffer>,
    wanted: { readonly choice: DrawnChoice; readonly goOn?: GoOn },
    signal: AbortSignal,
  ): Promise<number>;
}
